//! A query at work: rows in, results out, and all its state as bytes in between.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::Schema;
use datafusion::error::DataFusionError;
use model::clock::Timestamp;
use model::datagram::payload::Datagram;
use model::datagram::sensor_stream::SensorStream;

use crate::continuous::apart::LeftOut;
use crate::continuous::computation::Computation;
use crate::continuous::decode::json::{Decoder, Row, Unfit};
use crate::continuous::decode::sensor::{SensorDecoder, Unfillable};
use crate::continuous::decode::waiting::Waiting;
use crate::continuous::encode::{Encoder, OutputRow};
use crate::continuous::origin::{Origin, Origins};
use crate::rows::field::{FieldNames, Fields};
use crate::sql::dialect::Dialect;
use crate::sql::query::StreamQuery;
use crate::sql::schema::{SqlColumn, SqlType};
use crate::window::span::Span;

/// Rows wait until there are this many, or until state is asked for.
const WAITING_ROWS_MAX: usize = 8192;

/// One query over a source whose columns are known.
#[derive(Debug)]
pub(crate) struct Operator {
    computation: Computation,
    encoder: Encoder,
    /// How many values of a result are the user's.
    values: usize,
    columns: Vec<SqlColumn>,
    decoder: Decoder,
    origins: Origins,
    /// Once the source is known to be one of sensor datagrams.
    sensor: Option<SensorDecoder>,
    sensor_origins: Origins,
    fields: FieldNames,
    /// Rows that were folded.
    rows_read: u64,
    /// Whether any row, or any state taken back, was let pass.
    any_passed: bool,
    left_out: LeftOut,
    /// Bytes of the state rows that were added since somebody last asked.
    bytes_changed: usize,
}

/// Why datagrams of a sensor cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotSet {
    /// They cannot fill a column.
    #[error(transparent)]
    Unfillable(#[from] Unfillable),
    /// Rows that waited could not be computed.
    #[error(transparent)]
    Engine(#[from] DataFusionError),
}

impl Operator {
    /// Plans the query. `target` are the declared columns of the stream it writes to and where each one's value comes from;
    /// without a declaration the query's own columns are written.
    pub(crate) fn new(
        select: &StreamQuery,
        columns: &[SqlColumn],
        target: Option<&[(SqlColumn, Option<usize>)]>,
        dialect: Dialect,
    ) -> Result<Operator, DataFusionError> {
        let is_own = |name: &str| columns.iter().any(|column| column.name == name);
        let system: Vec<&str> = select.system_columns.iter().copied().filter(|name| !is_own(name)).collect();
        let computation = Computation::new(select, columns, &system)?;
        let result = computation.result();
        let own = || {
            let column = |(index, name): (usize, &String)| {
                let sql_type = SqlType::of_arrow(result.field(index).data_type());
                (SqlColumn { name: name.clone(), sql_type }, Some(index))
            };
            select.names.iter().enumerate().map(column).collect()
        };
        let encoder = Encoder::new(target.map_or_else(own, <[_]>::to_vec), dialect);
        let decoder = Decoder::new(columns);
        let fields = FieldNames::new(decoder.names());
        Ok(Operator {
            computation,
            encoder,
            values: select.names.len(),
            columns: columns.to_vec(),
            decoder,
            origins: Origins::new(columns, &system),
            sensor: None,
            sensor_origins: Origins::new(columns, &system),
            fields,
            rows_read: 0,
            any_passed: false,
            left_out: LeftOut::default(),
            bytes_changed: 0,
        })
    }

    /// The window of a moment, if all keys have the same windows.
    pub(crate) fn window_of(&self, at: Timestamp) -> Option<Span> {
        self.computation.window_of(at)
    }

    /// Whether all windows that hold a row of this time are over.
    pub(crate) fn is_late(&self, at: Timestamp, closed_until: Timestamp) -> bool {
        self.computation.is_late(at, closed_until)
    }

    /// The fields that its columns name, in the order that [`Operator::row`] takes them.
    pub(crate) fn fields(&self) -> &FieldNames {
        &self.fields
    }

    /// The place of a column among the fields.
    pub(crate) fn place_of(&self, column: &str) -> Option<usize> {
        self.decoder.names().position(|name| name == column)
    }

    /// Makes a row of fields, which may be followed by others.
    pub(crate) fn row<'a>(&self, fields: Fields<'a>) -> Result<Row<'a>, Unfit> {
        self.decoder.row(fields)
    }

    /// Makes rows of all objects of a record.
    pub(crate) fn rows<'a>(&self, data: &'a [u8]) -> Result<Vec<Row<'a>>, Unfit> {
        self.fields.read(data)?.into_iter().map(|fields| self.row(fields)).collect()
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, row: Row<'_>, rowtime: Timestamp, origin: Origin<'_>) {
        self.decoder.push(row, rowtime);
        self.origins.push(origin, 1);
        self.computation.open(rowtime);
    }

    /// The source's records are datagrams of `sensor` from now on.
    pub(crate) fn set_sensor(&mut self, sensor: &SensorStream) -> Result<(), NotSet> {
        if self.sensor.as_ref().is_some_and(|known| known.sensor() == sensor) {
            return Ok(());
        }
        self.fold()?;
        self.sensor = Some(SensorDecoder::new(sensor, &self.columns)?);
        Ok(())
    }

    /// Adds the records of datagrams of the source, all of which arrived at one time.
    ///
    /// # Panics
    ///
    /// Before [`Operator::set_sensor`].
    pub(crate) fn push_datagrams(&mut self, datagrams: &[Datagram<'_>], rowtime: Timestamp, origin: Origin<'_>) {
        let sensor = self.sensor.as_mut().expect("the source holds datagrams");
        let before = sensor.rows();
        sensor.push(datagrams, rowtime);
        self.sensor_origins.push(origin, sensor.rows() - before);
        self.computation.open(rowtime);
    }

    /// How many rows wait to be folded.
    pub(crate) fn waiting_rows(&self) -> usize {
        self.decoder.rows() + self.sensor.as_ref().map_or(0, Waiting::rows)
    }

    /// Folds waiting rows if there are many.
    pub(crate) fn settle(&mut self) -> Result<(), DataFusionError> {
        if self.waiting_rows() < WAITING_ROWS_MAX { Ok(()) } else { self.fold() }
    }

    /// The columns of the rows it writes.
    pub(crate) fn output_columns(&self) -> Vec<SqlColumn> {
        self.encoder.columns()
    }

    /// When the first open window ends that ends after `after`.
    pub(crate) fn next_end(&self, after: Timestamp) -> Option<Timestamp> {
        self.computation.next_end(after)
    }

    /// Closes every window that ends after `after`, and at `until` or before: no row before that time comes any more.
    pub(crate) fn close(&mut self, after: Timestamp, until: Timestamp) -> Result<Vec<OutputRow>, DataFusionError> {
        if self.next_end(after).is_none_or(|end| until < end) {
            return Ok(Vec::new());
        }
        self.fold()?;
        let results = self.computation.close(after, until, &mut self.left_out)?;
        self.encoded(&results)
    }

    /// Results as rows. Those that cannot be written are left out.
    fn encoded(&mut self, results: &[RecordBatch]) -> Result<Vec<OutputRow>, DataFusionError> {
        let mut encoded = Vec::new();
        for result in results {
            let (rows, errors) = self.encoder.encode(result, self.values, self.computation.order(self.values))?;
            if let Some(reason) = errors.last() {
                self.left_out.add(errors.len() as u64, reason);
            }
            encoded.extend(rows);
        }
        Ok(encoded)
    }

    /// Whether a query without windows has rows to make or to give out.
    pub(crate) fn has_ready(&self) -> bool {
        !self.computation.waits_for_time() && (0 < self.waiting_rows() || self.computation.is_ready())
    }

    /// The rows that rows have made since this was last called, of a query without windows.
    pub(crate) fn take_ready(&mut self) -> Result<Vec<OutputRow>, DataFusionError> {
        if !self.has_ready() {
            return Ok(Vec::new());
        }
        self.fold()?;
        let ready = self.computation.take_ready();
        self.encoded(&ready)
    }

    /// How many windows are open.
    pub(crate) fn open_windows(&self) -> usize {
        self.computation.open_windows()
    }

    /// Rows that were folded since the start, and whether WHERE has let any of them pass.
    pub(crate) fn progress(&self) -> (u64, bool) {
        (self.rows_read, self.any_passed)
    }

    /// Bytes of the state of all open windows. Merges it before it says more than `bytes_max`.
    pub(crate) fn state_bytes(&mut self, bytes_max: usize) -> Result<usize, DataFusionError> {
        self.computation.state_bytes(bytes_max)
    }

    /// Bytes of the state that has changed since [`Operator::reset_bytes_changed`].
    pub(crate) fn bytes_changed(&self) -> usize {
        self.bytes_changed
    }

    /// All state is kept somewhere: changes count from here.
    pub(crate) fn reset_bytes_changed(&mut self) {
        self.bytes_changed = 0;
    }

    /// Rows and groups that it could not compute since this was last called.
    pub(crate) fn take_left_out(&mut self) -> LeftOut {
        std::mem::take(&mut self.left_out)
    }

    /// The state rows of all open windows.
    pub(crate) fn states(&mut self) -> Result<Vec<RecordBatch>, DataFusionError> {
        self.fold()?;
        Ok(self.computation.states())
    }

    /// What state rows look like.
    pub(crate) fn state_schema(&self) -> Arc<Schema> {
        self.computation.state_schema()
    }

    /// Of windows that rows begin: those that end here or before were given out.
    pub(crate) fn given_out_until(&self) -> Option<Timestamp> {
        self.computation.given_out_until()
    }

    /// Takes back what [`Operator::states`] gave, also in earlier versions: they kept sums of integers in 64 bits.
    pub(crate) fn restore(
        &mut self,
        states: Vec<RecordBatch>,
        given_out_until: Option<Timestamp>,
    ) -> Result<(), DataFusionError> {
        let schema = self.state_schema();
        for states in states {
            let columns = states.columns().iter().zip(schema.fields());
            let columns = columns.map(|(column, field)| cast(column, field.data_type())).collect::<Result<_, _>>()?;
            let folded = self.computation.restore(RecordBatch::try_new(Arc::clone(&schema), columns)?)?;
            self.any_passed |= folded.any_passed;
        }
        if let Some(until) = given_out_until {
            self.computation.set_given_out_until(until);
        }
        self.reset_bytes_changed();
        Ok(())
    }

    fn fold(&mut self) -> Result<(), DataFusionError> {
        let mut batches = Vec::new();
        if self.decoder.rows() > 0 {
            batches.push(self.origins.complete(self.decoder.finish()));
        }
        if let Some(sensor) = self.sensor.as_mut().filter(|sensor| sensor.rows() > 0) {
            batches.push(self.sensor_origins.complete(sensor.finish()));
        }
        for batch in batches {
            self.rows_read += batch.num_rows() as u64;
            let folded = self.computation.fold(&batch, &mut self.left_out)?;
            self.any_passed |= folded.any_passed;
            self.bytes_changed += folded.bytes;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value};

    use super::*;
    use crate::continuous::definition::Definition;
    use crate::continuous::event_time::EventTime;
    use datafusion::arrow::array::ArrayRef;
    use datafusion::arrow::datatypes::{DataType, Field};

    use crate::continuous::snapshot::{Header, decode, encode};

    const SQL: &str = "CREATE STREAM \"S\" (\"k\" VARCHAR(4), \"v\" BIGINT);
        CREATE PUMP p AS INSERT INTO o SELECT STREAM ROWTIME AS e, \"k\", COUNT(*) AS n, SUM(\"v\"), MIN(\"v\"), AVG(\"v\"),
        COUNT(DISTINCT \"v\"), median(\"v\"), stddev(\"v\"), approx_distinct(\"v\"), string_agg(\"k\", ',') AS ks
        FROM \"S\" WHERE \"v\" > 3 GROUP BY STEP(ROWTIME BY INTERVAL '1' SECOND), \"k\";";

    /// As an earlier version kept it.
    fn with_sums_of_64_bits(states: &RecordBatch) -> RecordBatch {
        let column = |(field, column): (&Arc<Field>, &ArrayRef)| match field.data_type() {
            DataType::Decimal128(38, 0) => {
                let field = field.as_ref().clone().with_data_type(DataType::Int64);
                (Arc::new(field), cast(column, &DataType::Int64).unwrap())
            }
            _ => (Arc::clone(field), Arc::clone(column)),
        };
        let (fields, columns): (Vec<_>, Vec<_>) =
            states.schema().fields().iter().zip(states.columns()).map(column).unzip();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
    }

    /// The rows when state is taken out, and through bytes, after every `every` records.
    fn rows(every: i64) -> Vec<String> {
        let definition = Definition::parse(SQL, None).unwrap().remove(0);
        let columns = definition.columns.clone().unwrap();
        let mut operator = definition.operator(&columns).unwrap();
        let header = Header {
            fingerprint: String::new(),
            closed_until: Timestamp::MIN,
            columns: None,
            records: 0,
            rows: 0,
            left_out: 0,
            given_out_until: None,
            event_time: EventTime::default(),
        };
        for record in 0..600_i64 {
            let object = serde_json::json!({"k": format!("k{}", record % 3), "v": record * 7919 % 50}).to_string();
            for row in operator.rows(object.as_bytes()).unwrap() {
                operator.push(row, Timestamp::from_millis(record * 5), Origin::default());
            }
            if record % every == 0 {
                operator.states().unwrap();
            }
            if record % (every * 40) == 0 {
                let states: Vec<_> = operator.states().unwrap().iter().map(with_sums_of_64_bits).collect();
                let schema = states.first().map_or_else(|| operator.state_schema(), RecordBatch::schema);
                let bytes = encode(&header, Some((&schema, &states))).unwrap();
                operator = definition.operator(&columns).unwrap();
                operator.restore(decode(&bytes).unwrap().1, None).unwrap();
            }
        }
        operator.close(Timestamp::MIN, Timestamp::MAX).unwrap().into_iter().map(|row| row.json).collect()
    }

    #[test]
    fn results_do_not_depend_on_how_state_was_cut_merged_and_restored() {
        let whole = rows(100_000);
        assert_eq!(whole.len(), 9);
        for every in [1, 2, 7] {
            let digits = |rows: &[String]| -> Vec<String> {
                // The last digits of a deviation depend on the order of additions.
                let round = |row: &String| {
                    let mut object: Map<String, Value> = serde_json::from_str(row).unwrap();
                    object.values_mut().for_each(|value| {
                        if let Some(number) = value.as_f64() {
                            *value = format!("{number:.9}").into();
                        }
                    });
                    serde_json::to_string(&object).unwrap()
                };
                rows.iter().map(round).collect()
            };
            assert_eq!(digits(&rows(every)), digits(&whole), "state taken out every {every} records");
        }
    }
}
