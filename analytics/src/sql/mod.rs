//! Reading the dialects: text to tokens, tokens to statements, a query's tokens to a tree that DataFusion plans.
//!
//! ```text
//! text ─▶ tokens ─▶ statements (Script) ─▶ a query's tokens ─▶ respelt ─▶ tree ─▶ StreamQuery
//!                                                                                (windows, tree for DataFusion)
//! ```
//! Modules stand in reading order.

pub mod schema;

pub mod dialect;

pub(crate) mod tokens;

pub(crate) mod interval;

mod hint;
mod special;

mod respell;

mod window_call;

pub(crate) mod declarations;

mod aws;
mod flink;

pub(crate) mod script;

mod tree;

mod aws_calls;

mod expressions;

mod from;
mod over;
mod refuse;

mod lowering;

mod select_list;

mod grouping;
mod sub_query;

mod results;

pub(crate) mod query;

pub(crate) mod error;
