//! MD5 of several short texts at once.
//!
//! One MD5 is a chain of 64 steps, each waiting for the one before: a core is mostly idle. Here [`LANES`] of them go
//! side by side and fill it: four cost hardly more than one.

/// How many texts are hashed side by side; more do not fit the registers.
pub(crate) const LANES: usize = 4;

/// The longest text that fits one block with its padding.
pub(crate) const SHORT_BYTES_MAX: usize = 55;

const BLOCK_BYTES: usize = 64;

/// The same word of all texts.
type Lanes = [u32; LANES];

/// MD5 of texts of at most [`SHORT_BYTES_MAX`] bytes each.
pub(crate) fn digests(texts: [&[u8]; LANES]) -> [[u8; 16]; LANES] {
    let mut words = [[0u32; LANES]; BLOCK_BYTES / 4];
    for (lane, text) in texts.into_iter().enumerate() {
        let mut block = [0; BLOCK_BYTES];
        block[..text.len()].copy_from_slice(text);
        block[text.len()] = 0x80;
        block[56..].copy_from_slice(&(text.len() as u64 * 8).to_le_bytes());
        for (word, bytes) in words.iter_mut().zip(block.as_chunks::<4>().0) {
            word[lane] = u32::from_le_bytes(*bytes);
        }
    }
    let state = compress(&words);
    let mut digests = [[0; 16]; LANES];
    for (lane, digest) in digests.iter_mut().enumerate() {
        for (bytes, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(&state) {
            *bytes = word[lane].to_le_bytes();
        }
    }
    digests
}

const INIT: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// `floor(2^32 * |sin(i + 1)|)`.
const SINES: [u32; 64] = [
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501, 0x698098d8,
    0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821, 0xf61e2562, 0xc040b340,
    0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8, 0x21e1cde6, 0xc33707d6, 0xf4d50d87,
    0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a, 0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c,
    0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70, 0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039,
    0xe6db99e5, 0x1fa27cf8, 0xc4ac5665, 0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92,
    0xffeff47d, 0x85845dd1, 0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb,
    0xeb86d391,
];

/// Sixteen steps with one way of mixing, four rotations in turn, and words taken `STRIDE` apart from `FIRST` on.
macro_rules! round {
    ($state:ident, $words:ident, $mix:expr, $round:literal, $first:literal, $stride:literal, $shifts:tt) => {
        round!(@four $state, $words, $mix, $round, $first, $stride, 0, $shifts);
        round!(@four $state, $words, $mix, $round, $first, $stride, 4, $shifts);
        round!(@four $state, $words, $mix, $round, $first, $stride, 8, $shifts);
        round!(@four $state, $words, $mix, $round, $first, $stride, 12, $shifts);
    };
    (@four $state:ident, $words:ident, $mix:expr, $round:literal, $first:literal, $stride:literal, $at:literal,
     [$s0:literal, $s1:literal, $s2:literal, $s3:literal]) => {
        round!(@one $state, $words, $mix, $round, $first, $stride, $at, $s0);
        round!(@one $state, $words, $mix, $round, $first, $stride, ($at + 1), $s1);
        round!(@one $state, $words, $mix, $round, $first, $stride, ($at + 2), $s2);
        round!(@one $state, $words, $mix, $round, $first, $stride, ($at + 3), $s3);
    };
    (@one $state:ident, $words:ident, $mix:expr, $round:literal, $first:literal, $stride:literal, $at:expr, $shift:literal) => {
        $state = step::<$shift>($state, $mix, &$words[($first + $stride * $at) % 16], SINES[$round * 16 + $at]);
    };
}

fn compress(words: &[Lanes; 16]) -> [Lanes; 4] {
    let mut state = INIT.map(|word| [word; LANES]);
    round!(state, words, |x, y, z| z ^ (x & (y ^ z)), 0, 0, 1, [7, 12, 17, 22]);
    round!(state, words, |x, y, z| y ^ (z & (x ^ y)), 1, 1, 5, [5, 9, 14, 20]);
    round!(state, words, |x, y, z| x ^ y ^ z, 2, 5, 3, [4, 11, 16, 23]);
    round!(state, words, |x, y, z| y ^ (x | !z), 3, 0, 7, [6, 10, 15, 21]);
    for (word, init) in state.iter_mut().zip(INIT) {
        for lane in word {
            *lane = lane.wrapping_add(init);
        }
    }
    state
}

/// One step in all lanes.
#[inline(always)]
fn step<const SHIFT: u32>(
    [a, b, c, d]: [Lanes; 4],
    mix: impl Fn(u32, u32, u32) -> u32,
    word: &Lanes,
    sine: u32,
) -> [Lanes; 4] {
    let next = std::array::from_fn(|lane| {
        let sum = a[lane].wrapping_add(mix(b[lane], c[lane], d[lane])).wrapping_add(word[lane]).wrapping_add(sine);
        b[lane].wrapping_add(sum.rotate_left(SHIFT))
    });
    [d, next, b, c]
}

#[cfg(test)]
mod tests {
    use super::*;
    use md5::{Digest, Md5};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lanes_agree_with_one_at_a_time(texts: [Vec<u8>; LANES]) {
            let texts = texts.map(|mut text| { text.truncate(SHORT_BYTES_MAX); text });
            let found = digests(std::array::from_fn(|lane| &texts[lane][..]));
            prop_assert_eq!(found, texts.map(|text| <[u8; 16]>::from(Md5::digest(&text))));
        }

        #[test]
        fn lengths_up_to_the_limit_are_padded_right(length in 0..=SHORT_BYTES_MAX, byte: u8) {
            let text = vec![byte; length];
            prop_assert_eq!(digests([&text; LANES]), [<[u8; 16]>::from(Md5::digest(&text)); LANES]);
        }
    }
}
