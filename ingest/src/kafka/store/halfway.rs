//! Creations and deletions that stop half way, for tests: they leave on the cluster what a process
//! leaves that is killed there.

use model::name::StreamName;
use model::stream::store::{StreamError, StreamOptions};

use crate::kafka::cluster::fault::Fault;
use crate::kafka::store::KafkaStore;

/// The last thing that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Last {
    /// What is to happen was written.
    Begun,
    /// The topic was made or deleted.
    Topic,
}

impl KafkaStore {
    /// Begins to create a stream.
    pub async fn stop_creating(
        &self,
        name: &StreamName,
        options: &StreamOptions,
        last: Last,
    ) -> Result<(), StreamError> {
        let admin = &self.inner.admin;
        let mut writer = admin.writer.lock().await;
        let entry = admin.begin(&mut writer, name, options).await?;
        if last == Last::Topic {
            admin.make_topic(&mut writer, name, &entry).await?;
        }
        Ok(())
    }

    /// Begins to delete a stream.
    pub async fn stop_deleting(&self, name: &StreamName, last: Last) -> Result<(), StreamError> {
        let stream = self.inner.stream(name).await?;
        let (admin, of) = (&self.inner.admin, |fault: Fault| fault.of(name));
        let mut writer = admin.writer.lock().await;
        let entry =
            writer.begin().await.map_err(of)?.remove(name).ok_or_else(|| StreamError::NotFound(name.clone()))?;
        admin.begin_deletion(&mut writer, &stream, &entry).await?;
        if last == Last::Topic {
            admin.clients.delete_topic(name.as_str()).await.map_err(of)?;
        }
        Ok(())
    }
}
