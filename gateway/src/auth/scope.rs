//! The scope of a signature: `AKIDEXAMPLE/20150830/us-east-1/kinesis/aws4_request`.

use crate::auth::error::AuthError;
use crate::auth::stamp::Stamp;

/// What every scope ends with.
pub(crate) const TERMINATOR: &str = "aws4_request";

/// Whose key signed, and what for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) access_key_id: String,
    pub(crate) date: String,
    pub(crate) region: String,
    pub(crate) service: String,
    terminator: String,
}

impl Scope {
    /// Reads the five parts.
    pub(crate) fn parse(text: &str) -> Result<Self, AuthError> {
        let parts: Vec<&str> = text.split('/').collect();
        let [access_key_id, date, region, service, terminator] = parts[..] else {
            return Err(AuthError::Incomplete(format!(
                "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{text}'"
            )));
        };
        let own = str::to_owned;
        Ok(Scope {
            access_key_id: own(access_key_id),
            date: own(date),
            region: own(region),
            service: own(service),
            terminator: own(terminator),
        })
    }

    /// Refuses a signature that was made for another day, place or service.
    pub(crate) fn check(&self, stamp: &Stamp, region: &str, service: &str) -> Result<(), AuthError> {
        let refused = |text: String| Err(AuthError::InvalidSignature(text));
        if self.terminator != TERMINATOR {
            let terminator = &self.terminator;
            return refused(format!(
                "Credential should be scoped with a valid terminator: '{TERMINATOR}', not '{terminator}'."
            ));
        }
        if self.service != service {
            return refused(format!(
                "Credential should be scoped to correct service: '{service}', not '{}'.",
                self.service
            ));
        }
        if self.region != region {
            return refused(format!(
                "Credential should be scoped to a valid region, not '{}': this server's is '{region}'.",
                self.region
            ));
        }
        if self.date != stamp.date() {
            return refused(format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != '{}', from '{}'.",
                self.date,
                stamp.date(),
                stamp.text()
            ));
        }
        Ok(())
    }

    /// The scope without the key's name, as it is signed.
    pub(crate) fn text(&self) -> String {
        format!("{}/{}/{}/{}", self.date, self.region, self.service, self.terminator)
    }
}
