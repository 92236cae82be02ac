//! Continuous windowed SQL, and ad hoc SQL over archive and live tail.
//!
//! ```text
//!        sql, window                the dialect of continuous queries, its types; how time is cut
//!             rows                   records as rows: keys, exact values, kinds and types of columns
//!        ┌─────┴──────┐
//!   continuous      adhoc            queries that run on; questions that are answered once
//!                     │
//!                  worker            .. in processes of their own
//! ```
//!
//! The modules are in reading order.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod place;

mod error;

mod capped_functions;

mod integers;

mod functions;

mod depth;

mod stack;

pub mod window;

pub mod sql;

mod rows;

pub mod continuous;

pub mod adhoc;

pub mod worker;
