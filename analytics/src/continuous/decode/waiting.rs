//! Rows on their way into a plan: the seam between how records are decoded and how rows are folded.

use datafusion::arrow::array::RecordBatch;

/// Gathers rows until a batch of them is asked for. Two implementations: [`crate::continuous::decode::json::Decoder`] for JSON and
/// [`crate::continuous::decode::sensor::SensorDecoder`] for sensor datagrams; what both make looks alike.
pub(crate) trait Waiting {
    /// How many rows wait.
    fn rows(&self) -> usize;

    /// Everything gathered, as a batch of [`crate::sql::schema::row_schema`].
    fn finish(&mut self) -> RecordBatch;
}
