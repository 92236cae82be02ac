//! Unicorns as sensors: their readings as datagrams over UDP, which nobody acknowledges.
//!
//! ```text
//! off  type  field             a record of 24 bytes; before it, in batches, its time as u32 (ns after the first's)
//!   0  f64   Latitude
//!   8  f64   Longitude
//!  16  f32   Distance
//!  20  i16   MagicPoints
//!  22  i16   HealthPoints
//! ```
//!
//! Unicorn `n` of the fleet is source `n`. A device counts its starts and keeps the count; a simulator has nothing to keep it
//! in, so its epoch is the time of its start in steps of 16 seconds, which is the newer of two within six days. Numbers begin
//! higher the later in its step it starts, so that a second run within one step is ahead of the first.

use std::future::Future;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use client::producer::pace::Pace;
use client::producer::report::{Report, Tally};
use client::producer::target::ProduceError;
use model::clock::Timestamp;
use model::datagram::header::{Header, SchemaId, SourceId};
use model::datagram::payload::{DATAGRAM_BYTES_MAX, Datagram};
use model::datagram::tag::TagKey;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::net::UdpSocket;
use tokio::time::Instant;

use crate::unicorn::{Reading, Unicorn};

/// Bytes of the fields of a record.
pub const FIELDS_BYTES: u16 = 24;

/// An epoch.
const EPOCH_MILLIS: u64 = 16_000;
/// Records between the first numbers of two runs that begin a millisecond apart.
const RUN_RECORDS: u64 = 1 << 20;
/// Between two readings of a batch, if time would go on faster or slower than its numbers can say.
const READING_STEP_MAX: u64 = u32::MAX as u64;

/// Where and how sensors send.
#[derive(Debug, Clone, Args)]
pub struct SensorTarget {
    /// Send readings as sensor datagrams over UDP to this address, instead of records to a stream.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub sensor: Option<SocketAddr>,
    /// The schema of the port. Fields: Latitude f64, Longitude f64, Distance f32, MagicPoints i16, HealthPoints i16.
    #[arg(long, value_name = "ID", default_value_t = 7, requires = "sensor")]
    pub schema: u16,
    /// Readings of a unicorn in one datagram.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "sensor", value_parser = clap::value_parser!(u8).range(1..))]
    pub batch: u8,
    /// The key of all unicorns, 32 hexadecimal digits; adds tags to datagrams. Its id is --key-id.
    #[arg(long, value_name = "HEX", env = "GALLOP_SENSOR_KEY", hide_env_values = true, value_parser = key, requires = "sensor")]
    pub key: Option<TagKey>,
    /// The number of the key.
    #[arg(long, value_name = "ID", default_value_t = 1, requires = "key")]
    pub key_id: u8,
}

/// A unicorn with what it has not sent yet.
struct Sensor {
    unicorn: Unicorn,
    next: u64,
    first_nanos: u64,
    records: Vec<u8>,
    count: u8,
}

fn key(text: &str) -> Result<TagKey, String> {
    let digits: Vec<u8> = text.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    let bytes: Vec<u8> = digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
    let key = <[u8; 16]>::try_from(bytes).ok().filter(|_| text.len() == 32 && digits.len() == 32);
    key.map(TagKey::new).ok_or_else(|| "a key is 32 hexadecimal digits".to_owned())
}

/// The fields of a reading.
fn fields(reading: &Reading<'_>) -> [u8; FIELDS_BYTES as usize] {
    let mut bytes = [0; FIELDS_BYTES as usize];
    bytes[..8].copy_from_slice(&reading.latitude.to_le_bytes());
    bytes[8..16].copy_from_slice(&reading.longitude.to_le_bytes());
    bytes[16..20].copy_from_slice(&(reading.distance as f32).to_le_bytes());
    bytes[20..22].copy_from_slice(&saturated(reading.magic_points).to_le_bytes());
    bytes[22..].copy_from_slice(&saturated(reading.health_points).to_le_bytes());
    bytes
}

fn saturated(points: i64) -> i16 {
    points.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

impl SensorTarget {
    /// Unicorns that are no sensors.
    pub fn none() -> Self {
        SensorTarget { sensor: None, schema: 7, batch: 1, key: None, key_id: 1 }
    }

    /// Bytes of a record as it is sent.
    fn record_len(&self) -> u16 {
        FIELDS_BYTES + if self.batch > 1 { 4 } else { 0 }
    }

    /// Adds a reading to what a unicorn has to send; the datagram, once it is full.
    fn add(
        &self,
        sensor: &mut Sensor,
        source: u32,
        epoch: u16,
        now_nanos: u64,
        random: &mut SmallRng,
    ) -> Option<Vec<u8>> {
        if sensor.count == 0 {
            sensor.first_nanos = now_nanos;
        }
        if self.batch > 1 {
            let after = now_nanos.saturating_sub(sensor.first_nanos).min(READING_STEP_MAX);
            sensor.records.extend_from_slice(&(after as u32).to_le_bytes());
        }
        let at = Timestamp::from_millis((now_nanos / 1_000_000) as i64);
        sensor.records.extend_from_slice(&fields(&sensor.unicorn.step(at, random)));
        sensor.count += 1;
        (sensor.count == self.batch).then(|| self.datagram(sensor, source, epoch))
    }

    fn datagram(&self, sensor: &mut Sensor, source: u32, epoch: u16) -> Vec<u8> {
        let header = Header {
            tagged: self.key.is_some(),
            record_times: self.batch > 1,
            schema_id: SchemaId(self.schema),
            record_len: self.record_len(),
            count: sensor.count,
            key_id: self.key_id,
            epoch,
            source_id: SourceId(source),
            first: sensor.next,
            time_nanos: sensor.first_nanos,
        };
        let mut bytes = Vec::with_capacity(DATAGRAM_BYTES_MAX.min(48 + sensor.records.len()));
        Datagram::write(header, &sensor.records, self.key.as_ref(), &mut bytes);
        sensor.next += u64::from(sensor.count);
        sensor.records.clear();
        sensor.count = 0;
        bytes
    }
}

/// What a fleet of sensors is to do.
pub(crate) struct SensorRun<'a> {
    pub(crate) to: SocketAddr,
    pub(crate) target: &'a SensorTarget,
    pub(crate) unicorns: u32,
    pub(crate) seed: u64,
    pub(crate) rate: f64,
    pub(crate) count: u64,
    pub(crate) time: Option<Duration>,
}

/// Sends until the count, the time or `shutdown` ends it, then what is left of batches. The report says what was sent: what
/// arrived, only the server knows.
pub(crate) async fn run(run: SensorRun<'_>, shutdown: impl Future<Output = ()>) -> Result<Report, ProduceError> {
    let local = if run.to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(local).await?;
    socket.connect(run.to).await?;
    let (mut random, begin_millis) = (SmallRng::seed_from_u64(run.seed), now_nanos() / 1_000_000);
    let sensor = |n: u32, random: &mut SmallRng| Sensor {
        unicorn: Unicorn::new(format!("sensor-{n}"), random),
        next: begin_millis % EPOCH_MILLIS * RUN_RECORDS,
        first_nanos: 0,
        records: Vec::new(),
        count: 0,
    };
    let mut sensors: Vec<Sensor> = (0..run.unicorns).map(|n| sensor(n, &mut random)).collect();
    let (begin, epoch) = (Instant::now(), (begin_millis / EPOCH_MILLIS) as u16);
    let mut tally = Tally::default();
    let produce = async {
        let mut pace = Pace::new(Some(run.rate));
        for turn in 0..run.count {
            pace.turn().await;
            let source = (turn % u64::from(run.unicorns)) as u32;
            let sensor = &mut sensors[source as usize];
            tally.sent += 1;
            let Some(datagram) = run.target.add(sensor, source, epoch, now_nanos(), &mut random) else { continue };
            send(&socket, &datagram, run.target.batch, &mut tally).await;
        }
    };
    let time_up = async {
        match run.time {
            Some(time) => tokio::time::sleep(time).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = produce => {}
        () = time_up => {}
        () = shutdown => {}
    }
    for (source, sensor) in (0..).zip(&mut sensors).filter(|(_, sensor)| sensor.count > 0) {
        let count = sensor.count;
        let datagram = run.target.datagram(sensor, source, epoch);
        send(&socket, &datagram, count, &mut tally).await;
    }
    let mut report = tally.report(begin.elapsed());
    report.records_per_second = (tally.sent - tally.failed) as f64 / report.seconds.max(1e-9);
    Ok(report)
}

/// Sends a datagram. That nobody listened to one before it is told by the next send, which does not send then.
async fn send(socket: &UdpSocket, datagram: &[u8], records: u8, tally: &mut Tally) {
    let sent = match socket.send(datagram).await {
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => socket.send(datagram).await,
        sent => sent,
    };
    if let Err(error) = sent {
        tally.fail(records.into(), error.to_string());
    }
}

#[expect(clippy::disallowed_methods, reason = "a device has a clock of its own")]
fn now_nanos() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What arrives is a fleet's readings: every source in order without gaps, tags right, batches whole and the rest sent.
    async fn check_sent(batch: u8, key: Option<TagKey>, count: u64) {
        let server = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        let to = server.local_addr().expect("it is bound");
        let target = SensorTarget { sensor: Some(to), schema: 9, batch, key: key.clone(), key_id: 4 };
        let options = SensorRun { to, target: &target, unicorns: 3, seed: 1, rate: 1e6, count, time: None };
        let receive = async {
            let (mut next, mut bytes, mut records) = ([None; 3], vec![0; 2_048], 0);
            while records < count {
                let length = server.recv(&mut bytes).await.expect("a datagram");
                let datagram = Datagram::read(&bytes[..length]).expect("a datagram of ours");
                let header = datagram.header;
                assert_eq!((header.schema_id, header.key_id), (SchemaId(9), 4));
                assert!(key.as_ref().is_none_or(|key| datagram.is_from(key)));
                let place = &mut next[header.source_id.0 as usize];
                assert_eq!(header.first, place.unwrap_or(header.first));
                *place = Some(header.first + u64::from(header.count));
                for record in datagram.records() {
                    assert_eq!(record.fields.len(), usize::from(FIELDS_BYTES));
                    let latitude = f64::from_le_bytes(record.fields[..8].try_into().expect("eight bytes"));
                    assert!((40.0..42.0).contains(&latitude));
                }
                records += u64::from(header.count);
            }
            records
        };
        let (report, received) = tokio::join!(run(options, std::future::pending()), receive);
        let report = report.expect("it sends");
        assert_eq!((report.sent, report.failed, received), (count, 0, count));
    }

    #[tokio::test]
    async fn readings_arrive_as_datagrams() {
        check_sent(1, None, 30).await;
        check_sent(8, Some(TagKey::new([3; 16])), 100).await;
    }

    #[test]
    fn keys_are_32_hexadecimal_digits() {
        assert_eq!(key("000102030405060708090a0b0c0d0e0F"), Ok(TagKey::new(std::array::from_fn(|at| at as u8))));
        for wrong in ["", "00", "000102030405060708090a0b0c0d0e0g", "0001020304050607 08090a0b0c0d0e0f"] {
            assert!(key(wrong).is_err(), "{wrong}");
        }
    }
}
