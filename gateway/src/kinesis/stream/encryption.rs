//! Encryption at rest: how requests name a key, and how a stream's is shown.

use serde::Serialize;

use crate::aws::error::AwsError;
use crate::aws::wire::text::Text;
use crate::kinesis::input::input;
use crate::state::GatewayState;

/// The longest name of a key.
const KEY_ID_LENGTH_MAX: usize = 2048;

input!(stream {
    #[serde(borrow)]
    encryption_type: Option<Text<'a>>,
    #[serde(borrow)]
    key_id: Option<Text<'a>>,
});

/// `EncryptionType` and `KeyId` of a stream.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Encryption {
    encryption_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<String>,
}

impl Encryption {
    /// With this key, or with none.
    pub(crate) fn of(key: Option<&String>) -> Self {
        Encryption { encryption_type: if key.is_some() { "KMS" } else { "NONE" }, key_id: key.cloned() }
    }
}

impl Input<'_> {
    /// The key that is named, by the name that the key file has for it: an ARN is what follows its account, an alias with
    /// `alias/`, a key without `key/`.
    pub(crate) fn key(&self, state: &GatewayState) -> Result<String, AwsError> {
        match self.encryption_type.as_deref() {
            None => return Err(AwsError::missing("encryptionType")),
            Some("KMS") => {}
            Some("NONE") => return Err(AwsError::invalid_argument("EncryptionType must be KMS.")),
            Some(other) => {
                let constraint = "Member must satisfy enum value set: [KMS, NONE]";
                return Err(AwsError::validation(&format!("'{other}'"), "encryptionType", constraint));
            }
        }
        let key = self.key_id.as_deref().ok_or_else(|| AwsError::missing("keyId"))?;
        if key.is_empty() || key.len() > KEY_ID_LENGTH_MAX {
            let constraint = format!("Member must have length between 1 and {KEY_ID_LENGTH_MAX}");
            return Err(AwsError::validation("", "keyId", &constraint));
        }
        let parts: Vec<&str> = key.splitn(6, ':').collect();
        let [scheme, partition, service, region, account, resource] = parts[..] else { return Ok(key.to_owned()) };
        if scheme != "arn" || !partition.starts_with("aws") || service != "kms" {
            return Err(AwsError::invalid_argument(format!("KeyId {key} is not a key's id, alias or ARN.")));
        }
        if region != state.options.region || account != state.options.account_id {
            return Err(AwsError::new("KMSNotFoundException", format!("Key {key} does not exist.")));
        }
        Ok(resource.strip_prefix("key/").unwrap_or(resource).to_owned())
    }
}
