//! What is kept: the logs of streams, and the file of tables.

use std::path::Path;

use ingest::log::frames::key::KeyRing;
use ingest::log::inspect::{Damage, StreamFiles};
use ingest::log::status::StreamStatus;
use model::clock::{Clock, SystemClock, Timestamp};
use model::doctor::Finding;
use model::name::StreamName;
use model::text::chain::chain;

use crate::doctor::finding::{fail, ok, warn};
use crate::holder;

/// Streams whose last segment is read; of more the heads alone are.
const READ_MAX: usize = 100;
/// How far a record's stamp may be ahead of the clock, in milliseconds.
const AHEAD_MAX_MILLIS: i64 = 5000;

/// Segments' heads, the last segment of each stream, and the last record's stamp against the clock.
pub(crate) fn look(data: &Path, keys: &KeyRing) -> Vec<Finding> {
    let entries = std::fs::read_dir(data.join("streams")).into_iter().flatten().flatten();
    let folders = entries.map(|entry| entry.path()).filter(|folder| {
        let name = folder.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| StreamName::new(name).is_ok()) && folder.is_dir()
    });
    let (mut streams, mut damage, mut locked, mut last) = (0, Vec::new(), Vec::new(), None);
    for folder in folders {
        streams += 1;
        let told = |damage: &Damage| {
            format!("{}: offset {}: {}", folder.join(&damage.file).display(), damage.offset, damage.reason)
        };
        match StreamFiles::find(&folder, keys) {
            Ok(files) => {
                damage.extend(files.damage.iter().map(told));
                damage.extend(files.verify_heads().iter().map(told));
                locked.extend(files.locked.as_ref().map(|why| format!("{}: {why}", files.manifest.name)));
                if let Some(segment) = files.segments.last().filter(|_| streams <= READ_MAX)
                    && let Ok(report) = files.verify(*segment, |_| ())
                {
                    damage.extend(report.damage.iter().map(told));
                    last = last.max(report.shards.values().map(|shard| shard.last_arrived_at).max());
                }
            }
            Err(error) => damage.push(format!("{}: {}", folder.display(), chain(&error))),
        }
    }
    let mut findings = vec![log(streams, &damage, data), stamps(last, SystemClock.now())];
    if let Some(first) = locked.first() {
        let fix = "put the key into the file that `[encryption] key_file` names";
        findings.push(fail("streams.keys", first.clone(), fix));
    } else {
        findings.push(ok("streams.keys", "all keys of encrypted streams are in the key file"));
    }
    findings
}

fn log(streams: usize, damage: &[String], data: &Path) -> Finding {
    match damage.first() {
        None => ok("streams.log", format!("{streams} streams; heads and last segments verify")),
        Some(first) => {
            let more = if damage.len() == 1 { String::new() } else { format!(" (and {} more)", damage.len() - 1) };
            fail("streams.log", format!("{first}{more}"), repair(data))
        }
    }
}

/// What readers and the check in the background have met, and what was given up before.
pub(crate) fn damage(streams: &[StreamStatus], data: &Path) -> Finding {
    let check = "streams.damage";
    let found: Vec<&String> = streams.iter().flat_map(|stream| &stream.damaged).collect();
    let lost: u64 = streams.iter().map(|stream| stream.lost_records).sum();
    match (found.first(), lost) {
        (None, 0) => ok(check, "none was found since the start"),
        (None, lost) => ok(check, format!("none was found since the start; up to {lost} records were lost before")),
        (Some(first), _) => {
            let more = if found.len() == 1 { String::new() } else { format!(" (and {} more)", found.len() - 1) };
            fail(check, format!("{first}{more}"), repair(data))
        }
    }
}

/// How damage is looked at and mended.
fn repair(data: &Path) -> String {
    let data = data.display();
    format!(
        "stop the server and run `gallop repair {data}`: it lists what is lost; with --write, it makes the rest readable"
    )
}

fn stamps(last: Option<Timestamp>, now: Timestamp) -> Finding {
    let check = "streams.clock";
    match last {
        None => ok(check, "no records yet"),
        Some(last) if last.as_millis() - now.as_millis() > AHEAD_MAX_MILLIS => {
            let seconds = (last.as_millis() - now.as_millis()) / 1000;
            let found = format!("the last record is stamped {seconds} s ahead of this machine's clock");
            let fix = "correct the clock: until it reaches that time again, records are stamped with it";
            warn(check, found, fix)
        }
        Some(last) => ok(check, format!("the last record arrived at {last}")),
    }
}

/// The file of tables.
pub(crate) fn tables(data: &Path) -> Finding {
    let (check, file) = ("tables.file", data.join("tables.redb"));
    if !file.exists() {
        return ok(check, "does not exist yet; the first start creates it");
    }
    if let Some(holder) = holder::of_file(&file) {
        return ok(check, format!("open in {holder}"));
    }
    match sinks::table::embedded::summary::summary(&file) {
        Ok(tables) => {
            let items: u64 = tables.iter().map(|table| table.items).sum();
            ok(check, format!("{} tables, {items} items", tables.len()))
        }
        Err(error) => {
            let why = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            if why.to_lowercase().contains("repair") {
                return ok(check, "it was not closed; the next start repairs it");
            }
            let fix =
                "restore it from a copy, or move it away and deliver again; the records are still in their streams";
            fail(check, format!("{} does not open: {why}", file.display()), fix)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::doctor::State;

    #[test]
    fn damage_that_was_met_is_told_with_the_command_that_mends_it() {
        let stream = |damaged: &[&str], lost_records| StreamStatus {
            name: StreamName::new("rides").expect("a name"),
            segments: 3,
            bytes: 1000,
            open_shards: 1,
            halted: false,
            lost_records,
            damaged: damaged.iter().map(|damage| (*damage).to_owned()).collect(),
        };
        let look = |streams: &[StreamStatus]| damage(streams, Path::new("gallop-data"));
        assert_eq!(look(&[stream(&[], 0)]).state, State::Ok);
        assert!(look(&[stream(&[], 7)]).found.contains("up to 7 records"));
        let met = look(&[stream(&[], 0), stream(&["rides/1.log at offset 7: torn", "rides/2.log"], 0)]);
        assert_eq!((met.state, &met.found[..]), (State::Fail, "rides/1.log at offset 7: torn (and 1 more)"));
        assert!(met.fix.expect("a fix").contains("gallop repair gallop-data"));
    }

    #[test]
    fn a_clock_that_was_set_back_is_told() {
        let at = Timestamp::from_millis;
        assert_eq!(stamps(Some(at(1_000_000)), at(1_000_100)).state, State::Ok);
        assert_eq!(stamps(None, at(5)).state, State::Ok);
        let back = stamps(Some(at(100_000_000)), at(1_000_000));
        assert_eq!(back.state, State::Warn);
        assert!(back.found.contains("99000 s ahead"), "{back:?}");
    }
}
