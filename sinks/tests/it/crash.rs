//! Crashes at random operations, random failures, random resharding: at the end every record is delivered once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::archive::format::Compression;
use model::stream::hash_key::HashKey;
use model::stream::shard::Reshard;
use model::stream::store::StreamStore;
use model::table::store::TableStore;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sinks::delivery::options::DeliveryOptions;
use sinks::delivery::stream::DeliveryStream;

use crate::world::World;

const SEEDS: u64 = 20;
const ROUNDS: u64 = 12;

/// What was put, and in which order: later records of a key stand later.
#[derive(Default)]
struct Written {
    good: Vec<(String, String)>,
    bad: Vec<String>,
}

impl Written {
    async fn put_some(&mut self, world: &World, random: &mut SmallRng) {
        for _ in 0..random.random_range(0..6) {
            if random.random_ratio(1, 5) {
                self.put_packed(world, random).await;
                continue;
            }
            let (key, data) = self.one(0, random);
            world.put(&[(key.as_str(), data.as_str())]).await;
            self.note(key, data);
        }
    }

    /// Some records in one. Those whose keys belong to another shard than the first one's are delivered nowhere.
    async fn put_packed(&mut self, world: &World, random: &mut SmallRng) {
        let packed: Vec<(String, String)> = (0..random.random_range(1..4)).map(|i| self.one(i, random)).collect();
        let entries: Vec<(&str, &str)> = packed.iter().map(|(key, data)| (key.as_str(), data.as_str())).collect();
        let owned = world.put_packed(&entries).await;
        for (key, data) in packed {
            if owned.contains(HashKey::of(&key)) { self.note(key, data) } else { self.bad.push(data) }
        }
    }

    /// A record that nobody else has, once the `ahead` before it are noted.
    fn one(&self, ahead: usize, random: &mut SmallRng) -> (String, String) {
        let number = self.good.len() + self.bad.len() + ahead;
        let key = format!("unicorn-{}", random.random_range(0..5));
        let bad = random.random_ratio(1, 8);
        let data = if bad { format!("bad {number}") } else { format!("{{\"Name\":\"{key}\",\"n\":{number}}}") };
        (key, data)
    }

    fn note(&mut self, key: String, data: String) {
        if data.starts_with("bad") { self.bad.push(data) } else { self.good.push((key, data)) }
    }
}

async fn reshard(world: &World, random: &mut SmallRng) {
    world.advance_millis(1000);
    let shards = world.store.describe(&world.stream).await.unwrap().shards.clone();
    let open: Vec<_> = shards.open().collect();
    let at = random.random_range(0..open.len());
    let change = match open.get(at + 1) {
        Some(next) if open.len() > 2 => Reshard::Merge { shard: open[at].id, adjacent: next.id },
        _ => {
            let range = &open[at].range;
            let middle = range.start.0 + (range.end.0 - range.start.0) / 2;
            Reshard::Split { shard: open[at].id, at: HashKey(middle) }
        }
    };
    // A range too narrow to split stays as it is.
    let _ = world.store.reshard(&world.stream, change).await;
}

/// Rounds of putting and delivering that end in a crash, a drop at any await point, or a shutdown; then one that ends well.
async fn live(seed: u64, deliver: impl Fn(&World, DeliveryOptions) -> DeliveryStream) -> (World, Written) {
    let mut random = SmallRng::seed_from_u64(seed);
    let world = World::new(seed, random.random_range(1..4)).await;
    let mut written = Written::default();
    for round in 0..ROUNDS {
        let compressions = [Compression::None, Compression::Gzip, Compression::Zstd];
        let options = DeliveryOptions {
            cut_bytes_max: random.random_range(1..400),
            cut_records_max: random.random_range(1..20),
            cut_interval: Duration::from_millis(random.random_range(0..100)),
            in_flight_max: random.random_range(1..4),
            compression: compressions[random.random_range(0..3)],
            checkpoint_interval: Duration::from_millis(random.random_range(0..50)),
            seed: Some(seed),
            ..DeliveryOptions::for_archive()
        };
        let crash_in = random.random_ratio(3, 4).then(|| random.random_range(0..60));
        world.faults.set(crash_in, [0, 10, 30][random.random_range(0..3)]);
        let stops_well = random.random_ratio(1, 3);
        let ticks = async {
            for _ in 0..random.random_range(1..60) {
                for _ in 0..random.random_range(0..40) {
                    tokio::task::yield_now().await;
                }
                written.put_some(&world, &mut random).await;
                if random.random_ratio(1, 40) {
                    reshard(&world, &mut random).await;
                }
                world.advance_millis([1, 7, 60, 1000][random.random_range(0..4)]);
            }
        };
        let run = deliver(&world, options);
        if stops_well {
            // Whoever hangs in a crash is let go by the clock.
            let hurry = async {
                loop {
                    tokio::task::yield_now().await;
                    world.advance_millis(500);
                }
            };
            tokio::select! {
                ended = run.run(ticks) => ended.unwrap_or_else(|error| panic!("seed {seed}, round {round}: {error:?}")),
                () = hurry => {}
            }
        } else {
            tokio::select! {
                ended = run.run(std::future::pending()) => panic!("seed {seed}, round {round}: {ended:?}"),
                () = world.faults.crashed() => {}
                () = ticks => {}
            }
        }
    }
    // Much at once in small cuts, some of which fail.
    for _ in 0..20 {
        written.put_some(&world, &mut random).await;
    }
    world.faults.set(None, 20);
    let options = DeliveryOptions { cut_records_max: 3, seed: Some(seed), ..DeliveryOptions::for_archive() };
    world.run_to_the_end(deliver(&world, options)).await;
    (world, written)
}

fn sorted<T: Ord>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.into_iter().collect();
    values.sort();
    values
}

#[tokio::test]
async fn every_record_is_in_the_archive_exactly_once() {
    for seed in 0..SEEDS {
        let (world, written) = live(seed, World::to_archive).await;
        let lines = world.lines("wildrydes/").await;
        assert_eq!(sorted(lines), sorted(written.good.into_iter().map(|(_, data)| data)), "seed {seed}");
        assert_eq!(sorted(world.dead_letters().await), sorted(written.bad), "seed {seed}");
        assert!(world.objects("conflicts/").await.is_empty(), "seed {seed}");

        let mut ranges: BTreeMap<String, BTreeSet<(u64, u64)>> = BTreeMap::new();
        for name in world.objects("").await.into_keys() {
            let file = name.rsplit('/').next().unwrap().split('.').next().unwrap();
            let parts: Vec<&str> = file.split('-').collect();
            let [_, shard, first, last] = parts[..] else { panic!("{name}") };
            ranges.entry(shard.to_owned()).or_default().insert((first.parse().unwrap(), last.parse().unwrap()));
        }
        for (shard, ranges) in ranges {
            let mut next = 0;
            for (first, last) in ranges {
                assert!(next <= first && first <= last, "seed {seed}: ranges of {shard} overlap");
                next = last + 1;
            }
        }
    }
}

#[tokio::test]
async fn the_table_holds_the_last_record_of_every_key_and_dead_letters_are_kept_once() {
    for seed in 0..SEEDS {
        let (world, written) = live(1000 + seed, World::to_table).await;
        let model: BTreeMap<String, String> = written.good.into_iter().collect();
        let rows = world.tables.scan(&world.table, None, 100).await.unwrap().items;
        let rows: Vec<String> = rows.into_iter().map(|row| serde_json::to_string(&row).unwrap()).collect();
        assert_eq!(sorted(rows), sorted(model.into_values()), "seed {seed}");
        assert_eq!(sorted(world.dead_letters().await), sorted(written.bad), "seed {seed}");
    }
}
