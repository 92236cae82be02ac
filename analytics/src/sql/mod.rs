//! Reading the dialects: text to tokens, tokens to statements, a query's tokens to a tree that DataFusion plans.
//!
//! ```text
//! text ─▶ tokens ─▶ statements (Script) ─▶ a query's tokens ─▶ respelt ─▶ tree ─▶ StreamQuery
//!                                                                                (windows, tree for DataFusion)
//! ```

pub mod schema;

pub mod dialect;

pub(crate) mod tokens;

pub(crate) mod interval;

mod hint;
mod respell;
mod special;
mod window_call;

mod aws_calls;
mod expressions;
mod flink;
mod from;
mod over;
mod refuse;

pub(crate) mod statements;

mod grouping;
mod lowering;
mod results;
mod select_list;
mod sub_query;

pub(crate) mod query;

pub(crate) mod error;
