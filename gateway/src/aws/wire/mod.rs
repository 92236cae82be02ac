//! The two forms of one request: JSON 1.1 and CBOR, read into and written from the same types.
//!
//! An action never sees which of them its client speaks. Its input derives `Deserialize` and borrows from the body,
//! its output derives `Serialize` or, where it is hot, implements [`output::Output`] by hand. What the forms write
//! differently has a type of its own: [`text::Text`], [`blob::Blob`], [`time::Time`].

pub(crate) mod blob;
pub(crate) mod bounded;
pub(crate) mod cbor;
pub(crate) mod format;
pub(crate) mod json;
pub(crate) mod output;
pub(crate) mod text;
pub(crate) mod time;

#[cfg(test)]
mod tests;
