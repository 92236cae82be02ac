//! What to do with the datagrams of one UDP port.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;
use model::datagram::header::{Header, RECORD_TIME_BYTES, SchemaId, SourceId};
use model::datagram::tag::TagKey;

use super::cause::Rejection;
use super::id_hash::IdHash;
use model::token_bucket::Rate;

/// A stream as pollers know it: the number of its lane, given out by [`super::reception::Reception::open`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamHandle(pub(super) u16);

/// What happens to a datagram whose stream's writer is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FullPolicy {
    /// It is dropped and counted.
    #[default]
    DropNewest,
    /// The poller waits, and with it all ports of its receive queue: the kernel drops and counts.
    Hold,
}

/// What a port accepts, and where it goes.
#[derive(Debug, Clone)]
pub struct PortRule {
    /// Where accepted datagrams go.
    pub stream: StreamHandle,
    /// The schema that records must have.
    pub schema_id: SchemaId,
    /// Bytes of a record's fields; its time, where there is one, comes on top.
    pub fields_bytes: u16,
    /// What happens when the writer is behind.
    pub policy: FullPolicy,
    /// Where any source may send from; empty is from anywhere.
    pub addresses: Vec<IpNet>,
    /// How fast each source may send; none is as fast as it can.
    pub rate: Option<Rate>,
    /// Whether sources that are not registered may send.
    pub unregistered: bool,
    /// Whether each datagram must have a tag by a key of its source. Unregistered sources have none, so none may send.
    /// Where this is not set, a tag is carried along unread.
    pub tagged: bool,
    /// Registered sources.
    pub sources: HashMap<SourceId, SourceRule, IdHash>,
}

/// What one registered source may do.
#[derive(Debug, Clone, Default)]
pub struct SourceRule {
    /// Where it may send from; empty is from wherever the port allows.
    pub addresses: Vec<IpNet>,
    /// Its keys, by key id.
    pub keys: Vec<(u8, TagKey)>,
    /// How fast it may send, instead of the port's rate.
    pub rate: Option<Rate>,
}

impl PortRule {
    /// A rule that takes records of one schema from anyone, without tags or limits.
    pub fn open_to_all(stream: StreamHandle, schema_id: SchemaId, fields_bytes: u16) -> Self {
        PortRule {
            stream,
            schema_id,
            fields_bytes,
            policy: FullPolicy::DropNewest,
            addresses: Vec::new(),
            rate: None,
            unregistered: true,
            tagged: false,
            sources: HashMap::default(),
        }
    }

    /// Whether the port takes datagrams from there, whatever they are.
    pub(super) fn allows(&self, from: &IpAddr) -> bool {
        self.addresses.is_empty() || contains(&self.addresses, from)
    }

    /// Whether the records are what the port takes.
    pub(super) fn takes(&self, header: &Header) -> bool {
        let time = if header.record_times { RECORD_TIME_BYTES } else { 0 };
        header.schema_id == self.schema_id && usize::from(header.record_len) == usize::from(self.fields_bytes) + time
    }

    /// What the source may do; none where it is not registered and need not be.
    pub(super) fn source(&self, id: SourceId, from: &IpAddr) -> Result<Option<&SourceRule>, Rejection> {
        match self.sources.get(&id) {
            Some(source) if source.addresses.is_empty() || contains(&source.addresses, from) => Ok(Some(source)),
            Some(_) => Err(Rejection::Address),
            None if self.unregistered && !self.tagged => Ok(None),
            None => Err(Rejection::UnknownSource),
        }
    }
}

impl SourceRule {
    pub(super) fn key(&self, key_id: u8) -> Option<&TagKey> {
        self.keys.iter().find(|(id, _)| *id == key_id).map(|(_, key)| key)
    }
}

fn contains(ranges: &[IpNet], address: &IpAddr) -> bool {
    ranges.iter().any(|range| range.contains(address))
}
