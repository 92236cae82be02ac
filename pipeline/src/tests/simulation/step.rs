//! What may happen, and how a seed chooses it.

use std::time::Duration;

use model::testing::faulty::Operation;
use rand::Rng;
use rand::rngs::StdRng;

use super::cast::{ARCHIVED, FLOWS, RENEWABLE, SHORT_RETENTION, SOURCES};

/// One thing that happens. Whatever it needs to know stands in it, so that a list of steps can be
/// shortened and does the same again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Step {
    /// A producer puts records to a source. With `patience`, it hangs up after so many turns.
    Put { source: &'static str, records: Vec<u64>, patience: Option<u32> },
    /// Time passes.
    Pass(Duration),
    /// A source gets another shard, or one less.
    Reshard { source: &'static str, choice: u64 },
    /// Everything is trimmed.
    Trim,
    /// A query or a delivery is paused, or works again.
    Pause { flow: &'static str, query: bool, resume: bool },
    /// A flow is altered, to what it is.
    Alter { flow: &'static str },
    /// A flow is dropped and created again: it takes in everything once more. The output of a query
    /// goes with it.
    Renew { flow: &'static str },
    /// The archive of `short` rests for longer than retention, while shards come and go.
    Lag { reshards: Vec<u64>, time: Duration },
    /// Once all of a source is taken in, the source is deleted and created anew.
    Recreate { source: &'static str },
    /// Once all is taken in, somebody makes a copy of the streams' folder.
    Copy,
    /// Once all is taken in, the streams' folder is replaced by the last copy of it. The table and the
    /// archive stay as they are.
    Restore,
    /// Once all is taken in, a byte of a source's log turns into another one while no server runs, and
    /// the log is repaired.
    Rot { source: &'static str, place: u64, flipped: u8 },
    /// An object of the archive cannot be put while others of its stream can, and SQL is asked.
    Gap { records: Vec<u64>, after: u64, time: Duration },
    /// The server stops and starts.
    Restart,
    /// The process ends after so many more turns, and starts again.
    Kill { turns: u32 },
    /// The process ends after so many more operations of the disk, and starts again.
    KillAtDisk { operations: u64 },
    /// The power goes off after so many more operations of the disk, and comes again.
    PowerCut { operations: u64, seed: u64 },
    /// An operation of the disk fails, the one after so many others.
    Fail { operation: Operation, name: &'static str, after: u64 },
    /// The disk has room for so many more bytes.
    Full { room: u64 },
    /// The disk works again.
    Heal,
    /// Somebody sets the clock.
    SetClock { forwards: bool, by: Duration },
    /// The clock is wrong for a while.
    WrongClock { forwards: bool, by: Duration, stands: Duration },
    /// What a source holds is compared with what was put.
    Read { source: &'static str },
    /// What SQL says of a source is compared with what was put.
    Sql { source: &'static str },
    /// The disk works, time passes until all has been taken in, and everything is compared.
    Settle,
}

/// Which kinds of steps a world has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Profile {
    pub(super) crashes: bool,
    pub(super) faults: bool,
    pub(super) clock: bool,
    pub(super) reshards: bool,
    pub(super) changes: bool,
}

impl Profile {
    pub(super) const ALL: Profile = Profile { crashes: true, faults: true, clock: true, reshards: true, changes: true };
}

/// Files whose operations are made to fail.
const NAMES: [&str; 6] = [".log", "manifest", "tables", "archive", "flows", ""];

/// The steps of a seed. Every fault is followed by a heal, and the last step is a settling.
pub(super) fn steps(random: &mut StdRng, count: usize, profile: Profile) -> Vec<Step> {
    let mut steps: Vec<Step> = (1..count).map(|_| step(random, profile)).collect();
    steps.push(Step::Settle);
    steps
}

fn step(random: &mut StdRng, profile: Profile) -> Step {
    match random.random_range(0..1000) {
        0..380 => put(random),
        380..620 => Step::Pass(Duration::from_millis(random.random_range(1..3000))),
        620..640 => Step::Pass(Duration::from_secs(random.random_range(3..90))),
        640..680 if profile.reshards => Step::Reshard { source: source(random), choice: random.random() },
        680..694 => Step::Trim,
        694..700 if profile.reshards => Step::Lag {
            reshards: (0..random.random_range(0..4)).map(|_| random.random()).collect(),
            time: SHORT_RETENTION + Duration::from_secs(random.random_range(0..60)),
        },
        700..740 => pause(random),
        740..746 if profile.changes => {
            let flows = FLOWS.map(|(flow, _)| flow);
            Step::Alter { flow: flows[random.random_range(0..flows.len())] }
        }
        746..750 if profile.changes => Step::Renew { flow: RENEWABLE[random.random_range(0..RENEWABLE.len())] },
        750..756 if profile.changes => Step::Recreate { source: source(random) },
        756..759 if profile.changes => Step::Copy,
        759..762 if profile.changes => Step::Restore,
        762..768 if profile.crashes => Step::Restart,
        768..780 if profile.crashes => Step::Kill { turns: random.random_range(0..200) },
        780..800 if profile.crashes => Step::KillAtDisk { operations: random.random_range(1..100) },
        800..830 if profile.crashes => {
            Step::PowerCut { operations: random.random_range(1..100), seed: random.random() }
        }
        830..860 if profile.faults => Step::Fail {
            operation: Operation::ALL[random.random_range(0..Operation::ALL.len())],
            name: NAMES[random.random_range(0..NAMES.len())],
            after: random.random_range(0..30),
        },
        860..880 if profile.faults => {
            let operation = if random.random() { Operation::Sync } else { Operation::SyncFolder };
            Step::Fail { operation, name: NAMES[random.random_range(0..NAMES.len())], after: random.random_range(0..6) }
        }
        880..884 if profile.faults => Step::Gap {
            records: (0..30).map(|_| random.random()).collect(),
            after: random.random_range(0..6),
            time: Duration::from_millis(random.random_range(1..2500)),
        },
        884..887 if profile.faults => Step::Rot {
            source: ARCHIVED[random.random_range(0..ARCHIVED.len())].0,
            place: random.random(),
            flipped: random.random_range(1..=255),
        },
        887..892 if profile.faults => Step::Full { room: random.random_range(0..8192) },
        892..910 if profile.faults => Step::Heal,
        910..920 if profile.clock => {
            Step::SetClock { forwards: random.random(), by: Duration::from_secs(random.random_range(0..60)) }
        }
        920..922 if profile.clock => {
            Step::SetClock { forwards: false, by: Duration::from_secs(random.random_range(60..86_400)) }
        }
        922..930 if profile.clock => wrong_clock(random),
        930..960 => Step::Read { source: source(random) },
        960..975 => Step::Sql { source: source(random) },
        975..1000 => Step::Settle,
        _ => put(random),
    }
}

fn source(random: &mut StdRng) -> &'static str {
    SOURCES[random.random_range(0..SOURCES.len())]
}

fn put(random: &mut StdRng) -> Step {
    let records = (0..random.random_range(1..8)).map(|_| random.random()).collect();
    let patience = random.random_bool(0.03).then(|| random.random_range(0..12));
    Step::Put { source: source(random), records, patience }
}

fn pause(random: &mut StdRng) -> Step {
    let (flow, query) = FLOWS[random.random_range(0..FLOWS.len())];
    Step::Pause { flow, query, resume: random.random_bool(0.6) }
}

/// From a second to ten years, for less time than the log takes to believe it.
fn wrong_clock(random: &mut StdRng) -> Step {
    let by = Duration::from_secs_f64(10_f64.powf(random.random_range(0.0..8.5)));
    Step::WrongClock { forwards: random.random(), by, stands: Duration::from_millis(random.random_range(100..60_000)) }
}
