//! Respells what the parser cannot read, token by token; what is left has the places of the text.
//!
//! ```text
//! SELECT STREAM a                                       SELECT a
//! STEP(x BY INTERVAL '1' MINUTE)                        STEP(x, INTERVAL '1' MINUTE)
//! FLOOR((x - TIMESTAMP '1970-01-01 00:00:00')
//!       SECOND / 10 TO SECOND)                          STEP(x, INTERVAL '10' SECOND)
//! (a - b) DAY TO SECOND                                 AWS_DIFFERENCE(a, b, 'DAY TO SECOND')
//! WINDOWED BY STAGGER(PARTITION BY a RANGE INTERVAL i)  GROUP BY STAGGER(INTERVAL i), a
//! TABLE(TUMBLE(TABLE t, DESCRIPTOR(c), ..))             TUMBLE(t, DESCRIPTOR(c), ..)
//! SESSION(TABLE t PARTITION BY a, b, DESCRIPTOR(c), ..) SESSION(t, PARTITION_BY(a, b), DESCRIPTOR(c), ..)
//! ```

use datafusion::sql::sqlparser::tokenizer::{Location as At, Span, Token as Lexeme, TokenWithSpan, Word};
use model::query::engine::SqlError;

use crate::sql::dialect::Dialect;
use crate::sql::special::special_functions;
use crate::sql::tokens::{Token, closing, is_open};

/// Flink's functions that make windows of a table.
const TABLE_FUNCTIONS: [&str; 4] = ["TUMBLE", "HOP", "CUMULATE", "SESSION"];

/// The fields of intervals.
const UNIT_NAMES: [&str; 6] = ["YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"];

/// The tokens as the parser reads them, names folded as the dialect says.
pub(crate) fn respell(tokens: &[Token], dialect: Dialect) -> Result<Vec<TokenWithSpan>, SqlError> {
    let mut respelt = tokens.to_vec();
    match dialect {
        Dialect::Aws => {
            respelt = special_functions(&respelt)?;
            respelt = without_stream(&respelt);
            respelt = template_windows(&respelt);
            respelt = differences(&respelt);
            respelt = steps(respelt);
            respelt = staggered(&respelt)?;
        }
        Dialect::Flink => respelt = table_functions(&respelt),
    }
    Ok(respelt.into_iter().map(|token| of_parser(token, dialect)).collect())
}

fn of_parser(token: Token, dialect: Dialect) -> TokenWithSpan {
    let at = At { line: token.at.line, column: token.at.column };
    let lexeme = match token.lexeme {
        Lexeme::Word(word) if word.quote_style.is_none() => {
            Lexeme::Word(Word { value: dialect.fold(&word.value), ..word })
        }
        other => other,
    };
    TokenWithSpan { token: lexeme, span: Span { start: at, end: at } }
}

/// A token that the text does not have, at the place of one that it has.
fn made(lexeme: Lexeme, at: &Token) -> Token {
    Token { lexeme, ..at.clone() }
}

/// Without the word that says that a query reads a stream.
fn without_stream(tokens: &[Token]) -> Vec<Token> {
    let is_marker = |place: usize| {
        let next = tokens.get(place + 1);
        place > 0
            && tokens[place].is("STREAM")
            && tokens[place - 1].is("SELECT")
            && next.is_some_and(|next| {
                !matches!(next.lexeme, Lexeme::Comma | Lexeme::Period) && !next.is("FROM") && !next.is("AS")
            })
    };
    (0..tokens.len()).filter(|place| !is_marker(*place)).map(|place| tokens[place].clone()).collect()
}

/// `STEP(x BY n)` with a comma.
fn steps(mut tokens: Vec<Token>) -> Vec<Token> {
    for start in 0..tokens.len() {
        if !tokens[start].is("STEP") || !is_open(&tokens, start + 1) {
            continue;
        }
        let Some(end) = closing(&tokens, start + 1) else { continue };
        let mut depth = 0_usize;
        let separator = tokens[start + 2..end].iter().position(|token| {
            match token.lexeme {
                Lexeme::LParen => depth += 1,
                Lexeme::RParen => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && token.is("BY")
        });
        if let Some(separator) = separator.map(|separator| start + 2 + separator) {
            tokens[separator] = made(Lexeme::Comma, &tokens[separator]);
        }
    }
    tokens
}

/// `FLOOR((x - TIMESTAMP '1970-01-01 00:00:00') SECOND / 10 TO SECOND)`, as the console's template once had it.
fn template_windows(tokens: &[Token]) -> Vec<Token> {
    let mut respelt = Vec::with_capacity(tokens.len());
    let mut place = 0;
    while place < tokens.len() {
        match template_window(tokens, place) {
            Some((step, end)) => {
                respelt.extend(step);
                place = end + 1;
            }
            None => {
                respelt.push(tokens[place].clone());
                place += 1;
            }
        }
    }
    respelt
}

fn template_window(tokens: &[Token], start: usize) -> Option<(Vec<Token>, usize)> {
    let floor = tokens[start].is("FLOOR") && is_open(tokens, start + 1) && is_open(tokens, start + 2);
    if !floor {
        return None;
    }
    let inner = closing(tokens, start + 2)?;
    let [rest @ .., minus, timestamp, epoch] = &tokens[start + 3..inner] else { return None };
    let is_epoch = matches!(&epoch.lexeme, Lexeme::SingleQuotedString(text) if text.starts_with("1970-01-01 00:00:00"));
    if minus.lexeme != Lexeme::Minus || !timestamp.is("TIMESTAMP") || !is_epoch {
        return None;
    }
    let [unit, divide, number, to, last, close, ..] = &tokens[inner + 1..] else { return None };
    let Lexeme::Number(count, _) = &number.lexeme else { return None };
    let fits =
        divide.lexeme == Lexeme::Div && to.is("TO") && close.lexeme == Lexeme::RParen && unit.name() == last.name();
    if !fits {
        return None;
    }
    let head = &tokens[start];
    let mut step = vec![made(Lexeme::make_word("STEP", None), head), made(Lexeme::LParen, head)];
    step.extend(rest.iter().cloned());
    step.push(made(Lexeme::Comma, minus));
    step.push(made(Lexeme::make_word("INTERVAL", None), number));
    step.push(made(Lexeme::SingleQuotedString(count.clone()), number));
    step.push(unit.clone());
    step.push(close.clone());
    Some((step, inner + 6))
}

/// `(a - b) fields`: the time between two times.
fn differences(tokens: &[Token]) -> Vec<Token> {
    let mut respelt = tokens.to_vec();
    let mut place = 0;
    while place < respelt.len() {
        if is_open(&respelt, place)
            && let Some(close) = closing(&respelt, place)
            && let Some((fields, after)) = fields_after(&respelt, close)
            && let Some(minus) = last_minus(&respelt, place, close)
        {
            let head = respelt[place].clone();
            let tail = [made(Lexeme::Comma, &head), made(Lexeme::SingleQuotedString(fields), &head)];
            respelt.splice(close + 1..after, []);
            respelt.splice(close..close, tail);
            respelt[minus] = made(Lexeme::Comma, &head);
            respelt.insert(place, made(Lexeme::make_word("AWS_DIFFERENCE", None), &head));
            place += 1;
        }
        place += 1;
    }
    respelt
}

/// `DAY TO SECOND(3)` behind a parenthesis, and where it ends.
fn fields_after(tokens: &[Token], close: usize) -> Option<(String, usize)> {
    let unit = |place: usize| {
        tokens.get(place).and_then(Token::word).filter(|word| UNIT_NAMES.contains(&word.to_uppercase().as_str()))
    };
    let mut fields = unit(close + 1)?.to_uppercase();
    let mut after = close + 2;
    if tokens.get(after).is_some_and(|token| token.is("TO"))
        && let Some(last) = unit(after + 1)
    {
        fields = format!("{fields} TO {}", last.to_uppercase());
        after += 2;
    }
    if is_open(tokens, after)
        && let Some(end) = closing(tokens, after)
    {
        after = end + 1;
    }
    Some((fields, after))
}

/// The last minus between two parentheses that is in no others.
fn last_minus(tokens: &[Token], open: usize, close: usize) -> Option<usize> {
    let (mut depth, mut found) = (0_usize, None);
    for (place, token) in tokens.iter().enumerate().take(close).skip(open + 1) {
        match token.lexeme {
            Lexeme::LParen => depth += 1,
            Lexeme::RParen => depth = depth.saturating_sub(1),
            Lexeme::Minus if depth == 0 && open + 1 < place => found = Some(place),
            _ => {}
        }
    }
    found
}

/// `WINDOWED BY STAGGER (PARTITION BY .. RANGE INTERVAL ..)` as a GROUP BY.
fn staggered(tokens: &[Token]) -> Result<Vec<Token>, SqlError> {
    let Some(start) = tokens.windows(2).position(|pair| pair[0].is("WINDOWED") && pair[1].is("BY")) else {
        return Ok(tokens.to_vec());
    };
    let head = &tokens[start];
    let form = "write WINDOWED BY STAGGER (PARTITION BY a, b RANGE INTERVAL '1' MINUTE)";
    let stagger = tokens.get(start + 2).filter(|token| token.is("STAGGER"));
    let Some((stagger, end)) = stagger.zip(closing(tokens, start + 3)).filter(|_| is_open(tokens, start + 3)) else {
        return Err(head.refuse("WINDOWED BY is followed by STAGGER and its parentheses", form));
    };
    let inside = &tokens[start + 4..end];
    let Some(range) = inside.iter().position(|token| token.is("RANGE")) else {
        return Err(stagger.refuse("a stagger window has no RANGE", form));
    };
    let partition = match &inside[..range] {
        [] => &[],
        [partition, by, keys @ ..] if partition.is("PARTITION") && by.is("BY") && !keys.is_empty() => keys,
        [other, ..] => return Err(other.refuse("a stagger window begins with PARTITION BY or RANGE", form)),
    };
    let mut respelt = tokens[..start].to_vec();
    for word in ["GROUP", "BY", "STAGGER"] {
        respelt.push(made(Lexeme::make_word(word, None), stagger));
    }
    respelt.push(made(Lexeme::LParen, stagger));
    respelt.extend(inside[range + 1..].iter().cloned());
    respelt.push(made(Lexeme::RParen, stagger));
    if !partition.is_empty() {
        respelt.push(made(Lexeme::Comma, stagger));
        respelt.extend(partition.iter().cloned());
    }
    respelt.extend(tokens[end + 1..].iter().cloned());
    Ok(respelt)
}

/// Flink's table functions as plain calls.
fn table_functions(tokens: &[Token]) -> Vec<Token> {
    let is_function = |place: usize| {
        tokens.get(place).is_some_and(|token| TABLE_FUNCTIONS.iter().any(|name| token.is(name)))
            && is_open(tokens, place + 1)
    };
    let mut respelt: Vec<Token> = Vec::with_capacity(tokens.len());
    // Parentheses of TABLE( that are left out, and those of functions whose keys are gathered.
    let (mut skipped, mut partitions) = (Vec::new(), Vec::new());
    let mut place = 0;
    while place < tokens.len() {
        let token = &tokens[place];
        let follows_open = place > 0 && matches!(tokens[place - 1].lexeme, Lexeme::LParen | Lexeme::RArrow);
        if token.is("TABLE") && is_open(tokens, place + 1) && is_function(place + 2) {
            skipped.extend(closing(tokens, place + 1));
            place += 2;
            continue;
        }
        if token.is("TABLE") && follows_open && tokens.get(place + 1).is_some_and(|next| next.name().is_some()) {
            place += 1;
            continue;
        }
        let follows_table = place > 1 && tokens[place - 2].is("TABLE");
        if token.is("PARTITION") && follows_table && tokens.get(place + 1).is_some_and(|next| next.is("BY")) {
            let descriptor = tokens.iter().skip(place).position(|token| token.is("DESCRIPTOR"));
            if let Some(end) = descriptor.map(|after| place + after - 1).filter(|end| *end > place + 2) {
                respelt.push(made(Lexeme::Comma, token));
                respelt.push(made(Lexeme::make_word("PARTITION_BY", None), token));
                respelt.push(made(Lexeme::LParen, token));
                partitions.push(end);
                place += 2;
                continue;
            }
        }
        if partitions.last() == Some(&place) {
            partitions.pop();
            respelt.push(made(Lexeme::RParen, token));
        }
        if skipped.last() == Some(&place) {
            skipped.pop();
        } else {
            respelt.push(token.clone());
        }
        place += 1;
    }
    respelt
}
