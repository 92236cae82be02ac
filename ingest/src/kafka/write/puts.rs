//! Records on their way in: which are taken, by which shard, and what is answered for each.

use model::stream::record::{Appended, PutEntry};
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;
use model::stream::store::{AppendError, AppendedBatch, StreamError};
use tracing::warn;

use crate::kafka::cluster::views::{Freshness, Outdated, Views};
use crate::kafka::streams::stream::{Stream, partition_number};
use crate::kafka::write::appender::{Appender, Refused};

/// Puts entries into the shards that their keys name, and waits until brokers have them.
pub(crate) async fn append(
    appender: &Appender,
    views: &Views,
    stream: &Stream,
    entries: Vec<PutEntry>,
) -> Result<AppendedBatch, StreamError> {
    let name = &stream.name;
    // The shard map stays as it is until brokers have answered.
    let _gate = stream.gate.read().await;
    stream.check()?;
    let description = stream.description();
    let mut results: Vec<Option<AppendError>> = Vec::with_capacity(entries.len());
    let mut taken: Vec<(i32, PutEntry)> = Vec::with_capacity(entries.len());
    for entry in entries {
        let refused = description.settings.check(&entry).err();
        if refused.is_none() {
            let shard = description.shards.route(entry.hash_key());
            taken.push((partition_number(shard), entry));
        }
        results.push(refused);
    }
    let answers = appender.append(name.as_str(), &taken).await;
    let freshness = views.fresh().await;
    let mut unanswered = answers.iter().filter_map(|answer| match answer {
        Err(Refused::Unanswered(reason)) => Some(reason),
        _ => None,
    });
    if let Some(reason) = unanswered.next() {
        warn!(stream = %name, entries = unanswered.count() + 1, reason, "entries were not acknowledged in time");
    }
    let mut answers = taken.iter().zip(answers).map(|((partition, _), answer)| {
        let shard = ShardId(*partition as u32);
        match answer {
            Ok(delivered) => {
                let base = description.shards.get(shard).expect("an open shard is in the map").first;
                let sequence_number = base.plus(delivered.offset);
                kept(freshness, stream, shard, sequence_number)
                    .map_err(|reason| AppendError::Unanswered { shard, reason })?;
                stream.acknowledge(shard, sequence_number);
                Ok(Appended { shard, sequence_number, arrived_at: delivered.arrived_at })
            }
            Err(Refused::Full) => Err(AppendError::Throttled { shard }),
            Err(Refused::Unanswered(reason)) => Err(AppendError::Unanswered { shard, reason }),
        }
    });
    let one = |refused: Option<AppendError>| match refused {
        Some(error) => Err(error),
        None => answers.next().expect("the appender answers for every entry"),
    };
    let results = results.into_iter().map(one).collect();
    Ok(AppendedBatch { stream: description, results })
}

/// Whether a record that the brokers have taken will be read. Error: its shard may have been closed too long before for that.
fn kept(
    freshness: Result<Freshness, Outdated>,
    stream: &Stream,
    shard: ShardId,
    number: SequenceNumber,
) -> Result<(), String> {
    match freshness {
        Ok(Freshness::Fresh) => Ok(()),
        Ok(Freshness::Renewed) if stream.is_kept(shard, number) => Ok(()),
        Ok(Freshness::Renewed) => Err("another process has closed the shard".to_owned()),
        Err(outdated) => Err(outdated.to_string()),
    }
}
