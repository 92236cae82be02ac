//! A record as every route of the REST API shows it.
//!
//! Its data is one of three members: `data`, the JSON value as it was put; `text`; or `base64` for other bytes.

use std::borrow::Cow;

use model::stream::aggregate::UserRecord;
use model::text::json_object::RecordText;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// A record, or a part of one that a producer library packed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecordView<'a> {
    /// The shard.
    #[schema(example = "shardId-000000000000")]
    shard: &'a str,
    /// Its sequence number.
    sequence_number: &'a str,
    /// Which part it is, if a producer library packed several into one record.
    sub: Option<u32>,
    /// When it arrived.
    #[schema(example = "2026-01-31T12:34:56.789Z")]
    arrived_at: String,
    /// Its partition key.
    partition_key: &'a str,
    /// Its data, if it is JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    data: Option<Cow<'a, RawValue>>,
    /// Its data, if it is other text.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    /// Its data in base64, if it is not text.
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
    /// How many bytes of data the record has.
    bytes: usize,
    /// Whether only the beginning of the data is shown.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    cut: bool,
}

/// Where a record is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) shard: &'a str,
    pub(crate) sequence_number: &'a str,
}

impl<'a> RecordView<'a> {
    /// A record with this JSON for its data.
    pub(crate) fn json(place: Place<'a>, user: &'a UserRecord<'_>, value: &'a RawValue) -> Self {
        // A line break in a value is white space: a record stays one line.
        let value = match value.get().contains(['\n', '\r']) {
            true => {
                RawValue::from_string(value.get().replace(['\n', '\r'], " ")).map_or(Cow::Borrowed(value), Cow::Owned)
            }
            false => Cow::Borrowed(value),
        };
        RecordView { data: Some(value), ..RecordView::without_data(place, user) }
    }

    /// A record with at most `bytes_max` of its data, as text where it is text.
    pub(crate) fn plain(place: Place<'a>, user: &'a UserRecord<'_>, bytes_max: usize) -> Self {
        let cut = bytes_max < user.data.len();
        let view = RecordView { cut, ..RecordView::without_data(place, user) };
        match std::str::from_utf8(&user.data) {
            Ok(text) => RecordView { text: Some(&text[..text.floor_char_boundary(bytes_max)]), ..view },
            Err(_) => {
                let shown = &user.data[..user.data.len().min(bytes_max)];
                RecordView { base64: Some(base64_simd::STANDARD.encode_to_string(shown)), ..view }
            }
        }
    }

    fn without_data(place: Place<'a>, user: &'a UserRecord<'_>) -> Self {
        RecordView {
            shard: place.shard,
            sequence_number: place.sequence_number,
            sub: user.sub_sequence_number,
            arrived_at: user.record.arrived_at.to_string(),
            partition_key: user.partition_key,
            data: None,
            text: None,
            base64: None,
            bytes: user.data.len(),
            cut: false,
        }
    }
}

/// The JSON values that a record consists of; none if it is anything else.
pub(crate) fn values<'t>(text: &'t Option<RecordText<'_>>) -> Vec<&'t RawValue> {
    let Some(text) = text else { return Vec::new() };
    let values = serde_json::Deserializer::from_slice(text.bytes()).into_iter::<&RawValue>();
    values.collect::<Result<_, _>>().unwrap_or_default()
}
