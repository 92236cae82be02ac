//! Archive on S3 and tables in DynamoDB: every promise holds, whatever fails.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use model::archive::store::Archive;
use rand::SeedableRng;
use rand::rngs::StdRng;
use sinks::archive::s3::{S3Archive, S3Options};
use sinks::aws::{AccessKeys, AwsOptions};
use sinks::testing::fault_proxy::{DYNAMODB_THROTTLE, Fault, FaultPlan, FaultProxy, S3_THROTTLE};
use sinks::testing::real_server::RealServer;

use crate::conservation::{Job, Site};
use crate::rest;
use crate::server::{Server, eventually};

/// The share of calls that fail.
pub(crate) const FAULT_RATE: f64 = 0.33;
const SECRET: &str = "secret";
const REGION: &str = "us-east-1";

fn s3_url() -> &'static str {
    static SERVER: OnceLock<RealServer> = OnceLock::new();
    SERVER.get_or_init(|| RealServer::s3().expect("an S3 server starts")).url()
}

fn dynamodb_url() -> &'static str {
    static SERVER: OnceLock<RealServer> = OnceLock::new();
    SERVER.get_or_init(|| RealServer::dynamodb().expect("a DynamoDB server starts")).url()
}

/// S3 and DynamoDB behind proxies, in a bucket and under a key of their own.
pub(crate) struct Elsewhere {
    name: String,
    s3: FaultProxy,
    dynamodb: FaultProxy,
}

impl Elsewhere {
    pub(crate) async fn new() -> Elsewhere {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("gallop{}x{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let none = |throttle| FaultPlan { seed: 0, rate: 0.0, faults: Vec::new(), throttle };
        let s3 = FaultProxy::start(s3_url(), none(S3_THROTTLE)).await.expect("a proxy starts");
        let dynamodb = FaultProxy::start(dynamodb_url(), none(DYNAMODB_THROTTLE)).await.expect("a proxy starts");
        Elsewhere { name, s3, dynamodb }
    }

    /// A job's site there: objects and tables under names that begin with `place`.
    pub(crate) fn site(&self, place: &str) -> Site {
        let Elsewhere { name, s3, dynamodb } = self;
        let settings = format!(
            "[s3]\nbucket = \"{name}\"\nprefix = \"{place}/\"\ncreate_bucket = true\nendpoint = \"{}\"\n\
             attempt_timeout_ms = 500\n\n[dynamodb]\ntable_prefix = \"{name}-{place}-\"\nendpoint = \"{}\"\n\
             attempt_timeout_ms = 500\n",
            s3.url(),
            dynamodb.url()
        );
        // Settings hold no secrets: keys come the way the SDKs take them. SQL over the archive alone goes straight there.
        let variables = vec![
            ("AWS_ACCESS_KEY_ID", name.clone()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ENDPOINT_URL", s3_url().to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ];
        Site { settings, archive: Some(format!("s3://{name}/{place}")), variables, ..Site::default() }
    }

    /// Every object of a site by name.
    pub(crate) async fn objects(&self, place: &str) -> BTreeMap<String, Bytes> {
        let keys = AccessKeys { id: self.name.clone(), secret: SECRET.to_owned(), session_token: None };
        let (endpoint, region) = (Some(s3_url().to_owned()), Some(REGION.to_owned()));
        let aws = AwsOptions { endpoint, region, keys: Some(keys), ..AwsOptions::default() };
        let options = S3Options { prefix: format!("{place}/"), ..S3Options::new(self.name.clone(), aws) };
        let archive = S3Archive::open(options).await.expect("the bucket is there");
        let mut objects = BTreeMap::new();
        for object in archive.list("").await.expect("a listing") {
            let body = archive.get(&object.name, None).await.expect("a whole object");
            objects.insert(object.name.as_str().to_owned(), body);
        }
        objects
    }

    pub(crate) fn fail(&self, seed: u64, rate: f64, faults: &[Fault]) {
        let plan = |throttle| FaultPlan { seed, rate, faults: faults.to_vec(), throttle };
        self.s3.set(plan(S3_THROTTLE));
        self.dynamodb.set(plan(DYNAMODB_THROTTLE));
    }

    /// Both were called while they failed.
    pub(crate) fn check_faults(&self) {
        for (what, proxy) in [("S3", &self.s3), ("DynamoDB", &self.dynamodb)] {
            let (calls, faults) = proxy.counts();
            println!("{what}: {faults} faults in {calls} calls");
            assert!(faults > 0, "{what} was never called while it failed");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_by_kills_and_faults() {
    let kills: usize = std::env::var("KILLS").map_or(20, |kills| kills.parse().expect("KILLS is a number"));
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let elsewhere = Elsewhere::new().await;
    let mut job = Job::new(elsewhere.site("test"));
    elsewhere.fail(seed, FAULT_RATE, &Fault::ALL);
    for _ in 0..kills {
        job.send_and_kill(&mut random).await;
    }
    elsewhere.fail(0, 0.0, &[]);
    job.check().await;
    elsewhere.check_faults();
}

/// What the server answers when it is asked for the table.
async fn status(server: &Server) -> u16 {
    rest::answer(&format!("{}/v1/tables/Counts", server.url)).await.0.as_u16()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_taken_while_everything_elsewhere_is_away_and_delivered_once_it_is_back() {
    let elsewhere = Elsewhere::new().await;
    elsewhere.fail(1, 1.0, &[Fault::Error503, Fault::Reset]);
    let mut job = Job::new(elsewhere.site("test"));
    let mut random = StdRng::seed_from_u64(1);
    for _ in 0..2 {
        job.send_and_kill(&mut random).await;
    }
    let server = job.start();
    assert_eq!(rest::get(&format!("{}/readyz", server.url)).await["status"], "ready");
    assert_eq!(status(&server).await, 503);
    elsewhere.fail(0, 0.0, &[]);
    eventually("the table is there", async || (status(&server).await == 200).then_some(())).await;
    drop(server);
    job.check().await;
}

#[test]
fn a_bucket_that_can_never_serve_keeps_the_server_from_starting() {
    let settings = format!("[s3]\nbucket = \"missing\"\nendpoint = \"{}\"\n", s3_url());
    let (_keep, data) = crate::server::folder_with(&[("gallop.toml", &settings)]);
    let mut command = crate::server::gallop();
    command.args(["serve", "--port", "0", "--data"]).arg(&data);
    command.env("AWS_ACCESS_KEY_ID", "missing").env("AWS_SECRET_ACCESS_KEY", "secret");
    let output = command.output().expect("the binary starts");
    let error = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("the bucket does not exist; create it, or set `create_bucket = true`"), "{error}");
}
