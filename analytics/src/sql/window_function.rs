//! The two functions that cut time into windows, as the AWS dialect writes them.

use datafusion::sql::sqlparser::tokenizer::Token as Lexeme;
use model::query::engine::SqlError;

use crate::sql::schema::ROWTIME;
use crate::sql::tokens::{Cursor, Token};
use crate::window::tumbling::Tumbling;

/// `FLOOR(x TO unit)` or `STEP(x BY INTERVAL 'n' unit)` at the start of the tokens, and how many tokens it takes.
pub(crate) fn window_function(tokens: &[Token]) -> Result<Option<(Tumbling, usize)>, SqlError> {
    let Some(first) = tokens.first() else { return Ok(None) };
    let is_step = first.is("STEP");
    let separator = if is_step { "BY" } else { "TO" };
    if !(is_step || first.is("FLOOR")) || tokens.get(1).is_none_or(|token| token.lexeme != Lexeme::LParen) {
        return Ok(None);
    }
    let Some(end) = tokens.iter().position(|token| token.lexeme == Lexeme::RParen) else { return Ok(None) };
    let Some(at) = tokens[..end].iter().position(|token| token.is(separator)) else { return Ok(None) };
    if tokens[at - 1].name().as_deref() != Some(ROWTIME) {
        return Err(tokens[at - 1].refuse("windows use the time of arrival", "write ROWTIME here"));
    }
    let mut cursor = Cursor::new(&tokens[at + 1..end]);
    let tumbling = if is_step { step(&mut cursor)? } else { floor(&mut cursor)? };
    match cursor.peek() {
        Some(_) => Err(cursor.expected("`)`")),
        None => Ok(Some((tumbling, end + 1))),
    }
}

fn floor(cursor: &mut Cursor<'_>) -> Result<Tumbling, SqlError> {
    match unit(cursor)? {
        (_, Some(millis)) => Ok(Tumbling::Millis(millis)),
        (name, None) => Ok(if name == "YEAR" { Tumbling::Year } else { Tumbling::Month }),
    }
}

fn step(cursor: &mut Cursor<'_>) -> Result<Tumbling, SqlError> {
    cursor.expect("INTERVAL")?;
    let at = cursor.peek().cloned();
    let count = match at.as_ref().map(|token| &token.lexeme) {
        Some(Lexeme::SingleQuotedString(text) | Lexeme::Number(text, _)) => text.trim().parse::<f64>().ok(),
        _ => None,
    };
    let count = count.ok_or_else(|| cursor.expected("the interval's length, as '10'"))?;
    cursor.advance();
    let (name, millis) = unit(cursor)?;
    let at = at.expect("a length was read here");
    let Some(millis) = millis else {
        return Err(at.refuse(format!("STEP does not accept {name}S"), format!("use FLOOR(ROWTIME TO {name})")));
    };
    let width = (count * millis as f64).round();
    if !(1.0..=366.0 * 86_400_000.0).contains(&width) {
        return Err(
            at.refuse("a window must last from a millisecond to a year", "write a length such as INTERVAL '10' SECOND")
        );
    }
    Ok(Tumbling::Millis(width as i64))
}

/// A unit of time, and its length if it has one.
fn unit(cursor: &mut Cursor<'_>) -> Result<(String, Option<i64>), SqlError> {
    let at = cursor.peek().cloned();
    let name = cursor.expect_name("a unit of time")?;
    let millis = match name.as_str() {
        "SECOND" => Some(1000),
        "MINUTE" => Some(60_000),
        "HOUR" => Some(3_600_000),
        "DAY" => Some(86_400_000),
        "MONTH" | "YEAR" => None,
        _ => {
            let at = at.expect("a name was read here");
            return Err(
                at.refuse(format!("unknown unit of time `{name}`"), "use SECOND, MINUTE, HOUR, DAY, MONTH or YEAR")
            );
        }
    };
    Ok((name, millis))
}
