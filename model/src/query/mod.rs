//! Ad hoc SQL.

pub mod engine;
