//! The server is killed again and again, on one machine. `KILLS=1000` makes a night of it (`make kills`), in lives of 50.

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::conservation::{Job, Site};

/// Kills over one folder: closed shards stay for a day, so that a longer life is mostly looking at them.
const KILLS_OF_A_LIFE: usize = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_by_kills_splits_and_merges() {
    let kills = std::env::var("KILLS").map_or(KILLS_OF_A_LIFE, |kills| kills.parse().expect("KILLS is a number"));
    for begin in (0..kills).step_by(KILLS_OF_A_LIFE) {
        let seed: u64 = rand::random();
        println!("seed {seed}");
        live(StdRng::seed_from_u64(seed), KILLS_OF_A_LIFE.min(kills - begin)).await;
    }
}

async fn live(mut random: StdRng, kills: usize) {
    let mut job = Job::new(Site::default());
    for _ in 0..kills {
        job.send_and_kill(&mut random).await;
    }
    assert!(job.reshards >= kills / 4, "{} splits and merges are too few", job.reshards);
    job.check().await;
}
