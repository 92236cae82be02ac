//! An answer of GetRecords, in either form, as a client that only counts needs it: how many records, how many bytes of
//! data, where to go on. Nothing is copied out of it.

use anyhow::{Context, ensure};
use memchr::memmem;
use minicbor::Decoder;
use minicbor::data::Type;

use crate::rig::http::text_member;

/// What is in one answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page<'a> {
    /// Records.
    pub(crate) records: u64,
    /// Bytes of their data.
    pub(crate) bytes: u64,
    /// The iterator of the next call; none at the end of a closed shard.
    pub(crate) next: Option<&'a str>,
}

/// What stands before the data of a record.
const BEFORE_DATA: &[u8] = b",\"Data\":\"";

impl<'a> Page<'a> {
    /// Counts what is in an answer in JSON.
    pub(crate) fn of_json(answer: &'a [u8]) -> anyhow::Result<Page<'a>> {
        let (mut records, mut bytes) = (0, 0);
        let before_data = memmem::Finder::new(BEFORE_DATA);
        let mut rest = answer;
        // A quote inside a text is escaped, so that no key can be taken for data.
        while let Some(at) = before_data.find(rest) {
            let data = &rest[at + BEFORE_DATA.len()..];
            let length = memchr::memchr(b'"', data).context("the answer ends inside a record")?;
            let padding = data[..length].iter().rev().take_while(|byte| **byte == b'=').count();
            records += 1;
            bytes += (length / 4 * 3 - padding) as u64;
            rest = &data[length..];
        }
        Ok(Page { records, bytes, next: text_member(rest, "NextShardIterator") })
    }

    /// Counts what is in an answer in CBOR.
    pub(crate) fn of_cbor(answer: &'a [u8]) -> anyhow::Result<Page<'a>> {
        let mut page = Page { records: 0, bytes: 0, next: None };
        let mut decoder = Decoder::new(answer);
        for _ in 0..length(decoder.map()?)? {
            match decoder.str()? {
                "Records" => page.read_records(&mut decoder)?,
                "NextShardIterator" if decoder.datatype()? != Type::Null => page.next = Some(decoder.str()?),
                _ => decoder.skip()?,
            }
        }
        ensure!(decoder.position() == answer.len(), "the answer is longer than it says");
        Ok(page)
    }

    fn read_records(&mut self, decoder: &mut Decoder<'a>) -> anyhow::Result<()> {
        self.records = length(decoder.array()?)?;
        for _ in 0..self.records {
            for _ in 0..length(decoder.map()?)? {
                match decoder.str()? {
                    "Data" => self.bytes += decoder.bytes()?.len() as u64,
                    _ => decoder.skip()?,
                }
            }
        }
        Ok(())
    }
}

fn length(length: Option<u64>) -> anyhow::Result<u64> {
    length.context("our server says how long its lists are")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_count_the_same() -> anyhow::Result<()> {
        let json = br#"{"Records":[{"SequenceNumber":"1","ApproximateArrivalTimestamp":1.5,"Data":"","PartitionKey":"\",\"Data\":\""},{"SequenceNumber":"2","ApproximateArrivalTimestamp":1.5,"Data":"AAECAw==","PartitionKey":"k"}],"MillisBehindLatest":7,"NextShardIterator":"next"}"#;
        let mut cbor = minicbor::Encoder::new(Vec::new());
        cbor.map(3)?.str("MillisBehindLatest")?.u64(7)?.str("NextShardIterator")?.str("next")?;
        cbor.str("Records")?.array(2)?;
        for data in [&b""[..], &[0, 1, 2, 3]] {
            cbor.map(3)?.str("SequenceNumber")?.str("1")?.str("Data")?.bytes(data)?.str("PartitionKey")?.str("k")?;
        }
        let cbor = cbor.into_writer();
        let expected = Page { records: 2, bytes: 4, next: Some("next") };
        assert_eq!(Page::of_json(json)?, expected);
        assert_eq!(Page::of_cbor(&cbor)?, expected);
        assert!(Page::of_cbor(&cbor[..cbor.len() - 1]).is_err());
        Ok(())
    }

    #[test]
    fn the_end_of_a_shard_has_no_next() -> anyhow::Result<()> {
        let json = br#"{"Records":[],"MillisBehindLatest":0,"NextShardIterator":null,"ChildShards":[]}"#;
        assert_eq!(Page::of_json(json)?, Page { records: 0, bytes: 0, next: None });
        Ok(())
    }
}
