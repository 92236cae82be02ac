//! What the AWS dialect has and continuous queries have not: each is refused by name, with what to write instead.

use datafusion::sql::sqlparser::tokenizer::Token as Lexeme;
use model::query::engine::SqlError;

use crate::sql::clauses::clause;
use crate::sql::tokens::Token;

/// Names what this dialect has and this engine has not, before DataFusion says it in other words.
pub(crate) fn refuse_what_is_missing(tokens: &[Token]) -> Result<(), SqlError> {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate() {
        let next = tokens.get(index + 1);
        let before_parenthesis = next.is_some_and(|next| next.lexeme == Lexeme::LParen);
        match token.lexeme {
            Lexeme::LParen => depth += 1,
            Lexeme::RParen => depth = depth.saturating_sub(1),
            _ => {}
        }
        let refusal = if token.is("JOIN") {
            Some(("JOIN is not supported", "write one pump per stream, and join their outputs with ad hoc SQL"))
        } else if token.is("OVER") && next.is_some_and(|next| before_parenthesis || next.name().is_some()) {
            Some((
                "sliding windows (OVER) are not supported",
                "use a tumbling window: GROUP BY STEP(ROWTIME BY INTERVAL '10' SECOND)",
            ))
        } else if token.is("WINDOWED") || token.is("STAGGER") {
            Some(("stagger windows are not supported", "use a tumbling window: GROUP BY FLOOR(ROWTIME TO MINUTE)"))
        } else if token.is("ORDER") && depth == 0 {
            Some(("ORDER BY is not supported", "rows are ordered by window, then by key"))
        } else if token.is("LIMIT") && depth == 0 {
            Some(("LIMIT is not supported: a stream has no end", "filter with HAVING"))
        } else if token.is("DISTINCT")
            && index > 0
            && (tokens[index - 1].is("SELECT") || tokens[index - 1].is("STREAM"))
        {
            Some(("SELECT DISTINCT is not supported", "name the columns in GROUP BY"))
        } else if token.is("UNION") || token.is("EXCEPT") || token.is("INTERSECT") {
            Some(("set operations are not supported", "write one pump per query into the same stream"))
        } else if token.is("SELECT") && index > 0 {
            Some(("sub-queries are not supported", "write the inner query as a pump into a stream of its own"))
        } else if before_parenthesis
            && ["approx_median", "approx_percentile_cont", "approx_percentile_cont_with_weight"]
                .iter()
                .any(|name| token.is(name))
        {
            Some((
                "this aggregate is not supported: its state does not fit into a checkpoint",
                "use median(..), or min, max and avg",
            ))
        } else {
            None
        };
        if let Some((message, suggestion)) = refusal {
            return Err(token.refuse(message, suggestion));
        }
    }
    if let Some(comma) = clause(tokens, "FROM").and_then(|from| from.iter().find(|token| token.lexeme == Lexeme::Comma))
    {
        return Err(comma.refuse("JOIN is not supported", "name one stream after FROM"));
    }
    Ok(())
}
