//! `bench sensor`: sensor frames a second by each way to receive them, in rounds that take turns. Needs root, `ip`
//! and `ethtool`: it lays a cable between two network namespaces of its own.

use std::path::PathBuf;
use std::time::Duration;

use super::ways::{Keeping, Outcome, Run, Way, disk_bytes_per_second, idle};
use anyhow::Context;
use clap::Args;
use ingest::testing::wire::Wire;
use serde_json::json;

/// Arguments of `bench sensor`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  sudo bench sensor\n  sudo bench sensor --rounds 3 --data /mnt/disk --json")]
pub(crate) struct SensorBenchArgs {
    /// Rounds, in each of which every way to receive has its turn.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: u16,
    /// Seconds that each way is measured, of which a quarter more passes before.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// A folder on the disk to store to; that for temporary files if nothing is said.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Something that is measured in each round.
struct Contender {
    name: &'static str,
    run: Run,
    /// In what its figure is told, and how many of it a frame is.
    unit: (&'static str, f64),
    rates: Vec<f64>,
}

/// A quotient of two contenders' rates, round by round, and the least it should be.
const BARS: [(&str, &str, f64); 5] = [
    ("past the kernel", "plain recvmmsg loop", 5.0),
    ("past the kernel", "XDP_DROP", 0.45),
    ("ordinary sockets", "plain recvmmsg loop", 1.0),
    ("tags verified", "tags unread", 0.9),
    ("two queues", "past the kernel", 1.8),
];

/// Measures and prints.
pub(crate) fn run(args: &SensorBenchArgs, as_json: bool) -> anyhow::Result<()> {
    let data = args.data.clone().unwrap_or_else(std::env::temp_dir);
    let data = data.join(format!("gallop-bench-sensor-{}", std::process::id()));
    std::fs::create_dir_all(&data).with_context(|| format!("{} cannot be made", data.display()))?;
    let result = measure(args, &data, as_json);
    std::fs::remove_dir_all(&data)?;
    result
}

fn contenders(data: &std::path::Path) -> Vec<Contender> {
    let frame = Run {
        way: Way::Past,
        queues: 1,
        record_bytes: 32,
        count: 1,
        tagged: false,
        verified: false,
        keeping: Keeping::Memory,
    };
    let way = |way| Run { way, ..frame.clone() };
    let tagged = |verified| Run { record_bytes: 24, tagged: true, verified, ..frame.clone() };
    let large = |keeping| Run { record_bytes: 24, count: 57, keeping, ..frame.clone() };
    let (million, records) = (("M frames/s", 1e-6), ("M records/s", 57e-6));
    let contender = |name, run, unit| Contender { name, run, unit, rates: Vec::new() };
    vec![
        contender("XDP_DROP", way(Way::Drop), million),
        contender("plain recvmmsg loop", way(Way::Plain), million),
        contender("ordinary sockets", way(Way::Sockets), million),
        contender("past the kernel", way(Way::Past), million),
        contender("tags unread", tagged(false), million),
        contender("tags verified", tagged(true), million),
        contender("two queues", Run { queues: 2, ..frame.clone() }, million),
        contender("1,400 bytes, to memory", large(Keeping::Memory), records),
        contender("1,400 bytes, to the log", large(Keeping::Log(data.join("log"))), records),
    ]
}

fn measure(args: &SensorBenchArgs, data: &std::path::Path, as_json: bool) -> anyhow::Result<()> {
    let time = Duration::from_secs(args.seconds);
    let one = Wire::lay(1).context("no cable can be laid; this needs root, `ip` and `ethtool`")?;
    let two = Wire::lay(2)?;
    let (mut contenders, mut total, mut disk) = (contenders(data), Outcome::default(), Vec::new());
    for round in 1..=args.rounds {
        for contender in &mut contenders {
            eprintln!("round {round} of {}: {}", args.rounds, contender.name);
            let wire = if contender.run.queues == 2 { &two } else { &one };
            let outcome = contender.run.measure(wire, time).with_context(|| format!("{} failed", contender.name))?;
            contender.rates.push(outcome.frames_per_second);
            total.redirected += outcome.redirected;
            total.lost += outcome.lost;
            total.stored += outcome.stored;
            total.turned_away += outcome.turned_away;
            total.received += outcome.unaccounted();
            let log = data.join("log");
            if log.exists() {
                std::fs::remove_dir_all(log)?;
            }
        }
        disk.push(disk_bytes_per_second(data, time)?);
    }
    let (unaccounted, idle) = (total.received, idle(&one, time * 2)?);
    let rates = |name: &str| &contenders.iter().find(|other| other.name == name).expect("it is one of them").rates;
    let bars: Vec<(String, Vec<f64>, f64)> = BARS
        .iter()
        .map(|(name, by, least)| {
            let quotients = rates(name).iter().zip(rates(by)).map(|(rate, by)| rate / by).collect();
            (format!("{name} / {by}"), quotients, *least)
        })
        .collect();
    let disk: Vec<f64> = disk.iter().map(|rate| rate / 1e6).collect();
    if as_json {
        let contender = |contender: &Contender| {
            let rates: Vec<f64> = contender.rates.iter().map(|rate| rate * contender.unit.1).collect();
            json!({"name": contender.name, "unit": contender.unit.0, "median": median(&rates), "rounds": rates})
        };
        let bar = |(name, quotients, least): &(String, Vec<f64>, f64)| json!({"name": name, "median": median(quotients), "rounds": quotients, "bar": least});
        let report = json!({
            "rates": contenders.iter().map(contender).collect::<Vec<_>>(),
            "ratios": bars.iter().map(bar).collect::<Vec<_>>(),
            "disk_mb_per_second": median(&disk),
            "idle_part_of_a_core": idle,
            "redirected": total.redirected, "lost_in_rings": total.lost, "stored": total.stored,
            "unaccounted": unaccounted,
        });
        println!("{report}");
        return Ok(());
    }
    for contender in &contenders {
        let rates: Vec<f64> = contender.rates.iter().map(|rate| rate * contender.unit.1).collect();
        println!("{:<45} {} {}", contender.name, told(&rates), contender.unit.0);
    }
    println!("{:<45} {} MB/s, synced every 2 MiB", "the disk", told(&disk));
    for (name, quotients, least) in &bars {
        println!("{name:<45} {} (bar {least})", told(quotients));
    }
    println!("{:<45} {:.1} % of a core", "idle", idle * 100.0);
    println!(
        "{} frames redirected: {} lost in full rings, {} stored, {} turned away and counted; {unaccounted} unaccounted for",
        total.redirected, total.lost, total.stored, total.turned_away
    );
    Ok(())
}

/// Median, least and most.
fn told(values: &[f64]) -> String {
    let (least, most) =
        values.iter().fold((f64::MAX, f64::MIN), |(least, most), value| (least.min(*value), most.max(*value)));
    format!("{:>8.2} [{least:.2} to {most:.2}]", median(values))
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        count if count % 2 == 1 => sorted[count / 2],
        count => (sorted[count / 2 - 1] + sorted[count / 2]) / 2.0,
    }
}
