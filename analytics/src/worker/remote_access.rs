//! Whoever asks, as a worker knows them: the server decides what they may read.

use async_trait::async_trait;
use model::stream::access::{AccessError, StreamAccess};

use crate::worker::calls::Calls;
use crate::worker::message::{Answer, Asked};

/// Asks the server. One that does not answer permits nothing.
pub(crate) struct RemoteAccess(pub(crate) Calls);

#[async_trait]
impl StreamAccess for RemoteAccess {
    async fn check(&self, stream: &str) -> Result<(), AccessError> {
        match self.0.ask_one(Asked::Access(stream.to_owned())).await {
            Ok((Answer::Access(decided), _)) => decided.map_err(AccessError::from),
            Ok(_) => Err(AccessError::Unknown("the server's answer does not fit the question".to_owned())),
            Err(gone) => Err(AccessError::Unknown(gone.to_string())),
        }
    }
}
