//! Records that a producer library packed into one, as the Kinesis Producer Library does: what consumers see.
//!
//! ```text
//! F3 89 9A C2 | protobuf message                                        | MD5 of the message, 16 bytes
//!             | AggregatedRecord  1 partition keys*, 2 explicit hash keys*, 3 records*
//!             | Record            1 partition key's index, 2 explicit hash key's index?, 3 data, 4 tags*
//!             | Tag               1 key, 2 value?
//! ```
//!
//! The layout is AWS's (<https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md>). The
//! stream keeps an aggregate as one record, with one sequence number; readers of the API get it as it was put.
//! [`user_records`] takes it apart for queries, delivery and SQL, all in one step: a position never stands inside.
//! Bytes that are not an aggregate in every detail are a plain record, never an error and never half of one.
//!
//! A stream of sensor datagrams ([`crate::datagram::sensor_stream`]) is taken apart the same way: each sensor record comes out as
//! a JSON object. Who wants columns reads the datagrams themselves.

use std::borrow::Cow;

use md5::{Digest, Md5};

use crate::datagram::payload::Datagram;
use crate::datagram::sensor_stream::SensorStream;
use crate::stream::hash_key::{HashKey, HashKeyRange, PARTITION_KEY_LENGTH_MAX};
use crate::stream::record::Record;

/// The first bytes of an aggregate.
pub const MAGIC: [u8; 4] = [0xF3, 0x89, 0x9A, 0xC2];
/// Bytes of the checksum at its end.
pub const CHECKSUM_BYTES: usize = 16;
/// The kinds of a protobuf group's two ends.
const GROUP_BEGIN: u32 = 3;
const GROUP_END: u32 = 4;
/// How deep groups, which none of the messages has and which we pass over, may nest.
const GROUPS_DEPTH_MAX: usize = 32;

/// What a producer put: a record of the stream, or one of those that were packed into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRecord<'a> {
    /// The record of the stream that holds it: its sequence number and its time of arrival are this one's too.
    pub record: &'a Record,
    /// Its place in an aggregate or a datagram; none for a plain record.
    pub sub_sequence_number: Option<u32>,
    /// The producer's key.
    pub partition_key: &'a str,
    /// The producer's bytes; of a sensor record, JSON.
    pub data: Cow<'a, [u8]>,
    /// Whether its hash key belongs to another shard: the stream was split or merged while the aggregate was under
    /// way, and its producer, who sees that in the answer, sends this one again. Whoever counts it counts it twice.
    pub misplaced: bool,
}

/// The user records of `record`, read from a shard that owns `owned`: of a plain record itself, of an aggregate its
/// parts in order. While it is taken apart an aggregate needs up to six times its bytes. `sensor` is what the stream's
/// settings say: then a record is a datagram, or plain.
pub fn user_records<'a>(record: &'a Record, owned: HashKeyRange, sensor: Option<&'a SensorStream>) -> UserRecords<'a> {
    let parts = match sensor {
        Some(sensor) => sensor.read(&record.data).map_or(Parts::Plain, |datagram| Parts::Datagram(sensor, datagram, 0)),
        None => Aggregate::parse(&record.data).map_or(Parts::Plain, |aggregate| Parts::Aggregate(aggregate, 0)),
    };
    UserRecords { record, owned, parts }
}

/// Iterator of [`user_records`].
#[derive(Debug)]
pub struct UserRecords<'a> {
    record: &'a Record,
    owned: HashKeyRange,
    parts: Parts<'a>,
}

#[derive(Debug)]
enum Parts<'a> {
    Plain,
    Aggregate(Aggregate<'a>, u32),
    Datagram(&'a SensorStream, Datagram<'a>, u8),
    Done,
}

impl<'a> Iterator for UserRecords<'a> {
    type Item = UserRecord<'a>;

    fn next(&mut self) -> Option<UserRecord<'a>> {
        let (record, owned) = (self.record, self.owned);
        match &mut self.parts {
            Parts::Done => None,
            Parts::Plain => {
                self.parts = Parts::Done;
                let (partition_key, data) = (record.partition_key.as_str(), Cow::Borrowed(&record.data[..]));
                Some(UserRecord { record, sub_sequence_number: None, partition_key, data, misplaced: false })
            }
            Parts::Aggregate(aggregate, number) => {
                let SubRecord { partition_key, hash_key, data } = aggregate.next_record()?;
                let (sub_sequence_number, data) = (Some(*number), Cow::Borrowed(data));
                *number += 1;
                let misplaced = !owned.contains(hash_key.unwrap_or_else(|| HashKey::of(partition_key)));
                Some(UserRecord { record, sub_sequence_number, partition_key, data, misplaced })
            }
            Parts::Datagram(sensor, datagram, number) => {
                if *number == datagram.header.count {
                    return None;
                }
                let mut json = Vec::new();
                sensor.push_json(datagram, &datagram.record(*number), &mut json);
                let sub_sequence_number = Some(u32::from(*number));
                *number += 1;
                // Datagrams go to the shard of their source when they are put, and are not sent again.
                let (partition_key, data) = (record.partition_key.as_str(), Cow::Owned(json));
                Some(UserRecord { record, sub_sequence_number, partition_key, data, misplaced: false })
            }
        }
    }
}

/// A message that was checked, and how far its records were handed out.
#[derive(Debug)]
struct Aggregate<'a> {
    partition_keys: Vec<&'a str>,
    hash_keys: Vec<HashKey>,
    rest: Fields<'a>,
}

#[derive(Debug, PartialEq, Eq)]
struct SubRecord<'a> {
    partition_key: &'a str,
    hash_key: Option<HashKey>,
    data: &'a [u8],
}

/// Bytes that are not what they would have to be.
#[derive(Debug)]
struct Malformed;

impl<'a> Aggregate<'a> {
    /// None where `data` is not an aggregate in every detail.
    fn parse(data: &'a [u8]) -> Option<Aggregate<'a>> {
        let body = data.strip_prefix(&MAGIC)?;
        let (message, checksum) = body.split_at_checked(body.len().checked_sub(CHECKSUM_BYTES)?)?;
        // An empty message is none, for KCL too.
        if message.is_empty() || Md5::digest(message)[..] != *checksum {
            return None;
        }
        Aggregate::check(message).ok()
    }

    fn check(message: &'a [u8]) -> Result<Aggregate<'a>, Malformed> {
        let (mut partition_keys, mut hash_keys) = (Vec::new(), Vec::new());
        let mut fields = Fields(message);
        while let Some((number, value)) = fields.next()? {
            match (number, value) {
                (1, Value::Bytes(key)) => partition_keys.push(partition_key(key)?),
                (2, Value::Bytes(key)) => hash_keys.push(text(key)?.parse().map_err(|_| Malformed)?),
                _ => {}
            }
        }
        let aggregate = Aggregate { partition_keys, hash_keys, rest: Fields(message) };
        // The tables may stand behind the records that refer to them.
        let mut fields = Fields(message);
        while let Some(field) = fields.next()? {
            if let (3, Value::Bytes(record)) = field {
                aggregate.record(record)?;
            }
        }
        Ok(aggregate)
    }

    /// Fails where the message is not a record, or refers to keys that are not there.
    fn record(&self, message: &'a [u8]) -> Result<SubRecord<'a>, Malformed> {
        let (mut key, mut hash_key, mut data) = (None, None, None);
        let mut fields = Fields(message);
        while let Some((number, value)) = fields.next()? {
            match (number, value) {
                (1, Value::Number(index)) => key = Some(index),
                (2, Value::Number(index)) => hash_key = Some(index),
                (3, Value::Bytes(bytes)) => data = Some(bytes),
                (4, Value::Bytes(tag)) => check_tag(tag)?,
                _ => {}
            }
        }
        let partition_key = entry(&self.partition_keys, key.ok_or(Malformed)?)?;
        let hash_key = hash_key.map(|index| entry(&self.hash_keys, index)).transpose()?;
        Ok(SubRecord { partition_key, hash_key, data: data.ok_or(Malformed)? })
    }

    fn next_record(&mut self) -> Option<SubRecord<'a>> {
        loop {
            let field = self.rest.next().expect("the message was checked")?;
            if let (3, Value::Bytes(record)) = field {
                return Some(self.record(record).expect("the record was checked"));
            }
        }
    }
}

fn entry<T: Copy>(table: &[T], index: u64) -> Result<T, Malformed> {
    let index = usize::try_from(index).map_err(|_| Malformed)?;
    table.get(index).copied().ok_or(Malformed)
}

fn text(bytes: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(bytes).map_err(|_| Malformed)
}

fn partition_key(bytes: &[u8]) -> Result<&str, Malformed> {
    let key = text(bytes)?;
    let too_long = key.len() > PARTITION_KEY_LENGTH_MAX && key.chars().count() > PARTITION_KEY_LENGTH_MAX;
    if key.is_empty() || too_long { Err(Malformed) } else { Ok(key) }
}

/// A tag has a key; nobody uses them yet.
fn check_tag(message: &[u8]) -> Result<(), Malformed> {
    let (mut fields, mut has_key) = (Fields(message), false);
    while let Some(field) = fields.next()? {
        has_key |= matches!(field, (1, Value::Bytes(_)));
    }
    if has_key { Ok(()) } else { Err(Malformed) }
}

/// The rest of a protobuf message.
#[derive(Debug, Clone, Copy)]
struct Fields<'a>(&'a [u8]);

/// What a field holds, as far as our messages go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// A kind that none of our fields has.
    Other,
}

impl<'a> Fields<'a> {
    /// The next field with its number; none at the end.
    fn next(&mut self) -> Result<Option<(u32, Value<'a>)>, Malformed> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let (number, kind) = self.tag()?;
        let value = if kind == GROUP_BEGIN { self.skip_group(number)? } else { self.value(kind)? };
        Ok(Some((number, value)))
    }

    fn tag(&mut self) -> Result<(u32, u32), Malformed> {
        let tag = u32::try_from(self.varint()?).map_err(|_| Malformed)?;
        let number = tag >> 3;
        if number == 0 { Err(Malformed) } else { Ok((number, tag & 7)) }
    }

    /// A value of any kind but a group.
    fn value(&mut self, kind: u32) -> Result<Value<'a>, Malformed> {
        match kind {
            0 => self.varint().map(Value::Number),
            1 => self.take(8).map(|_| Value::Other),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
                self.take(length).map(Value::Bytes)
            }
            5 => self.take(4).map(|_| Value::Other),
            _ => Err(Malformed),
        }
    }

    /// Passes over a group, whose `number` its end repeats.
    fn skip_group(&mut self, number: u32) -> Result<Value<'a>, Malformed> {
        let mut open = vec![number];
        while let Some(innermost) = open.last() {
            match self.tag()? {
                (number, GROUP_BEGIN) if open.len() < GROUPS_DEPTH_MAX => open.push(number),
                (number, GROUP_END) if number == *innermost => drop(open.pop()),
                (_, kind) => drop(self.value(kind)?),
            }
        }
        Ok(Value::Other)
    }

    /// Seven bits a byte, the lowest first; at most ten bytes.
    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Malformed)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests;
