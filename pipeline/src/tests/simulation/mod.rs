//! A whole server in a simulated world: streams, queries, deliveries, a table, an archive and SQL,
//! on a disk that fails and forgets, under a clock that steps, through crashes and power cuts.
//! Everything runs on one thread and is chosen by a seed, so a failure can be seen again.
//!
//! ```text
//! seed ──▶ steps ──▶ world ──▶ server ──▶ clock and disk of a host
//!                      │          │
//!                      ▼          ▼
//!                    truth ──▶ checks ──▶ a violation ──▶ fewer steps
//! ```
//!
//! What must hold in every world stands in `readable`, `delivered`, `counted`, `sql` and `progress`.
//!
//! `SEEDS=1000 cargo test -p pipeline --bin gallop simulation::` runs more worlds, `STEPS=300`
//! longer ones, and `SEED=7` one alone.

mod acts;
mod cast;
mod checks;
mod counted;
mod delivered;
mod host;
mod progress;
mod readable;
mod run;
mod server;
mod sql;
mod step;
mod truth;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use self::run::{of_seed, run, shrink};
use self::step::{Profile, Step};

/// Worlds of a usual run, and steps of each.
const SEEDS: u64 = 200;
const STEPS: u64 = 60;
/// Worlds that run side by side, each on a thread of its own.
const THREADS: u64 = 2;

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().expect("a number"))
}

/// Runs a seed; what failed, with the shortest steps that show it.
fn failure(seed: u64, steps: usize) -> Option<String> {
    let steps = of_seed(seed, steps, Profile::ALL);
    let (failed_at, violation) = run(seed, &steps).err()?;
    let short = shrink(seed, &steps, failed_at);
    let again = run(seed, &short).err().map_or_else(|| "not seen again".to_owned(), |(_, violation)| violation);
    Some(format!("seed {seed}, step {failed_at}: {violation}\nafter these {} steps: {again}\n{short:#?}", short.len()))
}

#[test]
fn nothing_is_lost_in_any_world() {
    let steps = usize::try_from(number("STEPS", STEPS)).expect("it fits");
    let first = number("SEED", 0);
    let end = if std::env::var("SEED").is_ok() { first + 1 } else { number("SEEDS", SEEDS) };
    let (next, begin) = (AtomicU64::new(first), Instant::now());
    let failures: Vec<String> = std::thread::scope(|scope| {
        let work = || {
            let mut failures = Vec::new();
            while failures.is_empty() {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if end <= seed {
                    break;
                }
                failures.extend(failure(seed, steps));
            }
            failures
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    let seeds = next.load(Ordering::Relaxed).min(end) - first;
    println!("{seeds} worlds of {steps} steps in {:.1} s", begin.elapsed().as_secs_f64());
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn the_same_seed_does_the_same() {
    for seed in 0..5 {
        let steps = of_seed(seed, 60, Profile::ALL);
        assert_eq!(run(seed, &steps), run(seed, &steps), "seed {seed}");
    }
}

/// Worlds that once failed, or that fail when a cure is taken out.
#[test]
fn what_was_found_once_stays_mended() {
    let put = |source, random| Step::Put { source, records: vec![random, random / 3], patience: None };
    let back = |seconds| Step::SetClock { forwards: false, by: Duration::from_secs(seconds) };
    let lag = |reshards: &[u64], seconds| Step::Lag { reshards: reshards.to_vec(), time: Duration::from_secs(seconds) };
    let wrong = |seconds| Step::WrongClock {
        forwards: true,
        by: Duration::from_secs(seconds),
        stands: Duration::from_secs(20),
    };
    let worlds = [
        ("windows and checkpoints wait for a clock that was set back", vec![put("bikes", 16), back(359)]),
        ("so do deliveries", vec![back(25_128), put("rides", 17), put("short", 18), back(80_000), put("bikes", 19)]),
        (
            "records are never read whose shards came after others had expired",
            vec![
                lag(&[12_118_913_931_614_344_447, 10_570_387_819_446_824_549], 335),
                lag(&[18_179_645_206_725_607_428], 300),
            ],
        ),
        (
            "what has expired is still to be read, as far as anybody is told",
            vec![
                Step::Reshard { source: "short", choice: 8_886_512_156_436_477_394 },
                lag(&[6_881_754_111_817_731_985, 546_898_318_842_204_445, 2_533_597_834_518_074_237], 354),
            ],
        ),
        (
            "a source that is created anew under an earlier clock is counted in hours",
            vec![back(60_934), put("bikes", 16), Step::Recreate { source: "bikes" }, put("bikes", 17)],
        ),
        (
            "what went with its stream is counted by a new query",
            vec![put("rides", 16), Step::Recreate { source: "rides" }, Step::Renew { flow: "per-second" }],
        ),
        (
            "an archive has records of a later stream than the copy that was restored",
            vec![
                Step::Reshard { source: "rides", choice: 6_502_249_631_844_956_996 },
                Step::Copy,
                Step::Recreate { source: "rides" },
                put("rides", 16),
                Step::Restore,
            ],
        ),
        ("a clock that jumps ahead for a while deletes", vec![put("short", 20), wrong(30 * 86_400), put("short", 21)]),
        (
            "readers are told of damage whose records may be young, when the one before them has expired",
            vec![
                put("short", 16),
                Step::Pass(Duration::from_secs(200)),
                put("short", 17),
                Step::Pass(Duration::from_secs(5)),
                put("short", 18),
                Step::Rot { source: "short", place: 2_000, flipped: 1 },
                Step::Pass(Duration::from_secs(120)),
            ],
        ),
    ];
    for (what, mut steps) in worlds {
        steps.push(Step::Settle);
        assert_eq!(run(0, &steps).err(), None, "{what}");
    }
}
