//! A whole datagram: its header, its records, its tag.

use super::header::{HEADER_BYTES, Header, RECORD_TIME_BYTES};
use super::malformed::Malformed;
use super::tag::{TAG_BYTES, Tag, TagKey};

/// The largest datagram that IPv4 carries over UDP.
pub const DATAGRAM_BYTES_MAX: usize = 65_507;

/// A datagram, read in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// What it says of its records.
    pub header: Header,
    /// What the tag is over: header and records.
    signed: &'a [u8],
    tag: Option<Tag>,
}

/// One record of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SensorRecord<'a> {
    /// Its number within source and epoch.
    pub number: u64,
    /// When it was measured, nanoseconds since 1970; the first record's time where records carry none.
    pub time_nanos: u64,
    /// Its fields, without its time.
    pub fields: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// Reads the bytes of a whole UDP payload. The tag is not checked: that takes the source's key.
    #[inline]
    pub fn read(bytes: &'a [u8]) -> Result<Datagram<'a>, Malformed> {
        let header = Header::read(bytes)?;
        let tag_bytes = if header.tagged { TAG_BYTES } else { 0 };
        let least = if header.record_times { RECORD_TIME_BYTES + 1 } else { 1 };
        let length = HEADER_BYTES + header.records_bytes() + tag_bytes;
        if header.count == 0 || usize::from(header.record_len) < least || bytes.len() != length {
            return Err(Malformed::Length);
        }
        if header.first.checked_add(u64::from(header.count)).is_none() {
            return Err(Malformed::Overflow);
        }
        if header.record_times && header.time_nanos.checked_add(u64::from(u32::MAX)).is_none() {
            return Err(Malformed::Overflow);
        }
        let (signed, tag) = bytes.split_at(length - tag_bytes);
        Ok(Datagram { header, signed, tag: tag.first_chunk().map(|tag| Tag(u64::from_le_bytes(*tag))) })
    }

    /// Whether the tag is there and was made of these bytes with `key`.
    pub fn is_from(&self, key: &TagKey) -> bool {
        // One comparison of whole words: how long it takes says nothing about where they differ.
        self.tag == Some(key.tag(self.signed))
    }

    /// The records as they came, one after the other.
    pub fn records_bytes(&self) -> &'a [u8] {
        &self.signed[HEADER_BYTES..]
    }

    /// Bytes of a record's fields, without its time.
    pub fn fields_len(&self) -> usize {
        let time = if self.header.record_times { RECORD_TIME_BYTES } else { 0 };
        usize::from(self.header.record_len) - time
    }

    /// The records in their order.
    pub fn records(&self) -> impl ExactSizeIterator<Item = SensorRecord<'a>> + use<'a> {
        let datagram = *self;
        (0..self.header.count).map(move |index| datagram.record(index))
    }

    /// The record of that place.
    ///
    /// # Panics
    ///
    /// If there are not so many.
    pub fn record(&self, index: u8) -> SensorRecord<'a> {
        let (header, records) = (&self.header, self.records_bytes());
        let number = header.first + u64::from(index);
        let width = usize::from(header.record_len);
        let record = &records[usize::from(index) * width..][..width];
        match record.split_first_chunk() {
            Some((time, fields)) if header.record_times => {
                let time_nanos = header.time_nanos + u64::from(u32::from_le_bytes(*time));
                SensorRecord { number, time_nanos, fields }
            }
            _ => SensorRecord { number, time_nanos: header.time_nanos, fields: record },
        }
    }

    /// Appends the bytes of a datagram to `out`. The header's `tagged` is set by whether there is a key.
    ///
    /// # Panics
    ///
    /// If `records` has not the length that the header says, or is empty.
    pub fn write(header: Header, records: &[u8], key: Option<&TagKey>, out: &mut Vec<u8>) {
        assert!(!records.is_empty() && records.len() == header.records_bytes(), "the header counts the records");
        let begin = out.len();
        out.extend_from_slice(&Header { tagged: key.is_some(), ..header }.write());
        out.extend_from_slice(records);
        if let Some(key) = key {
            let tag = key.tag(&out[begin..]);
            out.extend_from_slice(&tag.0.to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::header::{SchemaId, SourceId};
    use super::*;

    fn header(record_len: u16, count: u8, record_times: bool) -> Header {
        Header {
            tagged: false,
            record_times,
            schema_id: SchemaId(7),
            record_len,
            count,
            key_id: 3,
            epoch: 2,
            source_id: SourceId(0x0102_0304),
            first: 41,
            time_nanos: 1_000,
        }
    }

    fn written(header: Header, key: Option<&TagKey>) -> Vec<u8> {
        let records: Vec<u8> = (0..header.records_bytes()).map(|at| at as u8).collect();
        let mut bytes = Vec::new();
        Datagram::write(header, &records, key, &mut bytes);
        bytes
    }

    #[test]
    fn the_bytes_are_those_that_are_drawn() {
        let key = TagKey::new(*b"0123456789abcdef");
        let bytes = written(header(2, 3, false), Some(&key));
        let drawn = [
            0x46, 0x53, 1, 1, 7, 0, 2, 0, 3, 3, 2, 0, 4, 3, 2, 1, 41, 0, 0, 0, 0, 0, 0, 0, 0xe8, 3, 0, 0, 0, 0, 0, 0,
            0, 1, 2, 3, 4, 5,
        ];
        assert_eq!(bytes[..38], drawn);
        assert_eq!(bytes.len(), 46);
        assert_eq!(written(header(24, 1, false), Some(&key)).len(), 64);
        assert_eq!(written(header(24, 59, false), Some(&key)).len(), 1456);
    }

    /// The vector of the paper: the key 00 01 .. 0f, the message 00 01 .. 0e.
    #[test]
    fn the_tag_is_siphash_2_4() {
        let key = TagKey::new(std::array::from_fn(|at| at as u8));
        let message: Vec<u8> = (0..15).collect();
        assert_eq!(key.tag(&message), Tag(0xa129_ca61_49be_45e5));
    }

    #[test]
    fn each_defect_has_its_cause() {
        let good = written(header(8, 2, false), None);
        let with = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            Datagram::read(&bytes).map(|_| ())
        };
        assert_eq!(Datagram::read(&good[..31]), Err(Malformed::Short));
        assert_eq!(with(0, 0), Err(Malformed::Magic));
        assert_eq!(with(2, 2), Err(Malformed::Version));
        assert_eq!(with(3, 4), Err(Malformed::Flags));
        for (at, byte) in [(3, 1), (6, 7), (8, 0), (8, 3)] {
            assert_eq!(with(at, byte), Err(Malformed::Length), "byte {at} is {byte}");
        }
        assert_eq!(Datagram::read(&good[..good.len() - 1]).map(|_| ()), Err(Malformed::Length));
        assert_eq!(Datagram::read(&[&good[..], &[0]].concat()).map(|_| ()), Err(Malformed::Length));
        assert_eq!(Datagram::read(&written(header(4, 1, true), None)).map(|_| ()), Err(Malformed::Length));
        let late = Header { time_nanos: u64::MAX - 5, ..header(8, 1, true) };
        assert_eq!(Datagram::read(&written(late, None)).map(|_| ()), Err(Malformed::Overflow));
        let last = Header { first: u64::MAX - 1, ..header(8, 2, false) };
        assert_eq!(Datagram::read(&written(last, None)).map(|_| ()), Err(Malformed::Overflow));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            records in proptest::collection::vec((any::<u32>(), proptest::collection::vec(any::<u8>(), 5)), 1..40),
            (times, tagged) in any::<(bool, bool)>(),
            (first, time_nanos) in (0..u64::MAX - 64, 0..u64::MAX - u64::from(u32::MAX)),
        ) {
            let mut bytes = Vec::new();
            for (time, fields) in &records {
                if times {
                    bytes.extend_from_slice(&time.to_le_bytes());
                }
                bytes.extend_from_slice(fields);
            }
            let width = if times { 9 } else { 5 };
            let header = Header { first, time_nanos, ..header(width, records.len() as u8, times) };
            let (key, other) = (TagKey::new([9; 16]), TagKey::new([8; 16]));
            let mut datagram = Vec::new();
            Datagram::write(header, &bytes, tagged.then_some(&key), &mut datagram);
            let read = Datagram::read(&datagram).expect("just written");
            prop_assert_eq!(read.header, Header { tagged, ..header });
            prop_assert_eq!(read.is_from(&key), tagged);
            prop_assert!(!read.is_from(&other));
            let found: Vec<SensorRecord<'_>> = read.records().collect();
            prop_assert_eq!(found.len(), records.len());
            for (index, (record, (time, fields))) in found.iter().zip(&records).enumerate() {
                prop_assert_eq!(record.number, first + index as u64);
                prop_assert_eq!(record.time_nanos, time_nanos + if times { u64::from(*time) } else { 0 });
                prop_assert_eq!(record.fields, &fields[..]);
            }
        }

        #[test]
        fn no_bytes_break_the_reader(mut bytes in proptest::collection::vec(any::<u8>(), 0..120), like in any::<bool>()) {
            if like && bytes.len() >= 4 {
                let flags = bytes[3] & 3;
                bytes[..4].copy_from_slice(&[0x46, 0x53, 1, flags]);
            }
            if let Ok(datagram) = Datagram::read(&bytes) {
                let held: usize = datagram.records().map(|record| record.fields.len()).sum();
                prop_assert!(held <= bytes.len());
                prop_assert_eq!(&datagram.header.write()[..], &bytes[..HEADER_BYTES]);
            }
        }

        #[test]
        fn one_bit_changed_is_not_from_the_source(at in 0_usize..64 * 8) {
            let key = TagKey::new(*b"0123456789abcdef");
            let mut bytes = written(header(24, 1, false), Some(&key));
            bytes[at / 8] ^= 1 << (at % 8);
            prop_assert!(!Datagram::read(&bytes).is_ok_and(|datagram| datagram.is_from(&key)));
        }
    }
}
