//! Pages of the book about servers of others, followed with those servers.

#[path = "../it/book/expectation.rs"]
mod expectation;
#[path = "../it/book/page.rs"]
#[expect(dead_code, reason = "links and anchors are looked at over there")]
pub(crate) mod page;
#[path = "../it/book/reader.rs"]
mod reader;

use ingest::testing::kafka_cluster::KafkaCluster;
use sinks::testing::real_server::RealServer;

use crate::book::page::ELSEWHERE;
use crate::book::reader::Reader;

#[tokio::test]
async fn pages_about_other_servers_work() {
    let s3 = RealServer::s3().expect("an S3 server starts");
    let dynamodb = RealServer::dynamodb().expect("a DynamoDB server starts");
    let kafka = KafkaCluster::start(1);
    let address = |url: &str| url.strip_prefix("http://").expect("no TLS here").to_owned();
    for page in ELSEWHERE {
        let reader = Reader::new().knowing("127.0.0.1:9000", &address(s3.url()));
        let reader =
            reader.knowing("127.0.0.1:8000", &address(dynamodb.url())).knowing("127.0.0.1:9092", kafka.brokers());
        println!("{page}: {:.1?}", reader.follow(&[page]).await);
    }
}
