//! Commands that only ask a server, and producers.
//!
//! Everything here is a client: it speaks HTTP to a server, signs or shows a token, and reports failures with what, why
//! and fix. It stands on `model` alone and opens no store. What a command needs besides (an engine over an archive, the
//! keys of a data folder) the roof hands in.
//!
//! [`server`] has the ways to ask, [`producer`] batches entries and sends them until each is acknowledged or given up,
//! and a module for each command is above them. Modules stand in reading order.

pub mod failure;
pub mod shutdown;
pub mod output;
pub mod server;
pub mod producer;
pub mod cause;
pub mod put;
pub mod stream;
pub mod table;
mod flow_changes;
pub mod flow;
pub mod sensor;
pub mod tap;
pub mod top;
pub mod sql;
pub mod aws;
