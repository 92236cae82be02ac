//! How deep a text's operators may stand, found by its tokens before anything is parsed.
//!
//! A parser takes `1 + 1 + 1 + ..` without recursion and makes a tree as deep as there are operators; whatever walks the
//! tree then recurses once an operator, and a stack that overflows ends the process. So chains are counted, and levels:
//!
//! ```text
//! SELECT a + b * c, d FROM t JOIN u ON .. UNION ALL SELECT ..
//!          1   2          ────1──         ────2────
//! ```
//!
//! A comma begins a new expression; a comma between tables is a join. The depth of a place is what was counted on its own
//! level and on all levels around it. That may be more than the tree has, and is never less.

use datafusion::sql::sqlparser::tokenizer::{Token as Lexeme, Word};
use model::query::engine::{Location, SqlError, SqlErrorKind};

/// Words between expressions that make a tree deeper.
const OPERATORS: [&str; 17] = [
    "AND", "AT", "BETWEEN", "COLLATE", "DIV", "ILIKE", "IN", "IS", "ISNULL", "LIKE", "MEMBER", "NOTNULL", "OPERATOR",
    "OR", "OVERLAPS", "SIMILAR", "XOR",
];
/// Words between queries and tables.
const JOINTS: [&str; 5] = ["APPLY", "EXCEPT", "INTERSECT", "JOIN", "UNION"];
/// Words that end a list of tables.
const AFTER_FROM: [&str; 8] = ["WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "QUALIFY", "WINDOW", "SELECT"];

/// Levels that stand one in the other. The parser goes no deeper, but does not always say so.
const LEVELS_MAX: usize = 50;

/// What was counted between two parentheses so far.
#[derive(Debug, Clone, Copy, Default)]
struct Level {
    /// Operators of the expression.
    operators: usize,
    /// Set operations and joins.
    joints: usize,
    /// Between FROM and the next clause, where a comma is a join.
    in_from: bool,
}

/// Error: more levels are nested than the parser takes; somewhere, more than `operators_max` operators stand one in the other, or queries have more than `queries_max`
/// parts together. `lexemes` are the text's tokens with their places.
pub(crate) fn check<'a>(
    lexemes: impl Iterator<Item = (&'a Lexeme, Location)>,
    operators_max: usize,
    queries_max: usize,
) -> Result<(), SqlError> {
    // Around the innermost level, and it.
    let (mut around, mut outside, mut level) = (Vec::new(), 0, Level::default());
    // What nests without parentheses: signs and NOT before an operand, and CASE.
    let (mut queries, mut prefixes, mut cases) = (0, 0, 0_usize);
    for (lexeme, at) in lexemes {
        match lexeme {
            Lexeme::Whitespace(_) => {}
            Lexeme::Minus | Lexeme::Plus | Lexeme::Tilde | Lexeme::ExclamationMark => prefixes += 1,
            Lexeme::Word(word) if is_one_of(word, &["NOT"]) => prefixes += 1,
            _ => prefixes = 0,
        }
        match lexeme {
            Lexeme::LParen | Lexeme::LBracket | Lexeme::LBrace => {
                around.push(level);
                outside += level.operators + level.joints;
                level = Level::default();
            }
            Lexeme::RParen | Lexeme::RBracket | Lexeme::RBrace => {
                level = around.pop().unwrap_or_default();
                outside = outside.saturating_sub(level.operators + level.joints);
                // A subscript can follow a subscript.
                level.operators += usize::from(*lexeme == Lexeme::RBracket);
            }
            Lexeme::Comma if level.in_from => {
                level.joints += 1;
                queries += 1;
            }
            Lexeme::Comma | Lexeme::SemiColon => level.operators = 0,
            Lexeme::Word(word) => {
                if is_one_of(word, &OPERATORS) {
                    level.operators += 1;
                } else if is_one_of(word, &JOINTS) {
                    level.joints += 1;
                    queries += 1;
                }
                if is_one_of(word, &["SELECT", "VALUES"]) {
                    queries += 1;
                } else if is_one_of(word, &["CASE"]) {
                    cases += 1;
                } else if is_one_of(word, &["END"]) {
                    cases = cases.saturating_sub(1);
                }
                if is_one_of(word, &AFTER_FROM) {
                    level.in_from = false;
                } else if is_one_of(word, &["FROM"]) {
                    level.in_from = true;
                }
            }
            Lexeme::Number(..)
            | Lexeme::SingleQuotedString(_)
            | Lexeme::DoubleQuotedString(_)
            | Lexeme::Whitespace(_)
            | Lexeme::Placeholder(_)
            | Lexeme::Char(_)
            | Lexeme::EOF => {}
            _ => level.operators += 1,
        }
        if LEVELS_MAX < around.len() + prefixes + cases {
            let message = format!("the query is nested more than {LEVELS_MAX} levels deep");
            return Err(too_deep(message, "use fewer parentheses, or WITH", at));
        }
        if operators_max < outside + level.operators + level.joints {
            let message = format!("the query chains or nests more than {operators_max} operators");
            let suggestion = "use IN (..) instead of many ORs, or several queries";
            return Err(too_deep(message, suggestion, at));
        }
        if queries_max < queries {
            let message = format!("the query joins or combines more than {queries_max} parts");
            return Err(too_deep(message, "use several queries", at));
        }
    }
    Ok(())
}

fn is_one_of(word: &Word, words: &[&str]) -> bool {
    word.quote_style.is_none() && words.iter().any(|known| word.value.eq_ignore_ascii_case(known))
}

fn too_deep(message: String, suggestion: &str, at: Location) -> SqlError {
    let error = SqlError::new(SqlErrorKind::LimitExceeded, message);
    SqlError { location: Some(at), suggestion: Some(suggestion.to_owned()), ..error }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::GenericDialect;
    use datafusion::sql::sqlparser::tokenizer::Tokenizer;

    use super::*;

    fn check_text(sql: &str, max: usize) -> Result<(), SqlError> {
        let lexemes = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location().unwrap();
        let places = lexemes.iter().map(|lexeme| {
            let start = lexeme.span.start;
            (&lexeme.token, Location { line: start.line, column: start.column })
        });
        check(places, max, max)
    }

    fn fits(sql: &str) -> bool {
        check_text(sql, 10).is_ok()
    }

    #[test]
    fn chains_are_counted_across_levels_and_siblings_are_not() {
        let check = |begin: &str, link: &str, end: &str, links_max: usize| {
            let sql = |links: usize| format!("{begin}{}{end}", link.repeat(links));
            assert!(fits(&sql(links_max)), "{}", sql(links_max));
            assert!(!fits(&sql(links_max + 1)), "{}", sql(links_max + 1));
        };
        check("SELECT 1", " + 1", "", 10);
        check("SELECT a", " = 1 OR b", "", 5);
        check("SELECT 1", "::int", "", 10);
        check("SELECT a", "[1]", "", 10);
        check("SELECT a", " IS NULL", "", 10);
        check("SELECT 1 + (2 + (3", " + 1", "))", 8);
        check("SELECT (1 + 1) + (2 + 2)", " + 1", "", 9);
        check("SELECT 1", " UNION ALL SELECT 1", "", 4);
        check("SELECT * FROM t", ", t", "", 9);
        check("SELECT * FROM t", " JOIN t", "", 9);
        check("WITH c AS (SELECT 1)", ", d AS (SELECT 1)", " SELECT 1", 8);
        check("SELECT a", " IS DISTINCT FROM b", "", 10);
        check("SELECT f(x) WITHIN GROUP (ORDER BY y)", " + f(x) WITHIN GROUP (ORDER BY y)", "", 10);
    }

    #[test]
    fn levels_are_counted_whatever_nests_them() {
        for (open, close) in [("(", ")"), ("NOT ", ""), ("- ", ""), ("f(", ")"), ("CASE WHEN a THEN ", " END")] {
            let sql = |levels: usize| format!("SELECT 1, {}1{}, 1", open.repeat(levels), close.repeat(levels));
            let deep = |levels: usize| {
                let error = check_text(&sql(levels), usize::MAX).err();
                error.is_some_and(|error| error.message == "the query is nested more than 50 levels deep")
            };
            assert!(!deep(50) && deep(51), "{open}");
        }
    }

    #[test]
    fn long_lists_are_not_deep() {
        for sql in [
            format!("SELECT {}1", "1 + 1, ".repeat(1000)),
            format!("SELECT a IN ({}1)", "1, ".repeat(1000)),
            format!("VALUES {}(1, 2)", "(1, 2), ".repeat(1000)),
            format!("SELECT CASE {} END", "WHEN a THEN b ".repeat(1000)),
            format!("SELECT '{}', \"{}\"", "1 + 1".repeat(1000), "OR".repeat(1000)),
        ] {
            assert!(fits(&sql), "{}", &sql[..40]);
        }
    }
}
