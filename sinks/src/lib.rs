//! Delivery streams, key-value tables, object archive.
