//! Text in records: what counts as a JSON object, and conditions on its fields.

pub mod json_object;
pub mod record_filter;
