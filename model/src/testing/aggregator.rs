//! Packs user records into one record as the Kinesis Producer Library does.

use md5::{Digest, Md5};

use crate::stream::aggregate::MAGIC;
use crate::stream::hash_key::HashKey;

/// Gathers user records.
#[derive(Debug, Clone, Default)]
pub struct Aggregator {
    partition_keys: Vec<String>,
    hash_keys: Vec<String>,
    records: Vec<u8>,
}

impl Aggregator {
    /// An aggregate of records that have only a partition key.
    pub fn pack<'a>(records: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Vec<u8> {
        let mut aggregator = Aggregator::default();
        for (partition_key, data) in records {
            aggregator.push(partition_key, None, data);
        }
        aggregator.finish()
    }

    /// Adds a record behind those before; keys that came before are not repeated.
    pub fn push(&mut self, partition_key: &str, hash_key: Option<HashKey>, data: &[u8]) {
        let mut record = Vec::new();
        put_number(&mut record, 1, place(&mut self.partition_keys, partition_key.to_owned()));
        if let Some(hash_key) = hash_key {
            put_number(&mut record, 2, place(&mut self.hash_keys, hash_key.to_string()));
        }
        put_bytes(&mut record, 3, data);
        put_bytes(&mut self.records, 3, &record);
    }

    /// The record's data.
    pub fn finish(self) -> Vec<u8> {
        let mut message = Vec::new();
        self.partition_keys.iter().for_each(|key| put_bytes(&mut message, 1, key.as_bytes()));
        self.hash_keys.iter().for_each(|key| put_bytes(&mut message, 2, key.as_bytes()));
        message.extend(self.records);
        seal(&message)
    }
}

/// Puts the frame of an aggregate around any bytes, with the right checksum.
pub fn seal(message: &[u8]) -> Vec<u8> {
    [&MAGIC[..], message, &Md5::digest(message)[..]].concat()
}

fn place(table: &mut Vec<String>, key: String) -> u64 {
    let place = table.iter().position(|known| *known == key).unwrap_or_else(|| {
        table.push(key);
        table.len() - 1
    });
    place as u64
}

fn put_number(message: &mut Vec<u8>, field: u64, number: u64) {
    put_varint(message, field << 3);
    put_varint(message, number);
}

fn put_bytes(message: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    put_varint(message, field << 3 | 2);
    put_varint(message, bytes.len() as u64);
    message.extend(bytes);
}

fn put_varint(message: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        message.push(number as u8 | 0x80);
        number >>= 7;
    }
    message.push(number as u8);
}
