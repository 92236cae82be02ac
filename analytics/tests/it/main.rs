//! Continuous queries from the outside: golden files, an oracle, restarts, and what users are told.

mod errors;
mod golden;
mod oracle;
mod restart;
