//! Reading the dialect: text to tokens, tokens to statements, a pump's query to SQL that DataFusion plans.

pub mod schema;

pub(crate) mod tokens;

mod clauses;
mod missing;
mod window_function;

pub(crate) mod rewrite;
pub(crate) mod statements;

pub(crate) mod error;
