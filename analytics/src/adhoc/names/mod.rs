//! Names in a query: unquoted ones match whatever their case, and misspelt ones are told from what exists.

mod walk;

mod aliases;

mod spelling;

pub(crate) mod resolve;
