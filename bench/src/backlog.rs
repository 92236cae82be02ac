//! Readers that read a stream's shards from their oldest records on, each over a connection of its own.

use std::time::Instant;

use anyhow::Context;
use clap::ValueEnum;
use hdrhistogram::Histogram;
use minicbor::Encoder;
use tokio::task::JoinSet;

use crate::rig::http::{Caller, Request, text_member};
use crate::rig::load::STREAM;
use crate::rig::page::Page;
use crate::rig::report::{latencies, micros};

/// How answers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// As most SDKs ask for them: data in base64.
    Json,
    /// As the SDK for Java and KCL ask for them: data as it is.
    Cbor,
}

/// How records are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    /// Shards of the stream, with one reader each.
    pub(crate) shards: u32,
    /// Records a call at most.
    pub(crate) limit: u32,
    /// How answers are written.
    pub(crate) form: Form,
}

/// What readers found.
#[derive(Debug)]
pub(crate) struct Found {
    /// Records of all calls.
    pub(crate) records: u64,
    /// Bytes of their data.
    pub(crate) bytes: u64,
    /// Records between the oldest and the newest, of the readers that came to the end.
    pub(crate) whole: u64,
    /// Readers that came to the end at least once.
    pub(crate) ended: u32,
    /// Of a call.
    pub(crate) latency: Histogram<u64>,
}

impl Found {
    fn nothing() -> Found {
        Found { records: 0, bytes: 0, whole: 0, ended: 0, latency: latencies() }
    }

    fn add(&mut self, other: &Found) -> anyhow::Result<()> {
        self.records += other.records;
        self.bytes += other.bytes;
        self.whole += other.whole;
        self.ended += other.ended;
        Ok(self.latency.add(&other.latency)?)
    }
}

impl Reading {
    /// Reads all shards, and anew from their beginning at their end, as long as `go_on` says so.
    pub(crate) async fn run(self, caller: Caller, go_on: impl Fn() -> bool + Clone + 'static) -> anyhow::Result<Found> {
        let mut readers = JoinSet::new();
        for shard in 0..self.shards {
            readers.spawn_local(self.read(caller.clone(), shard, go_on.clone()));
        }
        let mut all = Found::nothing();
        while let Some(found) = readers.join_next().await {
            all.add(&found??)?;
        }
        Ok(all)
    }

    async fn read(self, caller: Caller, shard: u32, go_on: impl Fn() -> bool) -> anyhow::Result<Found> {
        let mut connection = caller.connect().await?;
        let mut found = Found::nothing();
        let begin = format!(
            "{{\"StreamName\":\"{STREAM}\",\"ShardId\":\"shardId-{shard:012}\",\"ShardIteratorType\":\"TRIM_HORIZON\"}}"
        );
        let begin = Request::new("GetShardIterator", begin);
        loop {
            let answer = connection.call(&begin).await?;
            let mut iterator = text_member(answer, "ShardIterator").context("no iterator")?.to_owned();
            let mut round = 0;
            loop {
                if !go_on() {
                    return Ok(found);
                }
                let request = self.request(&iterator);
                let called = Instant::now();
                let answer = connection.call(&request).await?;
                found.latency.saturating_record(micros(called.elapsed()));
                let page = match self.form {
                    Form::Json => Page::of_json(answer)?,
                    Form::Cbor => Page::of_cbor(answer)?,
                };
                if page.records == 0 {
                    if found.ended == 0 {
                        (found.ended, found.whole) = (1, round);
                    }
                    break;
                }
                round += page.records;
                found.records += page.records;
                found.bytes += page.bytes;
                iterator.clear();
                iterator.push_str(page.next.context("the shard is open")?);
            }
        }
    }

    fn request(self, iterator: &str) -> Request {
        let limit = self.limit;
        match self.form {
            Form::Json => Request::new("GetRecords", format!("{{\"ShardIterator\":\"{iterator}\",\"Limit\":{limit}}}")),
            Form::Cbor => {
                let mut body = Encoder::new(Vec::new());
                let members = body.map(2).expect(INFALLIBLE);
                members.str("ShardIterator").and_then(|members| members.str(iterator)).expect(INFALLIBLE);
                members.str("Limit").and_then(|members| members.u32(limit)).expect(INFALLIBLE);
                Request::cbor("GetRecords", body.into_writer())
            }
        }
    }
}

const INFALLIBLE: &str = "writing to memory does not fail";
