//! Bytes as hexadecimal digits, and back.

/// Two lower-case digits per byte.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |four: u8| char::from(b"0123456789abcdef"[usize::from(four)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The `N` bytes of `2 * N` digits, upper or lower case. None for any other text.
pub fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let four = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = four(pair[0])? << 4 | four(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_the_round_trip() {
        let bytes: [u8; 256] = std::array::from_fn(|byte| byte as u8);
        assert_eq!(unhex(&hex(&bytes)), Some(bytes));
        assert_eq!(hex(&[0, 0xa5, 0xff]), "00a5ff");
        assert_eq!(unhex("00A5ff"), Some([0, 0xa5, 0xff]));
    }

    #[test]
    fn other_text_is_no_bytes() {
        for text in ["", "0", "0g", "000", "+1", "é"] {
            assert_eq!(unhex::<1>(text), None, "{text}");
        }
    }
}
