//! Sensor datagrams on their way from a receiver to a stream's writer.
//!
//! ```text
//!  receiver (xdp, udp)         one poller: a thread                          any thread
//!  ───────────────────▶ Intake::take ─┬─ rejected, counted by cause
//!   bytes in place       rule, source │
//!                        tag, replay  └─▶ open batch ──▶ ring ──▶ BatchReader ──▶ the log
//!                                             ▲                       │
//!                                             └──────── ring ◀────────┘ used batches
//!                              PortTable: what to do with a port, changed at run time
//! ```
//!
//! A poller judges each datagram where it lies, takes no lock that another poller holds for long, and allocates nothing
//! once its batches are made. What it accepts is copied into a batch; batches go to the stream's writer through a ring
//! of one writer and one reader, and come back through another. Each datagram is counted exactly once by the poller, as
//! accepted or under the cause of its rejection, and each accepted one exactly once by the writer, as stored or under the
//! cause of its refusal: [`reception::Reception::tally`] closes to the frame.

pub mod cause;
pub mod accounts;
pub mod batch;
pub mod id_hash;
pub(crate) mod wake;
mod lane;
pub mod port_rule;
pub mod port_table;
pub mod reader;
pub mod replay_window;
pub mod sources;
pub mod reception;
pub mod intake;
pub mod writer;
