//! Whether a flow can be created as it is asked for: names, streams, table, archive. Nothing is changed here.

use model::archive::name::RESERVED_FOLDERS;
use model::flow::admin::FlowError;
use model::flow::destination::{ArchiveOptions, Destination};
use model::flow::spec::{FlowKind, FlowSpec};
use model::name::{ConsumerName, StreamName, TableName};
use model::stream::store::StreamError;
use model::table::store::TableError;

use crate::flows::part::Part;
use crate::flows::supervisor::Supervisor;

impl Supervisor {
    /// Checks a flow against all that is there besides it.
    pub(super) async fn check(&self, name: &ConsumerName, spec: &FlowSpec, parts: &[Part]) -> Result<(), FlowError> {
        self.check_names(name, spec.kind(), parts)?;
        for part in parts {
            let made_here = parts.iter().any(|other| other.output() == Some(part.source()));
            if !made_here {
                self.check_source(part.source()).await?;
            }
        }
        if let FlowSpec::Delivery(delivery) = spec {
            match &delivery.destination {
                Destination::Table(table) => self.check_table(table).await?,
                Destination::Archive(options) => self.check_archive(name, &delivery.source, options)?,
            }
        }
        Ok(())
    }

    /// Parts have names of their own: of two pumps with one name, each would undo what the other keeps.
    fn check_names(&self, name: &ConsumerName, kind: FlowKind, parts: &[Part]) -> Result<(), FlowError> {
        let flows = self.flows();
        let others = flows.iter().filter(|((of, other), _)| *of == kind && other != name);
        for ((_, other), flow) in others {
            for running in &flow.running {
                if let Some(part) = parts.iter().find(|part| part.name() == running.part.name()) {
                    let (kind, part) = (kind.as_str(), part.name());
                    return Err(FlowError::Conflict(format!(
                        "the name `{part}` is used by {kind} `{other}`; choose another name"
                    )));
                }
            }
        }
        Ok(())
    }

    async fn check_source(&self, source: &StreamName) -> Result<(), FlowError> {
        match self.backends.streams.describe(source).await {
            Err(StreamError::NotFound(_)) => Err(FlowError::Invalid(format!(
                "stream `{source}` does not exist; create it first: gallop stream create {source}"
            ))),
            Err(error) => Err(FlowError::Failed(format!("stream `{source}` cannot be read now: {error}"))),
            Ok(_) => Ok(()),
        }
    }

    async fn check_table(&self, table: &TableName) -> Result<(), FlowError> {
        match self.backends.tables.describe(table).await {
            Err(TableError::NotFound(_)) => Err(FlowError::Invalid(format!(
                "table `{table}` does not exist; add `[tables.{table}]` to the settings file and restart the server"
            ))),
            Err(error) => Err(FlowError::Failed(format!("table `{table}` cannot be read now: {error}"))),
            Ok(_) => Ok(()),
        }
    }

    fn check_archive(
        &self,
        name: &ConsumerName,
        source: &StreamName,
        options: &ArchiveOptions,
    ) -> Result<(), FlowError> {
        if RESERVED_FOLDERS.contains(&source.as_str()) {
            return Err(FlowError::Invalid(format!(
                "the archive uses a folder `{source}` itself, so a stream of that name cannot be archived; give the stream another name"
            )));
        }
        let (bytes, seconds) = (ArchiveOptions::BYTES_MAX, ArchiveOptions::INTERVAL_SECONDS);
        if !bytes.contains(&options.bytes_max) {
            let message =
                format!("bytes_max is {}; it must be {} to {}", options.bytes_max, bytes.start(), bytes.end());
            return Err(FlowError::Invalid(message));
        }
        let interval = options.interval.as_secs();
        if !seconds.contains(&interval) {
            let message =
                format!("interval_seconds is {interval}; it must be {} to {}", seconds.start(), seconds.end());
            return Err(FlowError::Invalid(message));
        }
        let flows = self.flows();
        let mut others = flows.iter().filter(|((_, other), _)| other != name);
        let same = others.find(|(_, flow)| match &flow.spec {
            FlowSpec::Delivery(other) => {
                other.source == *source && matches!(other.destination, Destination::Archive(_))
            }
            FlowSpec::Query(_) => false,
        });
        match same {
            Some(((_, other), _)) => Err(FlowError::Conflict(format!(
                "delivery `{other}` archives stream `{source}` already; a stream can be archived once"
            ))),
            None => Ok(()),
        }
    }

    /// A checkpoint of another query that had the name would make the new one fail at once.
    pub(super) async fn check_checkpoints(&self, parts: &[Part]) -> Result<(), FlowError> {
        let forget = self.book.kept().await.forget;
        for part in parts {
            let (Part::Query(query), holder) = (part, part.holder()) else { continue };
            let found = match self.backends.streams.checkpoint(&holder.home, &holder.consumer).await {
                Ok(Some(found)) if !forget.contains(&holder) => found,
                Ok(_) | Err(StreamError::NotFound(_)) => continue,
                Err(error) => return Err(FlowError::Failed(format!("stream `{}`: {error}", holder.home))),
            };
            if !query.fits(&found).unwrap_or(false) {
                return Err(FlowError::Conflict(format!(
                    "stream `{}` keeps the progress of another query named `{}`; choose another name",
                    holder.home, holder.consumer
                )));
            }
        }
        Ok(())
    }
}
