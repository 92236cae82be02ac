//! Producers: entries become batches, and batches are sent until each entry is acknowledged or given up.

pub mod transport;
pub mod kinesis;
pub mod report;
#[expect(clippy::module_inception, reason = "the file is named for the one type in it")]
pub mod producer;
pub mod target;
pub mod pace;
pub mod progress;
pub mod lines;
pub mod ending;
