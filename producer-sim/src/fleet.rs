//! A seeded fleet: the same seed and the same times give the same bytes.

use bytes::Bytes;
use model::clock::Timestamp;
use model::stream::hash_key::PartitionKey;
use model::stream::record::PutEntry;
use rand::SeedableRng;
use rand::rngs::SmallRng;

use crate::unicorn::Unicorn;

/// Names of the first unicorns; later ones are numbered.
const NAMES: [&str; 20] = [
    "Shadowfax",
    "Bucephalus",
    "Rocinante",
    "Pegasus",
    "Sleipnir",
    "Arion",
    "Balius",
    "Xanthus",
    "Babieca",
    "Marengo",
    "Copenhagen",
    "Comanche",
    "Bayard",
    "Grani",
    "Gringolet",
    "Rakhsh",
    "Skinfaxi",
    "Hrimfaxi",
    "Incitatus",
    "Llamrei",
];

/// Unicorns that take turns.
#[derive(Debug, Clone)]
pub struct Fleet {
    unicorns: Vec<Unicorn>,
    random: SmallRng,
    turn: usize,
}

impl Fleet {
    /// `unicorns` of them, at least one.
    pub fn new(seed: u64, unicorns: u32) -> Self {
        let mut random = SmallRng::seed_from_u64(seed);
        let unicorns = (0..unicorns.max(1) as usize).map(|i| Unicorn::new(name(i), &mut random)).collect();
        Fleet { unicorns, random, turn: 0 }
    }

    /// The next unicorn's reading: one JSON line, with its newline as the workshop's producer sends it.
    pub fn next(&mut self, at: Timestamp) -> PutEntry {
        let turn = self.turn;
        self.turn = (turn + 1) % self.unicorns.len();
        let unicorn = &mut self.unicorns[turn];
        let key = PartitionKey::new(unicorn.name().to_owned()).expect("names are short");
        let mut line = serde_json::to_vec(&unicorn.step(at, &mut self.random)).expect("a reading is JSON");
        line.push(b'\n');
        PutEntry::new(key, Bytes::from(line))
    }
}

fn name(number: usize) -> String {
    match NAMES.get(number) {
        Some(name) => (*name).to_owned(),
        None => format!("{}-{}", NAMES[number % NAMES.len()], number / NAMES.len() + 1),
    }
}

/// `records` lines of a fleet, one a `step_millis` from `start` on: a file such as `gallop put` takes.
pub fn sample(
    seed: u64,
    unicorns: u32,
    records: usize,
    start: Timestamp,
    step_millis: i64,
) -> impl Iterator<Item = Bytes> {
    let mut fleet = Fleet::new(seed, unicorns);
    (0..records as i64).map(move |i| fleet.next(Timestamp::from_millis(start.as_millis() + i * step_millis)).data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_seed_repeats_its_bytes() {
        let run = |seed| sample(seed, 7, 100, Timestamp::from_millis(0), 10).collect::<Vec<_>>();
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }

    #[test]
    fn everyone_has_a_turn_and_a_name() {
        let mut fleet = Fleet::new(3, 65);
        let keys: Vec<String> =
            (0..130).map(|_| fleet.next(Timestamp::from_millis(0)).partition_key.to_string()).collect();
        assert_eq!(keys[..65], keys[65..]);
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), 65);
        assert_eq!((keys[0].as_str(), keys[20].as_str()), ("Shadowfax", "Shadowfax-2"));
    }
}
