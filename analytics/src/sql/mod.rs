//! Reading the dialect: text to tokens, tokens to statements, a pump's query to SQL that DataFusion plans.

pub(crate) mod error;
pub(crate) mod rewrite;
pub(crate) mod statements;
pub(crate) mod tokens;
