//! Sensor datagrams: many records of one width under one header, as a device sends them over UDP.
//!
//! ```text
//! off  type  field                                    all numbers little-endian, version 1
//!   0  u16   magic 0x5346: the bytes `FS`
//!   2  u8    version, 1
//!   3  u8    flags: 1 a tag follows the records, 2 each record begins with its time (u32, ns after the first record's)
//!   4  u16   schema_id: the registered fields of a record
//!   6  u16   record_len: bytes of a record, its time included
//!   8  u8    count: records, at least 1
//!   9  u8    key_id: which of the source's keys the tag was made with
//!  10  u16   epoch: how often the source has started
//!  12  u32   source_id
//!  16  u64   sequence number of the first record; the source's next datagram starts at this plus count
//!  24  u64   time of the first record, nanoseconds since 1970
//!  32        records: count times record_len bytes
//! end  u64   the tag, if flagged: SipHash-2-4 of everything before it
//! ```
//!
//! One record of 24 bytes with a tag makes 64 bytes; 59 of them fill 1,456. The sequence numbers of a source count
//! records and begin anew with each epoch. Reading and writing allocate nothing and trust nothing: bytes that are not
//! a datagram in every detail are [`malformed::Malformed`], by cause.

pub mod malformed;
pub mod header;
pub mod tag;
pub mod payload;
pub mod schema;
pub mod sensor_stream;
pub mod columns;
pub mod arrow;
pub mod admin;
