//! CBOR: inputs that borrow from the body.

use minicbor::data::Token;
use minicbor::decode::{Decoder, Tokenizer};
use serde::Deserialize;

use crate::aws::error::AwsError;

/// The deepest nesting of a body, as in JSON.
const DEPTH_MAX: usize = 16;

/// What an empty body stands for: a map without members.
const EMPTY: &[u8] = &[0xa0];

/// Reads an operation's input.
pub(crate) fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, AwsError> {
    let body = if body.is_empty() { EMPTY } else { body };
    // The decoder skips unknown members with a stack of its own that grows with their nesting.
    if !is_one_shallow_item(body)? {
        return Err(AwsError::serialization(format!("The body nests deeper than {DEPTH_MAX} levels.")));
    }
    minicbor_serde::from_slice(body).map_err(|wrong| AwsError::serialization(format!("The body is not valid: {wrong}")))
}

/// Whether the body nests no deeper than [`DEPTH_MAX`]. Error: it is not one whole item.
fn is_one_shallow_item(body: &[u8]) -> Result<bool, AwsError> {
    let broken = |what: String| AwsError::serialization(format!("The body is not valid CBOR: {what}."));
    // Items that are missing to the end of each open container; nothing where a break ends it.
    let mut open: [Option<u64>; DEPTH_MAX] = [None; DEPTH_MAX];
    let mut depth = 0;
    let mut tokens = Tokenizer::from(Decoder::new(body));
    loop {
        let token = match tokens.next() {
            Some(token) => token.map_err(|wrong| broken(wrong.to_string()))?,
            None => return Err(broken("it ends too early".to_owned())),
        };
        let opened = match token {
            Token::Array(items) => Some(Some(items)),
            Token::Map(pairs) => Some(Some(pairs.saturating_mul(2))),
            Token::BeginArray | Token::BeginMap | Token::BeginBytes | Token::BeginString => Some(None),
            Token::Tag(_) => continue,
            Token::Break if depth > 0 && open[depth - 1].is_none() => {
                depth -= 1;
                None
            }
            Token::Break => return Err(broken("a break that ends nothing".to_owned())),
            _ => None,
        };
        if let Some(items) = opened
            && items != Some(0)
        {
            if depth == DEPTH_MAX {
                return Ok(false);
            }
            open[depth] = items;
            depth += 1;
            continue;
        }
        // An item is whole: perhaps those around it are now, too.
        while depth > 0
            && let Some(missing) = &mut open[depth - 1]
        {
            *missing -= 1;
            if *missing > 0 {
                break;
            }
            depth -= 1;
        }
        if depth == 0 {
            return match tokens.next() {
                None => Ok(true),
                Some(_) => Err(broken("bytes follow its end".to_owned())),
            };
        }
    }
}
