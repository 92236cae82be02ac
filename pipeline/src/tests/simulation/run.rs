//! Runs the worlds of seeds, and makes the list of steps of one that fails as short as it gets.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::step::{Profile, Step, steps};
use super::world::{Violation, World};

/// How often a shorter list is tried.
const TRIES_MAX: usize = 400;

/// The end of a world: what has happened as a number, or the step that found a violation.
pub(super) type Ended = Result<u64, (usize, Violation)>;

/// The steps of a seed.
pub(super) fn of_seed(seed: u64, count: usize, profile: Profile) -> Vec<Step> {
    steps(&mut StdRng::seed_from_u64(seed), count, profile)
}

/// Does the steps in a new world. A panic is a violation.
pub(super) fn run(seed: u64, steps: &[Step]) -> Ended {
    let mut done = 0;
    let ended = catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::begin(seed)?;
        for step in steps {
            world.step(step)?;
            done += 1;
        }
        Ok(world.trace())
    }));
    let ended = ended.unwrap_or_else(|_| Err("a panic".to_owned()));
    ended.map_err(|violation| (done, violation))
}

/// Leaves out steps for as long as the rest still fails.
pub(super) fn shrink(seed: u64, steps: &[Step], failed_at: usize) -> Vec<Step> {
    let mut steps = steps[..(failed_at + 1).min(steps.len())].to_vec();
    let (mut length, mut tries) = (steps.len() / 2, 0);
    while length > 0 {
        let mut begin = 0;
        while begin < steps.len() && tries < TRIES_MAX {
            tries += 1;
            let mut shorter = steps.clone();
            shorter.drain(begin..(begin + length).min(steps.len()));
            match run(seed, &shorter) {
                Err((failed_at, _)) => {
                    shorter.truncate(failed_at + 1);
                    steps = shorter;
                }
                Ok(_) => begin += length,
            }
        }
        length /= 2;
    }
    steps
}
