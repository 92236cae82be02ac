//! The region and the account that this server stands for in ARNs and signatures.

/// A region's name.
pub(crate) fn region(text: &str) -> Result<String, String> {
    let plain = text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    if plain && (1..=64).contains(&text.len()) {
        Ok(text.to_owned())
    } else {
        Err(format!("region `{text}` must be lower-case letters, digits and -, as in us-east-1"))
    }
}

/// An account's number, which may begin with zeros.
pub(crate) fn account_id(text: &str) -> Result<String, String> {
    if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        Err(format!("account_id `{text}` must be twelve digits in quotes"))
    }
}
