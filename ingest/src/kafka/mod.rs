//! Streams on Apache Kafka: the same promises as the embedded log, on brokers that people already run.
//!
//! ```text
//! stream ─ topic          PutEntry ─▶ appender (idempotent, acks=all) ─▶ partition
//! shard  ─ partition      fetcher (one for all readers) ─▶ tail (memory, bounded) ─▶ read
//! number ─ offset         range reader (a few, seeking) ─────────────────────────▶ read, when older than the tail
//!
//! __gallop-streams        compacted: shard map and settings of every stream        registry
//! __gallop-checkpoints    compacted: the last checkpoint of every consumer         checkpoints
//! __gallop-clock          one partition a broker, read by nobody: broker time      broker_time
//! ```
//!
//! - A record's number is its partition's offset above the shard's first number; transaction markers leave gaps.
//! - Its arrival time is the broker's log-append time. How far time is complete: see `broker_time`.
//! - A commit is one Kafka transaction under the consumer's transactional id: see `fenced`.
//! - Everything is read with `read_committed`.
//! - Acknowledged means what `acks=all` means: all in-sync replicas have it, in memory. Three replicas, of which two must
//!   be in sync, are what a cluster of three brokers gets.

pub mod options;
mod cluster;
mod read;
mod write;
mod streams;
pub mod probe;
pub mod store;
