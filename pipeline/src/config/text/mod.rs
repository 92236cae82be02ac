//! The text of a settings file: how it is read, and how what is wrong with it is reported.

pub(crate) mod error;
pub(crate) mod advice;
pub(crate) mod document;
pub(crate) mod lasting;
