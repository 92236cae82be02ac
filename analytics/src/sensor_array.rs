//! Values of sensor records as Arrow arrays: taken over, not copied.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, StringArray,
    TimestampNanosecondArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use datafusion::arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use model::datagram::columns::Values;

/// The values in the type that they were sent in.
pub(crate) fn array(values: Values) -> ArrayRef {
    match values {
        Values::U8(values) => Arc::new(UInt8Array::from(values)),
        Values::U16(values) => Arc::new(UInt16Array::from(values)),
        Values::U32(values) => Arc::new(UInt32Array::from(values)),
        Values::U64(values) => Arc::new(UInt64Array::from(values)),
        Values::I8(values) => Arc::new(Int8Array::from(values)),
        Values::I16(values) => Arc::new(Int16Array::from(values)),
        Values::I32(values) => Arc::new(Int32Array::from(values)),
        Values::I64(values) => Arc::new(Int64Array::from(values)),
        Values::F32(values) => Arc::new(Float32Array::from(values)),
        Values::F64(values) => Arc::new(Float64Array::from(values)),
        Values::Text { offsets, text } => {
            let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
            Arc::new(StringArray::new(offsets, Buffer::from_vec(text.into_bytes()), None))
        }
    }
}

/// Nanoseconds since 1970 as times; null past the year 2262, where 64 signed bits end.
pub(crate) fn times(values: Values) -> TimestampNanosecondArray {
    let Values::U64(nanos) = values else { unreachable!("times are 64 bits without sign") };
    nanos.into_iter().map(|nanos| i64::try_from(nanos).ok()).collect()
}
