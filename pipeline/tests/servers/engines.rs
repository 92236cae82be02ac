//! The whole job on Kafka, S3 and DynamoDB together, whatever fails: brokers, servers, calls. Once all is quiet again,
//! archive and table are those of a run over the same records that met no fault, byte for byte.
//!
//! `ROUNDS=200` makes a night of it (`make engine-faults`); `SEED=..` draws the same faults again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ingest::testing::kafka_cluster::KafkaCluster;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rustix::process::{Pid, Signal, kill_process};
use sinks::testing::fault_proxy::Fault;

use crate::conservation::{Job, Site};
use crate::elsewhere::{Elsewhere, FAULT_RATE};
use crate::load::{CREWS, Load};
use crate::server::Server;

const BROKERS: u32 = 3;
/// How long brokers let a transaction be open whose process does not end it, in seconds.
const TRANSACTION_SECONDS_MAX: u64 = 3;
/// Longer than that.
const LONG_PAUSE: Duration = Duration::from_millis(3500);
/// How long a broker is away at most.
const BROKER_AWAY_MAX: Duration = Duration::from_millis(2500);
/// What a producer waits between two calls: what is to be checked at the end has a bound.
const PAUSE: Duration = Duration::from_millis(60);
/// Records that show that the job goes on.
const SOME: usize = 40;

/// What happens to a broker.
#[derive(Debug, Clone, Copy)]
enum BrokerFault {
    Killed(u32),
    Paused(u32),
}

/// What happens to the server.
#[derive(Debug, Clone, Copy)]
enum ServerFault {
    Killed,
    /// It stands still for longer than its transactions live. Meanwhile another one takes over; then both run, until
    /// one of them is killed.
    TakenOver {
        first_survives: bool,
    },
}

/// The job on its engines, between two rounds.
struct World {
    cluster: Arc<KafkaCluster>,
    job: Job,
    /// The server in service, what is sent to it, and by which crew.
    server: Server,
    load: Load,
    crew: u64,
}

fn draw(random: &mut StdRng) -> (Option<BrokerFault>, Option<ServerFault>) {
    let kind = random.random_range(0..10);
    let node = random.random_range(1..=BROKERS);
    let broker = if random.random_bool(0.4) { BrokerFault::Killed(node) } else { BrokerFault::Paused(node) };
    let server = match random.random_bool(0.5) {
        true => ServerFault::Killed,
        false => ServerFault::TakenOver { first_survives: random.random() },
    };
    ((kind < 6).then_some(broker), (kind >= 4).then_some(server))
}

/// A broker is away for a while.
fn away(cluster: &KafkaCluster, fault: BrokerFault, pause: Duration) {
    match fault {
        BrokerFault::Killed(node) => {
            cluster.kill(node);
            std::thread::sleep(pause);
            cluster.restart(node);
        }
        BrokerFault::Paused(node) => {
            cluster.pause(node);
            std::thread::sleep(pause);
            cluster.resume(node);
        }
    }
}

fn signal(server: &Server, signal: Signal) {
    let id = i32::try_from(server.id()).ok().and_then(Pid::from_raw).expect("a process has an id");
    kill_process(id, signal).expect("the server runs");
}

impl World {
    async fn new(cluster: Arc<KafkaCluster>, job: Job, random: &mut StdRng) -> World {
        let server = job.start();
        let load = job.load(&server, 0, 0, random);
        World { cluster, job, server, load, crew: 0 }
    }

    /// One or two faults at a time; and then the job goes on.
    async fn round(self, random: &mut StdRng) -> World {
        let (broker, server) = draw(random);
        println!("{broker:?}, {server:?}");
        self.job.more(random.random_range(1..SOME)).await;
        let (cluster, pause) = (Arc::clone(&self.cluster), BROKER_AWAY_MAX.mul_f64(random.random()));
        let healed = tokio::task::spawn_blocking(move || broker.map(|fault| away(&cluster, fault, pause)));
        let world = match server {
            None => self,
            Some(ServerFault::Killed) => self.kill(random).await,
            Some(ServerFault::TakenOver { first_survives }) => self.take_over(first_survives, random).await,
        };
        healed.await.expect("signals reach brokers");
        world.job.more(SOME).await;
        world
    }

    /// The server is killed; the next one goes on.
    async fn kill(self, random: &mut StdRng) -> World {
        let World { cluster, mut job, server, load, crew } = self;
        job.kill(server, load).await;
        let server = job.start();
        let load = job.load(&server, crew, random.random_range(0..2), random);
        World { cluster, job, server, load, crew }
    }

    async fn take_over(self, first_survives: bool, random: &mut StdRng) -> World {
        let World { cluster, mut job, server: first, load: first_load, crew: first_crew } = self;
        let (begin, crew) = (Instant::now(), (first_crew + 1) % CREWS);
        signal(&first, Signal::STOP);
        let second = job.start();
        let second_load = job.load(&second, crew, random.random_range(0..2), random);
        job.more(SOME).await;
        tokio::time::sleep(LONG_PAUSE.saturating_sub(begin.elapsed())).await;
        signal(&first, Signal::CONT);
        job.more(2 * SOME).await;
        if first_survives {
            job.kill(second, second_load).await;
            return World { cluster, job, server: first, load: first_load, crew: first_crew };
        }
        job.kill(first, first_load).await;
        World { cluster, job, server: second, load: second_load, crew }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn archive_and_table_end_as_without_faults() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let (rounds, seed) = (number("ROUNDS").unwrap_or(20), number("SEED").unwrap_or_else(rand::random));
    println!("SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let cluster = Arc::new(KafkaCluster::start(BROKERS));
    let elsewhere = Elsewhere::new().await;
    let site = |place: &str| {
        let there = elsewhere.site(place);
        let kafka = format!(
            "[kafka]\nbrokers = \"{}\"\ntransaction_seconds_max = {TRANSACTION_SECONDS_MAX}\n\n",
            cluster.brokers()
        );
        Site { settings: kafka + &there.settings, kafka: true, cuts_by_size: true, pause: PAUSE, ..there }
    };
    let job = Job::new(site("stormy"));
    elsewhere.fail(seed, FAULT_RATE, &Fault::ALL);
    let mut world = World::new(Arc::clone(&cluster), job, &mut random).await;
    for round in 0..rounds {
        let begin = Instant::now();
        print!("round {round}: ");
        world = world.round(&mut random).await;
        println!("  {:?}", begin.elapsed());
    }
    let World { mut job, server, load, .. } = world;
    job.kill(server, load).await;
    elsewhere.check_faults();
    elsewhere.fail(0, 0.0, &[]);
    let readable = job.check().await;
    let found = job.table(&job.start()).await;

    let still = Job::new(Site { run: "-again", ..site("still") });
    let server = still.start();
    still.check_results(&server, &readable).await;
    assert_eq!(found, still.table(&server).await, "the table differs from that of a run without faults");
    let (found, expected) = (elsewhere.objects("stormy").await, elsewhere.objects("still").await);
    let names = found.keys().eq(expected.keys());
    assert!(names, "{:#?} differ from {:#?}", found.keys(), expected.keys());
    assert!(found == expected, "an object differs from that of a run without faults");
    println!("{} objects are the same", found.len());
}
