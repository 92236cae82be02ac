//! What commands that produce say at the end: a receipt, or why records were not sent.

use crate::producer::report::Report;
use crate::producer::target::{ProduceError, Target};
use crate::producer::transport::CallError;
use crate::server::identity::Identity;
use serde_json::json;

use crate::failure::{Failure, Kind};
use crate::output::receipt;
use crate::output::row_printer::Output;
use crate::server::authorization::Authorization;
use crate::server::kinesis_client::KinesisClient;

/// Tells what was sent. Error: something was not taken, or was no record.
pub fn receipt(output: Output, stream: &str, report: &Report) -> anyhow::Result<()> {
    if report.failed > 0 || report.skipped > 0 {
        receipt::tell(output, &report.to_string(), &json!(report))?;
    } else {
        receipt::tell(output, &line(stream, report), &json!(report))?;
    }
    if report.failed > 0 {
        return Err(Failure::new(Kind::Failed, format!("{} records were not accepted", report.failed))
            .why(report.last_failure.clone().unwrap_or_else(|| "they were given up".to_owned()))
            .fix("send them again; the others are durable")
            .into());
    }
    if report.skipped > 0 {
        return Err(Failure::new(
            Kind::Usage,
            format!("{} lines are not records; the others were sent", report.skipped),
        )
        .why("each line must be a JSON object with the field that --key-field names")
        .fix("correct those lines, and send only them")
        .into());
    }
    Ok(())
}

/// `3 records  shardId-000000000001  seq 49..01 to 49..03  durable  1.8 ms`
fn line(stream: &str, report: &Report) -> String {
    let count = report.acknowledged;
    let records = format!("{count} {}", if count == 1 { "record" } else { "records" });
    let place = match &report.shards[..] {
        [] => format!("stream `{stream}`"),
        [only] if only.records == 1 => format!("{}  seq {}", only.shard, only.first_sequence_number),
        [only] => format!("{}  seq {}..{}", only.shard, only.first_sequence_number, only.last_sequence_number),
        shards => {
            format!("{} shards  {} to {}", shards.len(), shards[0].shard, shards[shards.len() - 1].shard)
        }
    };
    let pace = match count {
        0..=1 => format!("{:.1} ms", report.p50_millis),
        _ => format!("{:.0} records/s, p99 {:.1} ms", report.records_per_second, report.p99_millis),
    };
    format!("{records}  {place}  durable  {pace}")
}

/// Why a producer could not begin, and what to do.
pub async fn failure(error: ProduceError, target: &Target) -> anyhow::Error {
    let ProduceError::Target { stream, endpoint, source } = &error else { return begun(error) };
    let text = match source {
        CallError::Passing(text) | CallError::Final(text) => text.as_str(),
    };
    let what = format!("records cannot be sent to stream `{stream}` at {endpoint}");
    if text.starts_with("ResourceNotFoundException") {
        let missing = match Identity::find(target.profile.as_deref()).await {
            Ok(identity) => match KinesisClient::new(endpoint, Authorization::Signature(identity)) {
                Ok(client) => client.no_stream(stream).await,
                Err(_) => Failure::new(Kind::NotFound, what),
            },
            Err(_) => Failure::new(Kind::NotFound, what),
        };
        return missing.or_fix("or create it: --create-shards 1").into();
    }
    let (code, message) = text.split_once(": ").unwrap_or(("", text));
    match code {
        "AccessDeniedException"
        | "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "IncompleteSignatureException"
        | "MissingAuthenticationTokenException"
        | "ExpiredTokenException" => Failure::new(Kind::Refused, what)
            .why(format!("the server answers {code}: {message}"))
            .fix("sign with keys that the server knows: --profile, or the AWS variables")
            .into(),
        "dispatch failure" => {
            let why = text.split(": ").find(|part| part.contains("os error") || part.contains("certificate"));
            Failure::new(Kind::Unreachable, format!("no server answers at {endpoint}"))
                .why(why.unwrap_or(message).split(" (Dispatch").next().unwrap_or(message))
                .fix("start one with `gallop serve`, or name another one with --endpoint or AWS_ENDPOINT_URL")
                .into()
        }
        _ => Failure::new(Kind::Failed, what).why(text).fix("look at the server's log").into(),
    }
}

/// Any other reason.
fn begun(error: ProduceError) -> anyhow::Error {
    match error {
        ProduceError::Argument(what) if what.contains("cannot be read") => {
            let (file, why) = what.split_once(" cannot be read: ").unwrap_or((&what, "it cannot be read"));
            let fix = "name a file that exists, or - for standard input";
            Failure::new(Kind::NotFound, format!("{file} cannot be read")).why(why).fix(fix).into()
        }
        ProduceError::Argument(what) => Failure::new(Kind::Usage, what)
            .why("no producer can work like that")
            .fix("see gallop put --help and gallop sim --help")
            .into(),
        other => other.into(),
    }
}
