//! The bytes of the log: frames, what stands in them, and how they are checked and encrypted.

pub mod place;
pub mod key;
pub mod block;
pub mod frame;
pub mod cipher;
pub mod commit;
pub mod lost;
pub mod head;
pub mod group;
