//! Columns as Arrow arrays. Values are moved, not copied.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, StringArray,
    TimestampNanosecondArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};

use super::columns::Values;

/// The values in the type that they were sent in; of texts, only the offsets are looked at.
pub fn array(values: Values) -> ArrayRef {
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
///
/// # Panics
///
/// If the values are not [`Values::U64`], as those of a time column are.
pub fn times(values: Values) -> TimestampNanosecondArray {
    let Values::U64(nanos) = values else { unreachable!("times are 64 bits without sign") };
    nanos.into_iter().map(|nanos| i64::try_from(nanos).ok()).collect()
}

#[cfg(test)]
mod tests {
    use arrow_array::Array;
    use arrow_array::cast::AsArray;

    use super::*;

    #[test]
    fn values_are_those_that_were_gathered() {
        let texts = array(Values::Text { offsets: vec![0, 2, 2, 5], text: "abxyz".to_owned() });
        assert_eq!(texts.as_string::<i32>().iter().collect::<Vec<_>>(), [Some("ab"), Some(""), Some("xyz")]);
        let numbers = array(Values::F32(vec![0.5, -1.0]));
        assert_eq!(numbers.as_primitive::<arrow_array::types::Float32Type>().values(), &[0.5, -1.0]);
        let times = times(Values::U64(vec![7, i64::MAX as u64 + 1]));
        assert_eq!((times.value(0), times.is_null(1), times.null_count()), (7, true, 1));
    }
}
