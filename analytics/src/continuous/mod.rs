//! Continuous queries: each reads a stream and writes a row per window and key to another.
//!
//! ```text
//! definition (SQL, checked) -> query (tied to streams) -> run: decode -> driver (time) -> operator (plan, panes)
//!                                                        -> encode -> commit
//! ```
//!
//! Modules stand in reading order.

mod decode;

mod assign;
mod encode;
mod plan;
mod projection;

mod apart;

mod panes;

mod keyed;

mod state;

mod sliding;

mod computation;

mod origin;

mod operator;

mod event_time;

mod driver;

mod definition;

pub mod error;
pub mod status;

mod snapshot;

pub mod query;

mod due;

mod undiscovered;

mod running;

mod absorb;

mod run;

pub mod bounded;
