//! The members of both operations on encryption.

use crate::aws::error::AwsError;

/// The longest name of a key.
const KEY_ID_LENGTH_MAX: usize = 2048;

/// The key that a request names.
pub(crate) fn given_key<'a>(encryption_type: Option<&str>, key_id: Option<&'a str>) -> Result<&'a str, AwsError> {
    match encryption_type {
        None => return Err(AwsError::missing("encryptionType")),
        Some("KMS") => {}
        Some("NONE") => return Err(AwsError::invalid_argument("EncryptionType must be KMS.")),
        Some(other) => {
            let constraint = "Member must satisfy enum value set: [KMS, NONE]";
            return Err(AwsError::validation(&format!("'{other}'"), "encryptionType", constraint));
        }
    }
    let key = key_id.ok_or_else(|| AwsError::missing("keyId"))?;
    if key.is_empty() || key.len() > KEY_ID_LENGTH_MAX {
        let constraint = format!("Member must have length between 1 and {KEY_ID_LENGTH_MAX}");
        return Err(AwsError::validation("", "keyId", &constraint));
    }
    Ok(key)
}
