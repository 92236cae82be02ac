//! What a store finds half done when it is opened: streams whose creation or deletion was begun by
//! a process that ended.

use model::name::StreamName;
use model::stream::store::StreamError;

use crate::kafka::streams::admin::Admin;

impl Admin {
    /// Finishes streams whose topic is there, and removes entries whose topic is gone. What is
    /// between the two stays as it is: a topic that has not come yet is found when somebody names
    /// the stream.
    pub(crate) async fn sweep(&self) -> Result<(), StreamError> {
        let mut writer = self.writer.lock().await;
        let nameless = StreamName::new("all-streams").expect("a valid name");
        let entries = writer.begin().await.map_err(|fault| fault.of(&nameless))?;
        let unfinished = writer.all_unfinished().await.map_err(|fault| fault.of(&nameless))?;
        let cluster = self.clients.cluster(None).await.map_err(|fault| fault.of(&nameless))?;
        for name in unfinished.keys().filter(|name| !entries.contains_key(*name)) {
            self.finish(&mut writer, name).await?;
        }
        for (name, entry) in entries.into_iter().filter(|(name, _)| !cluster.topics.contains_key(name.as_str())) {
            if self.clients.is_gone(name.as_str()).await.map_err(|fault| fault.of(&name))? {
                self.remove_gone(&mut writer, &name, entry).await?;
            }
        }
        Ok(())
    }
}
