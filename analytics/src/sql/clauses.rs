//! Where the clauses of a query begin and end, and their parts between commas.

use datafusion::sql::sqlparser::tokenizer::Token as Lexeme;

use crate::sql::tokens::Token;

const CLAUSES: [&str; 5] = ["FROM", "WHERE", "GROUP", "HAVING", "SELECT"];

/// The tokens between a clause's word and the next clause, outside parentheses.
pub(crate) fn clause<'a>(tokens: &'a [Token], keyword: &str) -> Option<&'a [Token]> {
    let mut depth = 0_i32;
    let mut start = None;
    for (index, token) in tokens.iter().enumerate() {
        match token.lexeme {
            Lexeme::LParen => depth += 1,
            Lexeme::RParen => depth -= 1,
            _ if depth == 0 && CLAUSES.iter().any(|clause| token.is(clause)) => match start {
                Some(start) => return Some(&tokens[start..index]),
                None if token.is(keyword) => start = Some(index + 1),
                None => {}
            },
            _ => {}
        }
    }
    start.map(|start| &tokens[start..])
}

/// The parts between commas, outside parentheses.
pub(crate) fn split(tokens: &[Token]) -> Vec<&[Token]> {
    let mut depth = 0_i32;
    let parts = tokens.split(|token| {
        match token.lexeme {
            Lexeme::LParen => depth += 1,
            Lexeme::RParen => depth -= 1,
            _ => {}
        }
        depth == 0 && token.lexeme == Lexeme::Comma
    });
    parts.filter(|part| !part.is_empty()).collect()
}
