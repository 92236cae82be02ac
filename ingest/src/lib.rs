//! Streams: the durable shard log.
