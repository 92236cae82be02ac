//! What a caller may do, and with which streams, by its own policy and theirs.
//!
//! A stream is closed to a caller whom a policy denies any action that does the same as the one
//! that is asked for: denied `kinesis:GetRecords` on a stream, nobody reads its records by another
//! door.

use std::sync::Arc;

use async_trait::async_trait;
use model::name::StreamName;
use model::stream::access::{AccessError, Readable, StreamAccess};
use model::stream::store::StreamError;

use crate::auth::access::Caller;
use crate::auth::error::AuthError;
use crate::auth::policy::Verdict;
use crate::auth::resource_policy::own_verdict;
use crate::rest::action::{Action, StreamUse};
use crate::state::GatewayState;

/// A caller who wants to do something.
#[derive(Clone)]
pub(crate) struct Asker {
    pub(crate) state: Arc<GatewayState>,
    pub(crate) caller: Caller,
    pub(crate) action: Action,
}

/// The streams that a caller may read with its action.
pub(crate) fn readable(asker: Asker) -> Readable {
    if asker.caller.is_limited() { Readable::Only(Arc::new(asker)) } else { Readable::Everything }
}

#[async_trait]
impl StreamAccess for Asker {
    async fn check(&self, stream: &str) -> Result<(), AccessError> {
        self.check_stream(stream, StreamUse::Read).await
    }
}

impl Asker {
    /// Refuses an action that is not allowed on everything.
    pub(crate) fn check_everything(&self) -> Result<(), AccessError> {
        self.check("*", Verdict::Silent)
    }

    /// Refuses an action that is not allowed on a table.
    pub(crate) fn check_table(&self, table: &str) -> Result<(), AccessError> {
        self.check(&self.arn("gallop", "table", table), Verdict::Silent)
    }

    /// Refuses a use of a stream that the policies of caller and stream do not allow, or that one
    /// of them denies by the name of another action. The stream need not exist.
    pub(crate) async fn check_stream(&self, stream: &str, used: StreamUse) -> Result<(), AccessError> {
        let Caller::Principal(credential) = &self.caller else { return Ok(()) };
        let account = &self.state.options.account_id;
        let (arn, policy) = (self.arn("kinesis", "stream", stream), self.policy_of(stream).await?);
        let verdict = |action: &str| match &policy {
            Some(policy) => own_verdict(policy, account, credential, action, &arn),
            None => Verdict::Silent,
        };
        let action = self.action.to_string();
        for same in used.same() {
            self.caller.check_undenied(account, &action, same, &arn, verdict(same)).map_err(denied)?;
        }
        self.check(&arn, verdict(&action))
    }

    /// Refuses a caller who is denied the action altogether, or allowed it nowhere.
    pub(crate) async fn check_something(&self) -> Result<(), AccessError> {
        let Caller::Principal(credential) = &self.caller else { return Ok(()) };
        let action = self.action.to_string();
        let denied_all = credential.policy.verdict(&action, "*") == Verdict::Denied;
        if !denied_all && (credential.policy.allows_something(&action) || self.is_let_in_by_a_stream().await?) {
            return Ok(());
        }
        self.check_everything()
    }

    /// Whether the policy of some stream allows the action to a caller whose own policy does not.
    async fn is_let_in_by_a_stream(&self) -> Result<bool, AccessError> {
        let streams = self.state.streams.list().await.map_err(|failure| AccessError::Unknown(failure.to_string()))?;
        for stream in streams {
            if self.check_stream(stream.as_str(), StreamUse::Other).await.is_ok() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn check(&self, resource: &str, of_resource: Verdict) -> Result<(), AccessError> {
        let (account, action) = (&self.state.options.account_id, self.action.to_string());
        self.caller.check(account, &action, resource, of_resource).map_err(denied)
    }

    /// The policy that a stream has itself. What is archived of a stream that is gone has none.
    async fn policy_of(&self, stream: &str) -> Result<Option<String>, AccessError> {
        let Ok(name) = StreamName::new(stream) else { return Ok(None) };
        match self.state.streams.describe(&name).await {
            Ok(description) => Ok(description.settings.policy.clone()),
            Err(StreamError::NotFound(_)) => Ok(None),
            Err(failure) => {
                let why = format!("the policy of stream `{stream}` cannot be read, so nobody may use it: {failure}");
                Err(AccessError::Unknown(why))
            }
        }
    }

    fn arn(&self, service: &str, kind: &str, name: &str) -> String {
        let options = &self.state.options;
        format!("arn:aws:{service}:{}:{}:{kind}/{name}", options.region, options.account_id)
    }
}

fn denied(refused: AuthError) -> AccessError {
    AccessError::Denied(refused.to_string())
}
