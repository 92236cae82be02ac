//! Text: what counts as a JSON object in a record, conditions on its fields, and small tools for messages.

pub mod chain;
pub mod hex;
pub mod json_object;
pub mod nearest;
pub mod record_filter;
