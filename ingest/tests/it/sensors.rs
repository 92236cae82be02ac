//! What tests of receivers share: a reception with a writer that keeps everything, and datagrams to send.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ingest::sensor::accounts::Tally;
use ingest::sensor::port_rule::{PortRule, StreamHandle};
use ingest::sensor::reception::{Reception, ReceptionOptions};
use model::datagram::header::{Header, SchemaId, SourceId};
use model::datagram::payload::Datagram;

/// Bytes of the fields of a record, as [`rule`] takes them.
pub(crate) const FIELDS_BYTES: u16 = 24;

/// A datagram of one record, 56 bytes.
pub(crate) fn plain(source: u32, first: u64) -> Vec<u8> {
    let header = Header {
        tagged: false,
        record_times: false,
        schema_id: SchemaId(7),
        record_len: FIELDS_BYTES,
        count: 1,
        key_id: 1,
        epoch: 1,
        source_id: SourceId(source),
        first,
        time_nanos: 5,
    };
    let mut bytes = Vec::new();
    Datagram::write(header, &[first as u8; FIELDS_BYTES as usize], None, &mut bytes);
    bytes
}

pub(crate) fn rule(stream: StreamHandle) -> PortRule {
    PortRule::open_to_all(stream, SchemaId(7), FIELDS_BYTES)
}

/// A reception, and a thread that stores what it hands over and gives back every datagram once all pollers have ended.
pub(crate) struct Kept {
    pub(crate) reception: Arc<Reception>,
    pub(crate) stream: StreamHandle,
    writer: std::thread::JoinHandle<Vec<Vec<u8>>>,
}

impl Kept {
    pub(crate) fn start() -> Self {
        let reception = Reception::new(ReceptionOptions::default());
        let (stream, mut reader) = reception.open().expect("the first stream");
        let writer = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            let mut kept = Vec::new();
            while let Some(batch) = runtime.block_on(reader.next()) {
                kept.extend(batch.entries().iter().map(|entry| batch.datagram(entry).to_vec()));
                reader.stored(batch.entries());
                reader.give_back(batch);
            }
            kept
        });
        Kept { reception, stream, writer }
    }

    /// After all receivers are dropped: what was stored, in its order.
    pub(crate) fn end(self) -> Vec<Vec<u8>> {
        self.reception.close();
        self.writer.join().expect("the writer is well")
    }
}

/// Waits until `done`, which is looked at all the time.
pub(crate) fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < deadline, "{what} does not come");
        std::thread::yield_now();
    }
}

/// Everything that was received is stored.
pub(crate) fn all_stored(tally: Tally) -> bool {
    tally.received() == tally.stored && tally.waiting() == 0
}
