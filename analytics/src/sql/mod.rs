//! Reading the dialect: text to tokens, tokens to statements, a pump's query to SQL that DataFusion plans.

mod clauses;
pub(crate) mod error;
mod missing;
pub(crate) mod rewrite;
pub(crate) mod statements;
pub(crate) mod tokens;
mod window_function;
