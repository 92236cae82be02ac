//! What producers and people do to the server of a world.

use std::time::Duration;

use model::clock::Clock;
use model::flow::admin::{Alteration, FlowAdmin};
use model::flow::spec::FlowKind;
use model::stream::hash_key::HashKey;
use model::stream::shard::Reshard;
use model::stream::store::StreamError;
use model::testing::faulty::{Fault, Operation};

use super::cast::{self, ARCHIVED, COUNTED, SOURCES};
use super::world::{Violation, World, yield_turns};

/// While an object is missing, SQL is asked as often.
const GAP_LOOK: Duration = Duration::from_millis(50);

impl World {
    pub(super) fn put(&mut self, source: &str, records: &[u64], patience: Option<u32>) -> Result<(), Violation> {
        let at = self.host.clock.elapsed() + self.leeway;
        let (ids, entries): (Vec<_>, Vec<_>) =
            records.iter().map(|random| self.truth.begin(source, *random, at)).unzip();
        let stream = cast::stream(source);
        let answer = self.run(|server| {
            let put = server.backends.streams.append(&stream, entries);
            async move {
                match patience {
                    None => Some(put.await),
                    Some(turns) => tokio::select! {
                        biased;
                        answer = put => Some(answer),
                        () = yield_turns(turns) => None,
                    },
                }
            }
        });
        match answer {
            Some(Some(Ok(batch))) => {
                for (id, result) in ids.into_iter().zip(batch.results) {
                    match result {
                        Ok(appended) => self.truth.acknowledge(source, id, appended),
                        Err(_) => self.truth.refuse(source, id),
                    }
                }
            }
            Some(Some(Err(error @ StreamError::DiskFull { .. }))) => {
                ids.into_iter().for_each(|id| self.truth.refuse(source, id));
                self.judge("a put is refused", &error)?;
            }
            Some(Some(Err(error))) => self.judge("a put fails", &error)?,
            Some(None) => {}
            None => self.judge("a put", &"it takes too long")?,
        }
        Ok(())
    }

    pub(super) fn reshard(&self, source: &str, choice: u64) -> Result<(), Violation> {
        let stream = cast::stream(source);
        let done = self.run(|server| async move {
            let description = server.backends.streams.describe(&stream).await?;
            let open: Vec<_> = description.shards.open().collect();
            let shard = open[choice as usize % open.len()];
            let neighbour = open.iter().find(|other| other.range.start.0.checked_sub(1) == Some(shard.range.end.0));
            let change = match neighbour {
                Some(neighbour) if open.len() > 3 || choice.is_multiple_of(3) && open.len() > 1 => {
                    Reshard::Merge { shard: shard.id, adjacent: neighbour.id }
                }
                _ => {
                    let middle = shard.range.start.0 + (shard.range.end.0 - shard.range.start.0) / 2;
                    Reshard::Split { shard: shard.id, at: HashKey(middle + 1) }
                }
            };
            server.backends.streams.reshard(&stream, change).await
        });
        match done {
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) => self.judge("a reshard fails", &error),
            None => self.judge("a reshard", &"it takes too long"),
        }
    }

    pub(super) fn lag(&mut self, reshards: &[u64], time: Duration) -> Result<(), Violation> {
        let (source, archive) = ARCHIVED[1];
        self.pause(archive, false, false)?;
        for choice in reshards {
            self.put(source, &[*choice, choice / 3, choice / 5], None)?;
            self.reshard(source, *choice)?;
        }
        self.pass(time);
        self.trim()?;
        for choice in reshards {
            self.put(source, &[choice / 7, choice / 9, choice / 11], None)?;
        }
        Ok(())
    }

    /// What was put to the old stream stays where it was delivered, and counted.
    pub(super) fn recreate(&mut self, source: &str) -> Result<(), Violation> {
        self.settle()?;
        let (stream, options) = (cast::stream(source), cast::stream_options(source));
        let done = self.run(|server| async move {
            server.backends.streams.delete(&stream).await?;
            server.backends.streams.create(&stream, options).await
        });
        self.truth.source(source).delete();
        match done {
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) => self.judge("a stream cannot be made anew", &error),
            None => self.judge("a stream made anew", &"it takes too long"),
        }
    }

    pub(super) fn gap(&mut self, records: &[u64], after: u64, time: Duration) -> Result<(), Violation> {
        let (source, _) = ARCHIVED[0];
        self.put(source, records, None)?;
        self.trouble.faults = true;
        let folder = format!("archive/{source}");
        self.host.disk.fail(Fault { after, ..Fault::once(Operation::Link, folder) });
        let mut left = time;
        while !left.is_zero() {
            let some = left.min(GAP_LOOK);
            self.pass(some);
            self.check_sql(source)?;
            left -= some;
        }
        Ok(())
    }

    pub(super) fn trim(&self) -> Result<(), Violation> {
        let trimmed = self.run(|server| async {
            for source in SOURCES {
                server.backends.streams.trim(&cast::stream(source)).await?;
            }
            Ok::<_, StreamError>(())
        });
        match trimmed {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => self.judge("a trim fails", &error),
            None => self.judge("a trim", &"it takes too long"),
        }
    }

    pub(super) fn pause(&self, flow: &str, query: bool, resume: bool) -> Result<(), Violation> {
        let kind = if query { FlowKind::Query } else { FlowKind::Delivery };
        let name = cast::consumer(flow);
        let changed = self.run(|server| async move {
            if resume { server.admin.resume(kind, &name).await } else { server.admin.pause(kind, &name).await }
        });
        match changed {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => self.judge("a flow cannot be paused or resumed", &error),
            None => self.judge("a pause", &"it takes too long"),
        }
    }

    /// Alters a flow to what it is, or makes it anew.
    pub(super) fn change(&mut self, flow: &str, anew: bool) -> Result<(), Violation> {
        if anew && self.trouble.any() {
            // Half of it might be done.
            return Ok(());
        }
        let Some((name, spec)) = cast::flows().into_iter().find(|(name, _)| name.as_str() == flow) else {
            return Ok(());
        };
        let changed = self.run(|server| async move {
            if anew {
                server.admin.drop(spec.kind(), &name, spec.kind() == FlowKind::Query).await?;
                server.admin.create(name, spec).await
            } else {
                server.admin.alter(&name, spec, Alteration { restart: false }).await
            }
        });
        match changed {
            Some(Ok(())) => {}
            Some(Err(error)) => self.judge("a flow cannot be changed", &error)?,
            None => self.judge("a change", &"it takes too long")?,
        }
        if anew && let Some((source, ..)) = COUNTED.iter().find(|(_, name, _)| *name == flow) {
            self.truth.source(source).count_again();
        }
        Ok(())
    }
}
