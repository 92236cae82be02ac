//! An archive on S3 keeps what every archive promises, and what large objects and odd buckets need besides.

use bytes::Bytes;
use futures::future::join_all;
use hyper::StatusCode;
use model::archive::store::{Archive, ArchiveError, ObjectName, PutOutcome};
use model::testing::conformance;
use rand::rngs::SmallRng;
use rand::{RngCore, SeedableRng};
use sinks::archive::s3::{S3Archive, S3Options};
use sinks::testing::fault_proxy::{Fault, FaultPlan, FaultProxy, S3_THROTTLE};

use crate::world::{aws, bucket, s3, s3_url, unique};

fn name(text: &str) -> ObjectName {
    ObjectName::new(text).unwrap()
}

fn random_bytes(seed: u64, len: usize) -> Bytes {
    let mut bytes = vec![0; len];
    SmallRng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes.into()
}

#[tokio::test]
async fn keeps_the_promises_of_archives() {
    conformance::archive(&s3().await).await;
}

#[tokio::test]
async fn large_objects_go_in_parts_and_are_never_replaced() {
    let archive = s3().await;
    let (large, other) = (random_bytes(1, 11 << 20), random_bytes(2, 7 << 20));
    let puts = [large.clone(), other.clone()];
    let object = name("large/object");
    let outcomes = join_all(puts.iter().map(|body| archive.put_if_absent(&object, body.clone()))).await;
    let created: Vec<usize> = (0..2).filter(|put| matches!(outcomes[*put], Ok(PutOutcome::Created))).collect();
    assert_eq!(created.len(), 1, "{outcomes:?}");
    assert_eq!(archive.put_if_absent(&object, other).await.unwrap(), PutOutcome::AlreadyThere);
    let small = archive.put_if_absent(&object, Bytes::from_static(b"small")).await.unwrap();
    assert_eq!(small, PutOutcome::AlreadyThere);
    assert_eq!(archive.get(&object, None).await.unwrap(), puts[created[0]]);
    let middle = (5 << 20) - 3..(5 << 20) + 3;
    let part = archive.get(&object, Some(middle.clone())).await.unwrap();
    assert_eq!(part, puts[created[0]].slice(middle.start as usize..middle.end as usize));
}

#[tokio::test]
async fn listings_go_over_pages() {
    let archive = s3().await;
    let names: Vec<_> = (0..1100).map(|i| name(&format!("many/{i:04}"))).collect();
    for chunk in names.chunks(50) {
        join_all(chunk.iter().map(|name| archive.put_if_absent(name, Bytes::from_static(b"x")))).await;
    }
    let listed: Vec<_> = archive.list("many/").await.unwrap().into_iter().map(|object| object.name).collect();
    assert_eq!(listed, names);
    assert_eq!(archive.list("").await.unwrap().len(), names.len(), "what opening puts is no object of the archive");
    assert_eq!(archive.folders().await.unwrap(), ["many"]);
}

#[tokio::test]
async fn archives_of_one_bucket_do_not_see_each_other() {
    let options = bucket(s3_url());
    let one = S3Archive::open(options.clone()).await.unwrap();
    let other = S3Archive::open(S3Options { prefix: "other/".to_owned(), ..options.clone() }).await.unwrap();
    let again = S3Archive::open(options).await.unwrap();
    one.put_if_absent(&name("a"), Bytes::from_static(b"one")).await.unwrap();
    assert!(other.list("").await.unwrap().is_empty());
    assert!(matches!(other.get(&name("a"), None).await, Err(ArchiveError::NotFound(_))));
    assert_eq!(again.get(&name("a"), None).await.unwrap(), "one");
}

#[tokio::test]
async fn a_missing_bucket_is_an_error_that_says_what_to_do() {
    let missing = S3Options::new(unique("missing"), aws(s3_url()));
    let error = S3Archive::open(missing).await.unwrap_err();
    let ArchiveError::Unusable { source, .. } = error else { panic!("{error:?}") };
    assert!(source.to_string().contains("create_bucket"), "{source}");
    let nobody = S3Archive::open(bucket("http://127.0.0.1:1")).await.unwrap_err();
    let ArchiveError::Unavailable { source, .. } = nobody else { panic!("{nobody:?}") };
    assert!(source.to_string().contains("refused"), "{source}");
}

fn plan(seed: u64, rate: f64, faults: &[Fault]) -> FaultPlan {
    FaultPlan { seed, rate, faults: faults.to_vec(), throttle: S3_THROTTLE }
}

#[tokio::test]
async fn a_flipped_bit_is_never_returned_as_data() {
    let proxy = FaultProxy::start(s3_url(), plan(1, 0.0, &[])).await.unwrap();
    let archive = S3Archive::open(bucket(&proxy.url())).await.unwrap();
    let body = random_bytes(3, 100_000);
    archive.put_if_absent(&name("a"), body.clone()).await.unwrap();
    for seed in 0..20 {
        proxy.set(plan(seed, 0.5, &[Fault::FlipBit]));
        match archive.get(&name("a"), None).await {
            Ok(got) => assert!(got == body, "seed {seed}"),
            Err(error) => assert!(matches!(error, ArchiveError::Unavailable { .. }), "seed {seed}: {error:?}"),
        }
    }
    let (_, faults) = proxy.counts();
    assert!(faults > 5, "{faults}");
}

#[tokio::test]
async fn a_store_that_ignores_conditions_is_refused() {
    // Answers every call with success, as a store does that overwrites.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let yes = server_that_always_says_yes(listener);
    let open = S3Archive::open(bucket(&url));
    let error = tokio::select! {
        opened = open => opened.unwrap_err(),
        () = yes => unreachable!("it serves for ever"),
    };
    let ArchiveError::Unusable { source, .. } = error else { panic!("{error:?}") };
    assert!(source.to_string().contains("If-None-Match"), "{source}");
}

async fn server_that_always_says_yes(listener: tokio::net::TcpListener) {
    use http_body_util::Empty;
    use hyper::service::service_fn;
    loop {
        let (connection, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            let yes =
                service_fn(|_| async { hyper::Response::builder().status(StatusCode::OK).body(Empty::<Bytes>::new()) });
            let io = hyper_util::rt::TokioIo::new(connection);
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, yes).await;
        });
    }
}
