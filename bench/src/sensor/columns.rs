//! `bench sensor-columns`: how fast datagrams become Arrow columns, by how many of them at a time.

use std::time::{Duration, Instant};

use clap::Args;
use model::datagram::arrow::array;
use model::datagram::columns::ColumnGatherer;
use model::datagram::header::{Header, SchemaId, SourceId};
use model::datagram::payload::Datagram;
use model::datagram::schema::{Field, FieldKind, Schema};
use model::datagram::sensor_stream::{SensorReaders, SensorStream};

use crate::rig::process::{cpu_time, peak_memory};
use crate::rig::report::{Figure, Measured, Report, latencies, micros};

/// Arguments of `bench sensor-columns`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bench sensor-columns\n  bench sensor-columns --records 57 --seconds 5")]
pub(crate) struct SensorColumnsArgs {
    /// Records of a datagram.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    records: u8,
    /// How long each block size is measured.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
}

const SCHEMA: SchemaId = SchemaId(7);
/// Fields of a record, single precision each: 32 bytes, and with those of the header twelve columns.
const FIELDS: u16 = 8;
/// Datagrams that are gathered over and over: more than fit into a processor's nearest cache.
const DATAGRAMS: u32 = 8_192;
/// Rows of a batch of columns, as queries have them.
const BATCH_ROWS: usize = 8_192;
/// Datagrams at a time, with the figure's name; the last is what the report is about.
const BLOCKS: [(usize, &str); 4] =
    [(1, "in blocks of 1"), (64, "in blocks of 64"), (1024, "in blocks of 1,024"), (256, "in blocks of 256")];

/// Measures.
pub(crate) fn run(args: &SensorColumnsArgs) -> anyhow::Result<Report> {
    let (sensor, datagrams) = stream(args.records)?;
    let (mut figures, mut last) = (Vec::new(), None);
    for (block, name) in BLOCKS {
        let cpu = cpu_time("thread-self")?;
        let (records, wall, latency) = gather(&sensor, &datagrams, block, Duration::from_secs(args.seconds));
        figures.push(Figure::new(name, records as f64 / wall.as_secs_f64() / 1e6, "M records a second"));
        last = Some((records, wall, cpu_time("thread-self")? - cpu, latency));
    }
    let (records, wall, cpu, latency) = last.expect("there are block sizes");
    let measured = Measured { records, wall, cpu, client_cpu: None, peak_memory_bytes: peak_memory("self")? };
    let what = format!(
        "sensor-columns: datagrams of {} records of {} bytes, read and turned into 12 Arrow columns by one thread, 256 at a time",
        args.records,
        FIELDS * 4
    );
    let mut report = Report::new(what, measured, ("8,192 records", &latency));
    figures.into_iter().for_each(|figure| report.add(figure));
    Ok(report)
}

fn stream(records: u8) -> anyhow::Result<(SensorStream, Vec<Vec<u8>>)> {
    let field = |number| Field { name: format!("f{number}"), kind: FieldKind::F32 };
    let schema = Schema::new((0..FIELDS).map(field).collect())?;
    let sensor = SensorStream { schema_id: SCHEMA, schema, readers: SensorReaders::Json };
    let datagram = |number: u32| {
        let header = Header {
            tagged: false,
            record_times: false,
            schema_id: SCHEMA,
            record_len: FIELDS * 4,
            count: records,
            key_id: 0,
            epoch: 1,
            source_id: SourceId(number % 1024),
            first: u64::from(number / 1024) * u64::from(records),
            time_nanos: 1_700_000_000_000_000_000 + u64::from(number),
        };
        let values = (0..header.records_bytes() as u32 / 4).flat_map(|at| ((number ^ at) as f32).to_le_bytes());
        let mut bytes = Vec::new();
        Datagram::write(header, &values.collect::<Vec<u8>>(), None, &mut bytes);
        bytes
    };
    Ok((sensor, (0..DATAGRAMS).map(datagram).collect()))
}

/// Gathers for so long; the records, the time it took, and how long batches took.
fn gather(
    sensor: &SensorStream,
    datagrams: &[Vec<u8>],
    block: usize,
    time: Duration,
) -> (u64, Duration, hdrhistogram::Histogram<u64>) {
    let mut gatherer = ColumnGatherer::new(sensor.all_columns());
    let (mut records, mut latency, begin) = (0, latencies(), Instant::now());
    let mut batch_begin = begin;
    while begin.elapsed() < time {
        for some in datagrams.chunks(block) {
            let read: Vec<Datagram<'_>> =
                some.iter().map(|bytes| sensor.read(bytes).expect("it is of the stream")).collect();
            gatherer.push(&read);
            if BATCH_ROWS <= gatherer.rows() {
                records += gatherer.rows() as u64;
                gatherer.take().into_iter().for_each(|values| drop(std::hint::black_box(array(values))));
                latency.saturating_record(micros(batch_begin.elapsed()));
                batch_begin = Instant::now();
            }
        }
    }
    (records, begin.elapsed(), latency)
}
