//! Keys as a listing spells them: asked to, the store writes what XML cannot hold as `%` and two digits.

use aws_sdk_s3::types::EncodingType;

/// The key itself. A store that did not encode says so by leaving the encoding out of its answer.
pub(super) fn decoded(text: &str, encoding: Option<&EncodingType>) -> String {
    if encoding != Some(&EncodingType::Url) {
        return text.to_owned();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let code = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let code = code.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        rest = match (first, code) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                &after[2..]
            }
            (b'+', _) => {
                bytes.push(b' ');
                after
            }
            (byte, _) => {
                bytes.push(*byte);
                after
            }
        };
    }
    // What is no UTF-8 is no name of an object and will be passed over as such.
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_what_they_were_before_they_were_listed() {
        let check = |text: &str, key: &str| assert_eq!(decoded(text, Some(&EncodingType::Url)), key, "{text}");
        check("dt%3D2026-11-01/a", "dt=2026-11-01/a");
        check("a+b%2Bc%20d", "a b+c d");
        check("%C3%A9", "é");
        check("100%", "100%");
        check("%zz%4", "%zz%4");
        assert_eq!(decoded("a+b%2B", None), "a+b%2B");
    }
}
