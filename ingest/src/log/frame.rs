//! The bytes of a frame: what is written at once, checked at once, and there whole or not at all.
//!
//! ```text
//! offset  size  header, 52 bytes, all numbers little-endian
//!      0     4  magic "GALF"
//!      4     1  version, 1
//!      5     1  kind: 1 head of a segment, 2 records, 3 commit
//!      6     2  zero
//!      8     4  shard                                   (0 unless records)
//!     12     4  records in the frame                    (0 unless records)
//!     16     8  sequence number of the first record     (0 unless records)
//!     24     8  arrival time, ms since 1970
//!     32     4  payload length
//!     36     4  CRC32C of the payload
//!     40     4  bytes from the first frame of the write group to this one
//!     44     4  CRC32C of bytes 0 to 43 and of the frame's place: stream incarnation, segment, offset (8 bytes each)
//!     52        payload
//!
//! records:  { key length u16, data length u32 } per record, then { key, data } per record
//! commit:   consumer length u16, consumer, checkpoint version u64,
//!           positions u32, { shard u32, next u64, finished u8 } each,
//!           groups u32, { shard u32, first u64, records u32, payload length u32 } each,
//!           state length u32, records payload of each group, state
//! head:     length of the segment before u64, checkpoints that follow u32, shards u32, { shard u32, next u64 } each
//! ```
//!
//! The place is part of the checksum but not stored: a frame that is read from where it was not written, be it an old
//! file's block or a copy inside a record, does not verify.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use bytestring::ByteString;
use model::checkpoint::{Checkpoint, Position};
use model::clock::Timestamp;
use model::hash_key::PartitionKey;
use model::name::ConsumerName;
use model::record::{PutEntry, Record};
use model::sequence_number::SequenceNumber;
use model::shard::ShardId;
use model::stream_store::ReadLimit;

/// Bytes of a header.
pub const HEADER_BYTES: usize = 52;
/// The first four bytes of every frame.
pub const MAGIC: [u8; 4] = *b"GALF";
const VERSION: u8 = 1;
const RECORD_ENTRY_BYTES: usize = 6;

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The first frame of a segment.
    Head,
    /// Records of one shard.
    Records,
    /// A checkpoint with the outputs that belong to it.
    Commit,
}

/// The file a frame stands in; part of its checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Which life of the stream's name.
    pub incarnation: u64,
    /// Which of its segments.
    pub segment: u64,
}

/// A verified header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What the frame holds.
    pub kind: Kind,
    /// Whose records.
    pub shard: ShardId,
    /// How many.
    pub count: u32,
    /// Number of the first.
    pub first: SequenceNumber,
    /// When they arrived.
    pub arrived_at: Timestamp,
    /// Bytes after the header.
    pub payload_bytes: u32,
    /// Their checksum.
    pub payload_crc: u32,
    /// Bytes from the first frame of the write group to this one.
    pub group_back: u64,
}

/// Why bytes are not a frame.
pub type Reason = &'static str;

impl Header {
    fn encode(&self, place: Place, offset: u64) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let mut out = &mut bytes[..];
        out.put_slice(&MAGIC);
        out.put_u8(VERSION);
        out.put_u8(match self.kind {
            Kind::Head => 1,
            Kind::Records => 2,
            Kind::Commit => 3,
        });
        out.put_u16_le(0);
        out.put_u32_le(self.shard.0);
        out.put_u32_le(self.count);
        out.put_u64_le(self.first.0);
        out.put_i64_le(self.arrived_at.as_millis());
        out.put_u32_le(self.payload_bytes);
        out.put_u32_le(self.payload_crc);
        out.put_u64_le(self.group_back);
        let crc = header_crc(&bytes, place, offset);
        bytes[48..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Verifies the first [`HEADER_BYTES`] of `bytes` as a header at `offset` of `place`.
    pub fn decode(bytes: &[u8], place: Place, offset: u64) -> Result<Header, Reason> {
        let bytes = bytes.first_chunk::<HEADER_BYTES>().ok_or("the file ends inside a frame header")?;
        if bytes[..4] != MAGIC {
            return Err("no frame begins here");
        }
        if header_crc(bytes, place, offset).to_le_bytes() != bytes[48..] {
            return Err("the checksum of the frame header does not fit");
        }
        if bytes[4] != VERSION {
            return Err("the frame is of a version that this program does not know");
        }
        let kind = match bytes[5] {
            1 => Kind::Head,
            2 => Kind::Records,
            3 => Kind::Commit,
            _ => return Err("the frame is of a kind that this program does not know"),
        };
        let mut rest = &bytes[8..];
        Ok(Header {
            kind,
            shard: ShardId(rest.get_u32_le()),
            count: rest.get_u32_le(),
            first: SequenceNumber(rest.get_u64_le()),
            arrived_at: Timestamp::from_millis(rest.get_i64_le()),
            payload_bytes: rest.get_u32_le(),
            payload_crc: rest.get_u32_le(),
            group_back: rest.get_u64_le(),
        })
    }

    /// Header and payload together.
    pub fn frame_bytes(&self) -> usize {
        HEADER_BYTES + self.payload_bytes as usize
    }

    /// Whether `payload` is what was written.
    pub fn verify(&self, payload: &[u8]) -> Result<(), Reason> {
        let fits = payload.len() == self.payload_bytes as usize && crc32c::crc32c(payload) == self.payload_crc;
        if fits { Ok(()) } else { Err("the checksum of the frame's payload does not fit") }
    }

    /// The records of a records frame.
    pub fn block(&self, payload: Bytes) -> Block {
        Block { shard: self.shard, first: self.first, count: self.count, arrived_at: self.arrived_at, payload }
    }
}

fn header_crc(bytes: &[u8; HEADER_BYTES], place: Place, offset: u64) -> u32 {
    let crc = crc32c::crc32c(&bytes[..48]);
    let mut salt = [0; 24];
    salt[..8].copy_from_slice(&place.incarnation.to_le_bytes());
    salt[8..16].copy_from_slice(&place.segment.to_le_bytes());
    salt[16..].copy_from_slice(&offset.to_le_bytes());
    crc32c::crc32c_append(crc, &salt)
}

/// Records of one shard, still encoded.
#[derive(Debug, Clone)]
pub struct Block {
    /// Whose.
    pub shard: ShardId,
    /// Number of the first.
    pub first: SequenceNumber,
    /// How many.
    pub count: u32,
    /// When they arrived.
    pub arrived_at: Timestamp,
    /// Verified bytes.
    pub payload: Bytes,
}

impl Block {
    /// One past the last number.
    pub fn end(&self) -> SequenceNumber {
        self.first.plus(u64::from(self.count))
    }

    /// Adds the records from `from` on to `read`, until `limit` is reached. They share the block's memory.
    pub fn read_into(&self, from: SequenceNumber, limit: ReadLimit, read: &mut Read) -> Result<(), Reason> {
        let table_bytes = self.count as usize * RECORD_ENTRY_BYTES;
        let mut table = self.payload.get(..table_bytes).ok_or("a frame's record table is too short")?;
        let mut at = table_bytes;
        let mut number = self.first;
        while table.has_remaining() && !read.is_full(limit) {
            let (key_bytes, data_bytes) = (table.get_u16_le() as usize, table.get_u32_le() as usize);
            let (data_at, end) = (at + key_bytes, at + key_bytes + data_bytes);
            if end > self.payload.len() {
                return Err("a frame's record table points outside it");
            }
            if number >= from {
                let key = ByteString::try_from(self.payload.slice(at..data_at)).ok();
                let partition_key = key.and_then(|key| PartitionKey::new(key).ok()).ok_or("a key is not a key")?;
                let data = self.payload.slice(data_at..end);
                read.push(Record { sequence_number: number, arrived_at: self.arrived_at, partition_key, data });
            }
            at = end;
            number = number.next();
        }
        Ok(())
    }
}

/// What a read has gathered so far.
#[derive(Debug, Default)]
pub struct Read {
    /// In order.
    pub records: Vec<Record>,
    bytes: usize,
}

impl Read {
    /// Whether `limit` allows no more. One record always fits.
    pub fn is_full(&self, limit: ReadLimit) -> bool {
        !self.records.is_empty() && (self.records.len() >= limit.records_max || self.bytes >= limit.bytes_max)
    }

    fn push(&mut self, record: Record) {
        self.bytes += record.size_bytes();
        self.records.push(record);
    }
}

/// A commit as it stands in a frame.
#[derive(Debug, Clone)]
pub struct Commit {
    /// Whose checkpoint.
    pub consumer: ConsumerName,
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// The outputs per shard.
    pub blocks: Vec<Block>,
}

impl Commit {
    /// Takes a verified payload apart.
    pub fn decode(payload: &Bytes, arrived_at: Timestamp) -> Result<Commit, Reason> {
        let short = "a commit frame is too short";
        let mut rest = payload.clone();
        let mut take = |bytes: usize| {
            if rest.len() < bytes { Err(short) } else { Ok(rest.split_to(bytes)) }
        };
        let consumer_bytes = take(2)?.get_u16_le() as usize;
        let consumer = take(consumer_bytes)?;
        let consumer = std::str::from_utf8(&consumer).ok().and_then(|name| ConsumerName::new(name).ok());
        let consumer = consumer.ok_or("a commit frame's consumer is not a name")?;
        let version = take(8)?.get_u64_le();
        let mut checkpoint = Checkpoint { version, ..Checkpoint::default() };
        for _ in 0..take(4)?.get_u32_le() {
            let mut entry = take(13)?;
            let shard = ShardId(entry.get_u32_le());
            let next = SequenceNumber(entry.get_u64_le());
            checkpoint.positions.insert(shard, Position { next, finished: entry.get_u8() != 0 });
        }
        let mut blocks = Vec::new();
        for _ in 0..take(4)?.get_u32_le() {
            let mut entry = take(20)?;
            let (shard, first) = (ShardId(entry.get_u32_le()), SequenceNumber(entry.get_u64_le()));
            let (count, bytes) = (entry.get_u32_le(), entry.get_u32_le());
            blocks.push((Block { shard, first, count, arrived_at, payload: Bytes::new() }, bytes as usize));
        }
        let state_bytes = take(4)?.get_u32_le() as usize;
        let blocks = blocks.into_iter().map(|(block, bytes)| Ok(Block { payload: take(bytes)?, ..block }));
        let blocks = blocks.collect::<Result<_, Reason>>()?;
        checkpoint.state = take(state_bytes)?;
        Ok(Commit { consumer, checkpoint, blocks })
    }
}

/// What the head of a segment says of the time before it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head {
    /// Length of the segment before; 0 in a stream's first segment.
    pub before_bytes: u64,
    /// How many commit frames follow in the head's group: the newest checkpoint of every consumer.
    pub checkpoints: u32,
    /// The next number of every shard.
    pub next: Vec<(ShardId, SequenceNumber)>,
}

impl Head {
    /// Takes a verified payload apart.
    pub fn decode(mut payload: Bytes) -> Result<Head, Reason> {
        let short = "the head of a segment is too short";
        let before_bytes = payload.try_get_u64_le().map_err(|_| short)?;
        let checkpoints = payload.try_get_u32_le().map_err(|_| short)?;
        let count = payload.try_get_u32_le().map_err(|_| short)?;
        let mut next = Vec::new();
        for _ in 0..count {
            let shard = ShardId(payload.try_get_u32_le().map_err(|_| short)?);
            next.push((shard, SequenceNumber(payload.try_get_u64_le().map_err(|_| short)?)));
        }
        Ok(Head { before_bytes, checkpoints, next })
    }
}

/// Where a frame that was just encoded stands in its group.
#[derive(Debug, Clone)]
pub struct Framed {
    /// Offset in the segment.
    pub offset: u64,
    /// The records in it; a commit has as many as it has shards.
    pub blocks: Vec<FramedBlock>,
}

/// Records of one shard inside an encoded group.
#[derive(Debug, Clone, Copy)]
pub struct FramedBlock {
    /// Whose.
    pub shard: ShardId,
    /// Number of the first.
    pub first: SequenceNumber,
    /// How many.
    pub count: u32,
    /// Payload in the group's bytes.
    pub start: usize,
    /// End of the payload.
    pub end: usize,
}

/// Frames that are written and synced together.
#[derive(Debug)]
pub struct Group {
    place: Place,
    /// Where in the segment the group begins.
    group_at: u64,
    /// Where in the segment `bytes` begin.
    offset: u64,
    arrived_at: Timestamp,
    bytes: BytesMut,
    frames: Vec<Framed>,
}

/// Entries of one shard and the number of the first, to be encoded.
pub type ShardEntries = (ShardId, SequenceNumber, Vec<PutEntry>);

impl Group {
    /// Nothing yet, to be written at `offset` of `place`; part of the group that begins at `group_at`.
    pub fn new(place: Place, group_at: u64, offset: u64, arrived_at: Timestamp) -> Self {
        Group { place, group_at, offset, arrived_at, bytes: BytesMut::new(), frames: Vec::new() }
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The bytes to write and what is in them.
    pub fn finish(self) -> (Bytes, Vec<Framed>) {
        (self.bytes.freeze(), self.frames)
    }

    fn begin(&mut self) -> usize {
        let start = self.bytes.len();
        self.bytes.put_bytes(0, HEADER_BYTES);
        start
    }

    fn end(&mut self, start: usize, kind: Kind, blocks: Vec<FramedBlock>) {
        let whole = match (kind, blocks.first()) {
            (Kind::Records, Some(block)) => (block.shard, block.count, block.first),
            _ => (ShardId(0), 0, SequenceNumber(0)),
        };
        let offset = self.offset + start as u64;
        let payload = &self.bytes[start + HEADER_BYTES..];
        let header = Header {
            kind,
            shard: whole.0,
            count: whole.1,
            first: whole.2,
            arrived_at: self.arrived_at,
            payload_bytes: u32::try_from(payload.len()).expect("frames are bounded far below 4 GiB"),
            payload_crc: crc32c::crc32c(payload),
            group_back: offset - self.group_at,
        };
        self.bytes[start..start + HEADER_BYTES].copy_from_slice(&header.encode(self.place, offset));
        self.frames.push(Framed { offset, blocks });
    }

    /// Adds the head of a segment.
    pub fn push_head(&mut self, head: &Head) {
        let start = self.begin();
        self.bytes.put_u64_le(head.before_bytes);
        self.bytes.put_u32_le(head.checkpoints);
        self.bytes.put_u32_le(u32::try_from(head.next.len()).expect("shard ids are 32 bits"));
        for (shard, next) in &head.next {
            self.bytes.put_u32_le(shard.0);
            self.bytes.put_u64_le(next.0);
        }
        self.end(start, Kind::Head, Vec::new());
    }

    /// Adds records of one shard.
    pub fn push_records(&mut self, (shard, first, entries): &ShardEntries) {
        let start = self.begin();
        put_records(&mut self.bytes, entries);
        let block = FramedBlock {
            shard: *shard,
            first: *first,
            count: u32::try_from(entries.len()).expect("groups are bounded"),
            start: start + HEADER_BYTES,
            end: self.bytes.len(),
        };
        self.end(start, Kind::Records, vec![block]);
    }

    /// Adds a checkpoint and its outputs.
    pub fn push_commit(&mut self, consumer: &ConsumerName, checkpoint: &Checkpoint, outputs: &[ShardEntries]) {
        let start = self.begin();
        let out = &mut self.bytes;
        let length = |length: usize| u32::try_from(length).expect("commits are bounded far below 4 GiB");
        out.put_u16_le(u16::try_from(consumer.as_str().len()).expect("names are short"));
        out.put_slice(consumer.as_str().as_bytes());
        out.put_u64_le(checkpoint.version);
        out.put_u32_le(length(checkpoint.positions.len()));
        for (shard, position) in &checkpoint.positions {
            out.put_u32_le(shard.0);
            out.put_u64_le(position.next.0);
            out.put_u8(position.finished.into());
        }
        out.put_u32_le(length(outputs.len()));
        for (shard, first, entries) in outputs {
            out.put_u32_le(shard.0);
            out.put_u64_le(first.0);
            out.put_u32_le(length(entries.len()));
            out.put_u32_le(length(records_bytes(entries)));
        }
        out.put_u32_le(length(checkpoint.state.len()));
        let mut blocks = Vec::new();
        for (shard, first, entries) in outputs {
            let start = out.len();
            put_records(out, entries);
            let (count, end) = (length(entries.len()), out.len());
            blocks.push(FramedBlock { shard: *shard, first: *first, count, start, end });
        }
        out.put_slice(&checkpoint.state);
        self.end(start, Kind::Commit, blocks);
    }
}

fn records_bytes(entries: &[PutEntry]) -> usize {
    entries.iter().map(|entry| RECORD_ENTRY_BYTES + entry.size_bytes()).sum()
}

fn put_records(out: &mut BytesMut, entries: &[PutEntry]) {
    out.reserve(records_bytes(entries));
    for entry in entries {
        out.put_u16_le(u16::try_from(entry.partition_key.as_str().len()).expect("keys are short"));
        out.put_u32_le(u32::try_from(entry.data.len()).expect("records are bounded far below 4 GiB"));
    }
    for entry in entries {
        out.put_slice(entry.partition_key.as_str().as_bytes());
        out.put_slice(&entry.data);
    }
}
