//! The suite that every stream store runs.

use model::testing::conformance::{self, Backend};

use crate::common::{open, single, three};

const KAFKA: Backend<'static> = Backend { clock: None, merges: false };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_broker_keeps_the_promises() {
    conformance::stream_store_of(open(single()).await, &KAFKA).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_brokers_keep_the_promises() {
    conformance::stream_store_of(open(three()).await, &KAFKA).await;
}
