//! Key-value tables behind [`model::table::TableStore`].

pub mod embedded;
mod key_bytes;
