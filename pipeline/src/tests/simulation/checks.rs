//! What must hold in a world, compared with what producers were told.

use std::time::Duration;

use model::clock::Clock;

use super::cast::{self, ARCHIVED, COUNTED, FLOWS, SHORT_RETENTION, SOURCES, TABLED};
use super::world::{SETTLE_MAX, Violation, World};
use super::{counted, delivered, progress, readable, sql};

impl World {
    /// How old a record may be by now that was put at `at`.
    pub(super) fn age(&self, at: Duration) -> Duration {
        (self.host.clock.elapsed() + self.leeway).saturating_sub(at)
    }

    pub(super) fn retention(source: &str) -> Duration {
        cast::stream_options(source).retention
    }

    pub(super) fn is_expired(&self, source: &str, id: u64) -> bool {
        let put = self.truth.sources.get(source).and_then(|source| source.puts.get(&id));
        if put.is_some_and(|put| put.gone) && !cast::is_archived(source) {
            return true;
        }
        // A little less: it may expire while it is looked at.
        put.is_some_and(|put| self.age(put.at) + SHORT_RETENTION / 10 > World::retention(source))
    }

    pub(super) fn check_readable(&mut self, source: &str) -> Result<(), Violation> {
        let stream = cast::stream(source);
        let found = self.run(|server| async move { readable::read_all(&*server.backends.streams, &stream).await });
        let found = match found {
            Some(Ok(found)) => found,
            Some(Err(error)) => return self.judge("a stream cannot be read", &error),
            None => return self.judge("a read", &"it takes too long"),
        };
        let (now, retention) = (self.host.clock.elapsed() + self.leeway, World::retention(source));
        let checked = readable::check(self.truth.source(source), &found, |at| now.saturating_sub(at), retention);
        checked.map_err(|why| format!("stream {source}: {why}"))
    }

    pub(super) fn check_sql(&mut self, source: &str) -> Result<(), Violation> {
        let found = self.run(|server| async move { sql::ids(&*server.backends.sql, source).await });
        let ids = match found {
            Some(Ok(ids)) => ids,
            // A stream that nobody has put to has no columns, unless its archive has some.
            Some(Err(_)) if self.truth.source(source).knows_nothing(cast::is_archived(source)) => return Ok(()),
            Some(Err(error)) => return self.judge(&format!("SQL over {source} fails"), &error),
            None => return self.judge("a query", &"it takes too long"),
        };
        sql::check(self.truth.source(source), &ids, |_| false).or_else(|why| {
            let expired = |id| self.is_expired(source, id);
            let Some(truth) = self.truth.sources.get(source) else { return Err(why) };
            sql::check(truth, &ids, expired).map_err(|why| format!("stream {source}: {why}"))
        })
    }

    /// Lets everything come to rest, and compares all there is.
    pub(super) fn settle(&mut self) -> Result<(), Violation> {
        if self.trouble.any() {
            self.heal()?;
        }
        for (flow, query) in FLOWS {
            self.pause(flow, query, true)?;
        }
        let mut left = Some("no time has passed".to_owned());
        for _ in 0..SETTLE_MAX.as_secs() {
            self.pass(Duration::from_secs(1));
            left = self.run(progress::left_to_do).flatten();
            if left.is_none() {
                break;
            }
        }
        if let Some(left) = left {
            return Err(format!("nothing disturbs it, and it does not get done: {left}"));
        }
        for source in SOURCES {
            self.check_readable(source)?;
            self.check_sql(source)?;
        }
        for (source, _) in ARCHIVED {
            self.check_archive(source)?;
        }
        for (source, name, output) in COUNTED {
            self.check_counts(source, name, output)?;
        }
        self.check_table()
    }

    pub(super) fn check_archive(&mut self, source: &str) -> Result<(), Violation> {
        let found = self.run(|server| async move { delivered::archived(&*server.backends.archive, source).await });
        let ids = match found {
            Some(Ok(ids)) => ids.map_err(|why| format!("archive of {source}: {why}"))?,
            Some(Err(error)) => return self.judge("the archive cannot be read", &error),
            None => return self.judge("the archive", &"it takes too long"),
        };
        let Some(truth) = self.truth.sources.get(source) else { return Ok(()) };
        let checked = delivered::check_archived(truth, &ids, |id| self.is_expired(source, id));
        checked.map_err(|why| format!("archive of {source}: {why}"))
    }

    pub(super) fn check_counts(&mut self, source: &str, name: &str, output: &str) -> Result<(), Violation> {
        let stream = cast::stream(output);
        let rows = self.run(|server| async move { readable::read_all(&*server.backends.streams, &stream).await });
        match rows {
            Some(Ok(rows)) => {
                counted::check(source, self.truth.source(source), &rows.records).map_err(|why| format!("{name}: {why}"))
            }
            Some(Err(error)) => self.judge("the output of a query cannot be read", &error),
            None => self.judge("the output of a query", &"it takes too long"),
        }
    }

    pub(super) fn check_table(&mut self) -> Result<(), Violation> {
        let Some(truth) = self.truth.sources.get(TABLED.0) else { return Ok(()) };
        let checked = self.run(|server| delivered::check_table(&*server.backends.tables, truth));
        match checked {
            Some(Ok(checked)) => checked,
            Some(Err(error)) => self.judge("the table cannot be read", &error),
            None => self.judge("the table", &"it takes too long"),
        }
    }
}
