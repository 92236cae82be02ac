//! A windowed query at work: rows in, results of closed windows out, and all its state as bytes in
//! between.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatch, UInt32Array};
use datafusion::arrow::compute::{cast, take_record_batch};
use datafusion::arrow::datatypes::TimestampMillisecondType;
use datafusion::error::DataFusionError;
use model::clock::Timestamp;
use model::datagram::payload::Datagram;
use model::datagram::sensor_stream::SensorStream;

use crate::continuous::apart::{self, LeftOut};
use crate::continuous::decode::field::{FieldNames, Fields};
use crate::continuous::decode::json::{Decoder, Row, Unfit};
use crate::continuous::decode::sensor::{SensorDecoder, Unfillable};
use crate::continuous::decode::waiting::Waiting;
use crate::continuous::encode::{Encoder, OutputRow};
use crate::continuous::plan::Plan;
use crate::sql::rewrite::WindowedSelect;
use crate::sql::schema::{SqlColumn, SqlType};
use crate::window::assigner::Assigner;
use crate::window::tumbling::Window;

/// Rows wait until there are this many, or until state is asked for.
const WAITING_ROWS_MAX: usize = 8192;
/// A window's state is merged when it has more parts than this.
const PARTS_MAX: usize = 16;

/// One pump's query over a source whose columns are known.
#[derive(Debug)]
pub(crate) struct Operator {
    select: WindowedSelect,
    assigner: Assigner,
    plan: Plan,
    encoder: Encoder,
    columns: Vec<SqlColumn>,
    decoder: Decoder,
    /// Once the source is known to be one of sensor datagrams.
    sensor: Option<SensorDecoder>,
    fields: FieldNames,
    /// Open windows by start, with their end and their state.
    panes: BTreeMap<Timestamp, Pane>,
    /// Rows that were folded.
    rows_read: u64,
    /// Whether any row, or any state taken back, was let pass.
    any_passed: bool,
    left_out: LeftOut,
    /// Bytes of the state rows that were added since somebody last asked.
    bytes_changed: usize,
}

#[derive(Debug)]
struct Pane {
    end: Timestamp,
    parts: Vec<RecordBatch>,
    /// Of all parts.
    bytes: usize,
}

impl Pane {
    fn new(end: Timestamp) -> Pane {
        Pane { end, parts: Vec::new(), bytes: 0 }
    }

    /// Says the same with fewer state rows.
    fn merge(&mut self, plan: &Plan) -> Result<(), DataFusionError> {
        self.parts = apart::merge(plan, std::mem::take(&mut self.parts))?;
        self.bytes = self.parts.iter().map(bytes_of).sum();
        Ok(())
    }
}

/// The bytes of a batch's values.
fn bytes_of(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or(0)).sum()
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
    /// Plans the query. `target` are the declared columns of the stream it writes to and where each
    /// one's value comes from; without a declaration the query's own columns are written.
    pub(crate) fn new(
        select: &WindowedSelect,
        columns: &[SqlColumn],
        target: Option<&[(SqlColumn, Option<usize>)]>,
    ) -> Result<Operator, DataFusionError> {
        let plan = Plan::new(select, columns)?;
        let own = || {
            let column = |(index, name): (usize, &String)| {
                let sql_type = SqlType::of_arrow(plan.result.field(index).data_type());
                (SqlColumn { name: name.clone(), sql_type }, Some(index))
            };
            select.names.iter().enumerate().map(column).collect()
        };
        let encoder = Encoder::new(target.map_or_else(own, <[_]>::to_vec));
        let decoder = Decoder::new(columns);
        let fields = FieldNames::new(decoder.names());
        let assigner = Assigner::Tumbling(select.tumbling);
        let (select, columns) = (select.clone(), columns.to_vec());
        Ok(Operator {
            select,
            assigner,
            plan,
            encoder,
            columns,
            decoder,
            sensor: None,
            fields,
            panes: BTreeMap::new(),
            rows_read: 0,
            any_passed: false,
            left_out: LeftOut::default(),
            bytes_changed: 0,
        })
    }

    /// The window of a moment.
    pub(crate) fn window_of(&self, at: Timestamp) -> Window {
        self.assigner.pane_of(at)
    }

    /// The fields that its columns name, in the order that [`Operator::row`] takes them.
    pub(crate) fn fields(&self) -> &FieldNames {
        &self.fields
    }

    /// Makes a row of fields, which may be followed by others.
    pub(crate) fn row<'a>(&self, fields: Fields<'a>) -> Result<Row<'a>, Unfit> {
        self.decoder.row(fields)
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, row: Row<'_>, rowtime: Timestamp) {
        self.decoder.push(row, rowtime);
        self.open(rowtime);
    }

    /// Adds all objects of a record, or none of them.
    pub(crate) fn push_record(&mut self, data: &[u8], rowtime: Timestamp) -> Result<(), Unfit> {
        let objects = self.fields.read(data)?;
        let rows = objects.into_iter().map(|fields| self.row(fields)).collect::<Result<Vec<_>, _>>()?;
        rows.into_iter().for_each(|row| self.push(row, rowtime));
        Ok(())
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
    pub(crate) fn push_datagrams(&mut self, datagrams: &[Datagram<'_>], rowtime: Timestamp) {
        self.sensor.as_mut().expect("the source holds datagrams").push(datagrams, rowtime);
        self.open(rowtime);
    }

    /// Opens the pane of a row that waits.
    fn open(&mut self, rowtime: Timestamp) {
        let pane = self.assigner.pane_of(rowtime);
        self.panes.entry(pane.start).or_insert_with(|| Pane::new(pane.end));
    }

    /// Folds waiting rows if there are many.
    pub(crate) fn settle(&mut self) -> Result<(), DataFusionError> {
        let rows = self.decoder.rows() + self.sensor.as_ref().map_or(0, Waiting::rows);
        if rows < WAITING_ROWS_MAX { Ok(()) } else { self.fold() }
    }

    /// When the first open window ends.
    pub(crate) fn next_end(&self) -> Option<Timestamp> {
        self.panes.values().next().map(|pane| pane.end)
    }

    /// Closes every window that ends at `until` or before.
    pub(crate) fn close(&mut self, until: Timestamp) -> Result<Vec<OutputRow>, DataFusionError> {
        let mut closed = Vec::new();
        if self.next_end().is_none_or(|end| until < end) {
            return Ok(closed);
        }
        self.fold()?;
        while let Some(pane) = self.panes.first_entry().filter(|pane| pane.get().end <= until) {
            let parts = pane.remove().parts;
            if parts.is_empty() {
                continue;
            }
            let result = apart::close(&self.plan, parts, &mut self.left_out)?;
            let (rows, errors) = self.encoder.encode(&result, self.select.names.len())?;
            closed.extend(rows);
            if let Some(reason) = errors.last() {
                self.left_out.add(errors.len() as u64, reason);
            }
        }
        Ok(closed)
    }

    /// How many windows are open.
    pub(crate) fn open_windows(&self) -> usize {
        self.panes.len()
    }

    /// Rows that were folded since the start, and whether WHERE has let any of them pass.
    pub(crate) fn progress(&self) -> (u64, bool) {
        (self.rows_read, self.any_passed)
    }

    /// Bytes of the state of all open windows. Merges it before it says more than `bytes_max`.
    pub(crate) fn state_bytes(&mut self, bytes_max: usize) -> Result<usize, DataFusionError> {
        let sum = |panes: &BTreeMap<Timestamp, Pane>| panes.values().map(|pane| pane.bytes).sum::<usize>();
        if bytes_max < sum(&self.panes) {
            self.panes.values_mut().filter(|pane| pane.parts.len() > 1).try_for_each(|pane| pane.merge(&self.plan))?;
        }
        Ok(sum(&self.panes))
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
        Ok(self.panes.values().flat_map(|pane| pane.parts.iter().cloned()).collect())
    }

    /// What state rows look like.
    pub(crate) fn state_schema(&self) -> Arc<datafusion::arrow::datatypes::Schema> {
        Arc::clone(self.plan.state_schema())
    }

    /// Takes back what [`Operator::states`] gave, also in earlier versions: they kept sums of integers in 64 bits.
    pub(crate) fn restore(&mut self, states: Vec<RecordBatch>) -> Result<(), DataFusionError> {
        let schema = self.state_schema();
        for states in states {
            let columns = states.columns().iter().zip(schema.fields());
            let columns = columns.map(|(column, field)| cast(column, field.data_type())).collect::<Result<_, _>>()?;
            self.keep(RecordBatch::try_new(Arc::clone(&schema), columns)?)?;
        }
        self.reset_bytes_changed();
        Ok(())
    }

    fn fold(&mut self) -> Result<(), DataFusionError> {
        let sensor = self.sensor.as_mut().map(|sensor| sensor as &mut dyn Waiting);
        let mut batches = Vec::new();
        for waiting in [Some(&mut self.decoder as &mut dyn Waiting), sensor].into_iter().flatten() {
            if waiting.rows() > 0 {
                batches.push(waiting.finish());
            }
        }
        for batch in batches {
            self.rows_read += batch.num_rows() as u64;
            let batch = self.assigner.assign(&batch);
            for states in apart::fold(&self.plan, &batch, &mut self.left_out)? {
                self.keep(states)?;
            }
        }
        Ok(())
    }

    /// Gives each window its state rows.
    fn keep(&mut self, states: RecordBatch) -> Result<(), DataFusionError> {
        self.any_passed |= states.num_rows() > 0;
        let (start, end) = self.plan.window_columns();
        let starts = states.column(start).as_primitive::<TimestampMillisecondType>().clone();
        let ends = states.column(end).as_primitive::<TimestampMillisecondType>().clone();
        let mut rows_by_window: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
        for row in 0..starts.len() {
            rows_by_window.entry(starts.value(row)).or_default().push(row as u32);
        }
        for (start, rows) in rows_by_window {
            let end = Timestamp::from_millis(ends.value(rows[0] as usize));
            let part = take_record_batch(&states, &UInt32Array::from(rows))?;
            let pane = self.panes.entry(Timestamp::from_millis(start)).or_insert_with(|| Pane::new(end));
            let bytes = bytes_of(&part);
            self.bytes_changed += bytes;
            pane.bytes += bytes;
            pane.parts.push(part);
            if pane.parts.len() > PARTS_MAX {
                pane.merge(&self.plan)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value};

    use super::*;
    use crate::continuous::definition::Definition;
    use datafusion::arrow::array::ArrayRef;
    use datafusion::arrow::datatypes::{DataType, Field, Schema};

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
        let definition = Definition::parse(SQL).unwrap().remove(0);
        let columns = definition.columns.clone().unwrap();
        let mut operator = definition.operator(&columns).unwrap();
        let header = Header {
            fingerprint: String::new(),
            closed_until: Timestamp::MIN,
            columns: None,
            records: 0,
            rows: 0,
            left_out: 0,
        };
        for record in 0..600_i64 {
            let object = serde_json::json!({"k": format!("k{}", record % 3), "v": record * 7919 % 50}).to_string();
            operator.push_record(object.as_bytes(), Timestamp::from_millis(record * 5)).unwrap();
            if record % every == 0 {
                operator.states().unwrap();
            }
            if record % (every * 40) == 0 {
                let states: Vec<_> = operator.states().unwrap().iter().map(with_sums_of_64_bits).collect();
                let schema = states.first().map_or_else(|| operator.state_schema(), RecordBatch::schema);
                let bytes = encode(&header, Some((&schema, &states))).unwrap();
                operator = definition.operator(&columns).unwrap();
                operator.restore(decode(&bytes).unwrap().1).unwrap();
            }
        }
        operator.close(Timestamp::MAX).unwrap().into_iter().map(|row| row.json).collect()
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
