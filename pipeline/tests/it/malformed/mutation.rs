//! What makes a valid request wrong.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

/// What parsers fall over: bounds of numbers, open brackets, broken text, lengths that promise too much.
const TOKENS: &[&[u8]] = &[
    b"null",
    b"true",
    b"-1",
    b"0",
    b"18446744073709551616",
    b"-9223372036854775809",
    b"1e999",
    b"-1e-999",
    b"NaN",
    b"{",
    b"[",
    b"}",
    b"]",
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"\xff\xfe",
    b"\xc3",
    b"\0",
    b",",
    b":",
    b"[[[[[[[[[[[[[[[[[[",
    b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\xbb\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\x5f\xff",
    b"\x7f",
    b"\xfb",
    b"\xc1",
    b"\x5b\x00\x00\x00\x01\x00\x00\x00\x00",
    b"StreamName",
    b"StreamId",
    b"DryRun",
    b"..",
    b"%00",
    b"arn:aws:kinesis:::",
];

const MUTATIONS_MAX: usize = 6;

/// Changes `bytes` a little, once to a few times. `other` gives something to mix with.
pub(super) fn mutate<'a>(bytes: &mut Vec<u8>, other: impl Fn(&mut StdRng) -> &'a Vec<u8>, random: &mut StdRng) {
    for _ in 0..random.random_range(1..=MUTATIONS_MAX) {
        let at = random.random_range(0..=bytes.len());
        let end = random.random_range(at..=bytes.len().min(at + 40));
        match random.random_range(0..9) {
            0 | 1 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
            2 if at < bytes.len() => bytes[at] = random.random(),
            3 => bytes.truncate(at),
            4 => drop(bytes.drain(at..end)),
            5 => {
                let again = bytes[at..end].repeat(random.random_range(1..20));
                bytes.splice(at..at, again);
            }
            6 => {
                let token = TOKENS.choose(random).expect("there are tokens");
                bytes.splice(at..end, token.iter().copied());
            }
            7 => {
                let token = TOKENS.choose(random).expect("there are tokens");
                bytes.splice(at..at, token.iter().copied());
            }
            _ => {
                let other = other(random);
                let from = random.random_range(0..=other.len());
                bytes.splice(at..end, other[from..].iter().copied().take(200));
            }
        }
    }
}
