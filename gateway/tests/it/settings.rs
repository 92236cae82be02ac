//! What streams are told to be, as the AWS SDK for Rust sees it.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::ProvideErrorMetadata;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{
    EncryptionType, MetricsName, MinimumThroughputBillingCommitmentInput,
    MinimumThroughputBillingCommitmentInputStatus, PutRecordsRequestEntry, RecordDistributionStrategy,
    ShardIteratorType, StreamDescriptionSummary, StreamMode, StreamModeDetails,
};

use crate::kinesis::client;
use crate::server::Server;

const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/s";

async fn start(shards: Option<i32>) -> (Server, Client) {
    let server = Server::start().await;
    let client = client(&server);
    client.create_stream().stream_name("s").set_shard_count(shards).send().await.unwrap();
    (server, client)
}

async fn summary(client: &Client) -> StreamDescriptionSummary {
    client.describe_stream_summary().stream_name("s").send().await.unwrap().stream_description_summary.unwrap()
}

fn mode(mode: StreamMode) -> StreamModeDetails {
    StreamModeDetails::builder().stream_mode(mode).build().unwrap()
}

async fn readable(client: &Client) -> Vec<String> {
    let iterator = client.get_shard_iterator().stream_name("s").shard_id("shardId-000000000000");
    let iterator = iterator.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.unwrap();
    let batch = client.get_records().set_shard_iterator(iterator.shard_iterator).send().await.unwrap();
    batch.records.into_iter().map(|record| String::from_utf8(record.data.into_inner()).unwrap()).collect()
}

#[tokio::test]
async fn retention_goes_up_and_down_and_what_is_past_it_is_not_read() {
    let (server, client) = start(Some(1)).await;
    let put = |text: &'static str| client.put_record().stream_name("s").partition_key("k").data(Blob::new(text)).send();
    let increase =
        |hours| client.increase_stream_retention_period().stream_name("s").retention_period_hours(hours).send();
    let decrease =
        |hours| client.decrease_stream_retention_period().stream_arn(ARN).retention_period_hours(hours).send();
    increase(8760).await.unwrap();
    assert_eq!(summary(&client).await.retention_period_hours, 8760);
    put("old").await.unwrap();
    server.clock.advance(Duration::from_secs(30 * 3600));
    put("young").await.unwrap();
    assert_eq!(readable(&client).await, ["old", "young"]);
    for hours in [8761, 23, 8000] {
        let refused = increase(hours).await.unwrap_err().into_service_error();
        assert!(refused.is_invalid_argument_exception(), "{hours}: {refused:?}");
    }
    decrease(24).await.unwrap();
    assert_eq!(readable(&client).await, ["young"]);
    for hours in [25, 23] {
        let refused = decrease(hours).await.unwrap_err().into_service_error();
        assert!(refused.is_invalid_argument_exception(), "{hours}: {refused:?}");
    }
    increase(48).await.unwrap();
    assert_eq!(readable(&client).await, ["young"], "what was gone stays gone");
}

#[tokio::test]
async fn records_may_be_as_large_as_the_stream_says() {
    let (_server, client) = start(Some(1)).await;
    let put = |bytes| client.put_record().stream_name("s").partition_key("k").data(Blob::new(vec![7; bytes])).send();
    assert_eq!(put(1 << 20).await.unwrap_err().into_service_error().code(), Some("ValidationException"));
    client.update_max_record_size().stream_arn(ARN).max_record_size_in_kib(10_240).send().await.unwrap();
    assert_eq!(summary(&client).await.max_record_size_in_kib, Some(10_240));
    put((10 << 20) - 1).await.unwrap();
    for kib in [1023, 10_241] {
        let refused = client.update_max_record_size().stream_arn(ARN).max_record_size_in_kib(kib).send().await;
        assert!(refused.unwrap_err().into_service_error().is_validation_exception(), "{kib}");
    }
}

#[tokio::test]
async fn modes_change_twice_a_day_and_warm_throughput_makes_shards() {
    let (server, client) = start(Some(2)).await;
    let update = |to, mibps| {
        client
            .update_stream_mode()
            .stream_arn(ARN)
            .stream_mode_details(mode(to))
            .set_warm_throughput_mibps(mibps)
            .send()
    };
    let warm = |mibps| client.update_stream_warm_throughput().stream_name("s").warm_throughput_mibps(mibps).send();
    assert!(warm(8).await.unwrap_err().into_service_error().is_validation_exception(), "not for provisioned streams");
    let refused = update(StreamMode::Provisioned, Some(4)).await.unwrap_err().into_service_error();
    assert!(refused.is_invalid_argument_exception(), "{refused:?}");
    update(StreamMode::OnDemand, Some(6)).await.unwrap();
    let found = summary(&client).await;
    assert_eq!(found.stream_mode_details.unwrap().stream_mode, StreamMode::OnDemand);
    assert_eq!(found.open_shard_count, 6);
    assert_eq!(found.record_distribution_strategy, Some(RecordDistributionStrategy::UserPartitionKey));
    for (mibps, shards) in [(9, 9), (0, 4), (5, 5)] {
        let answer = warm(mibps).await.unwrap().warm_throughput.unwrap();
        assert_eq!((answer.target_mibps, answer.current_mibps), (Some(mibps), Some(mibps)));
        assert_eq!(summary(&client).await.open_shard_count, shards);
    }
    assert!(warm(10_241).await.unwrap_err().into_service_error().is_limit_exceeded_exception());
    update(StreamMode::OnDemand, None).await.unwrap();
    update(StreamMode::Provisioned, None).await.unwrap();
    let found = summary(&client).await;
    assert_eq!((found.open_shard_count, found.warm_throughput), (5, None));
    let third = update(StreamMode::OnDemand, None).await.unwrap_err().into_service_error();
    assert!(third.is_limit_exceeded_exception(), "{third:?}");
    server.clock.advance(Duration::from_secs(24 * 3600));
    update(StreamMode::OnDemand, None).await.unwrap();
}

#[tokio::test]
async fn tags_are_kept_by_both_families_of_operations() {
    let (_server, client) = start(Some(1)).await;
    let add = |tags: Vec<(String, String)>| {
        client.add_tags_to_stream().stream_name("s").set_tags(Some(tags.into_iter().collect())).send()
    };
    let tag = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    add(vec![tag("team", "rides"), tag("stage", ""), tag("größe", "1 + 1 = @2")]).await.unwrap();
    client.tag_resource().resource_arn(ARN).tags("team", "unicorns").tags("cost", "42").send().await.unwrap();
    let pages = async |limit: i32| {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = client.list_tags_for_stream().stream_name("s").limit(limit).set_exclusive_start_tag_key(after);
            let page = page.send().await.unwrap();
            assert!(page.tags.len() <= limit as usize);
            found.extend(page.tags.into_iter().map(|tag| (tag.key, tag.value.unwrap())));
            if !page.has_more_tags {
                return found;
            }
            after = found.last().map(|(key, _)| key.clone());
        }
    };
    let all = [tag("cost", "42"), tag("größe", "1 + 1 = @2"), tag("stage", ""), tag("team", "unicorns")];
    assert_eq!(pages(1).await, all);
    assert_eq!(pages(50).await, all);
    let listed = client.list_tags_for_resource().resource_arn(ARN).send().await.unwrap().tags.unwrap();
    assert_eq!(listed.len(), 4);
    client.remove_tags_from_stream().stream_arn(ARN).tag_keys("team").tag_keys("nothing").send().await.unwrap();
    client.untag_resource().resource_arn(ARN).tag_keys("cost").send().await.unwrap();
    assert_eq!(pages(50).await, all[1..3]);

    let many = (0..49).map(|i| tag(&format!("key-{i}"), "x")).collect();
    let refused = add(many).await.unwrap_err().into_service_error();
    assert!(refused.is_invalid_argument_exception(), "51 tags: {refused:?}");
    assert_eq!(pages(50).await, all[1..3], "refused whole");
    for (bad, code) in [
        (tag("a*b", "x"), "InvalidArgumentException"),
        (tag("aws:mine", "x"), "InvalidArgumentException"),
        (tag("k", "a%b"), "InvalidArgumentException"),
        (tag("", "x"), "ValidationException"),
        (tag("k", &"x".repeat(257)), "ValidationException"),
    ] {
        let refused = add(vec![bad.clone()]).await.unwrap_err().into_service_error();
        assert_eq!(refused.code(), Some(code), "{bad:?}");
    }
}

#[tokio::test]
async fn streams_are_created_with_all_that_can_be_said_of_them() {
    let server = Server::start().await;
    let client = client(&server);
    let create = client.create_stream().stream_name("s").stream_mode_details(mode(StreamMode::OnDemand));
    let create = create.warm_throughput_mibps(7).max_record_size_in_kib(2048).tags("team", "rides");
    create.record_distribution_strategy(RecordDistributionStrategy::UserPartitionKey).send().await.unwrap();
    let found = summary(&client).await;
    assert_eq!((found.open_shard_count, found.max_record_size_in_kib), (7, Some(2048)));
    assert_eq!(found.warm_throughput.unwrap().target_mibps, Some(7));
    let tags = client.list_tags_for_resource().resource_arn(ARN).send().await.unwrap().tags.unwrap();
    assert_eq!((tags[0].key.as_str(), tags[0].value.as_deref()), ("team", Some("rides")));
    let auto =
        client.create_stream().stream_name("auto").record_distribution_strategy(RecordDistributionStrategy::Auto);
    assert!(auto.send().await.unwrap_err().into_service_error().is_invalid_argument_exception());
    let auto = client.update_stream_record_distribution_strategy().stream_arn(ARN);
    let auto = auto.record_distribution_strategy(RecordDistributionStrategy::Auto).send().await.unwrap_err();
    assert!(auto.into_service_error().is_invalid_argument_exception());
    let many: HashMap<_, _> = (0..51).map(|i| (format!("{i}"), String::new())).collect();
    let refused = client.create_stream().stream_name("many").shard_count(1).set_tags(Some(many)).send().await;
    assert!(refused.unwrap_err().into_service_error().is_invalid_argument_exception());
    assert_eq!(client.list_streams().send().await.unwrap().stream_names, ["s"], "nothing is made of what is refused");
}

#[tokio::test]
async fn consumers_are_registered_found_and_taken_off() {
    let (server, client) = start(Some(1)).await;
    let register = |name: &str| client.register_stream_consumer().stream_arn(ARN).consumer_name(name).send();
    let registered = register("c").await.unwrap().consumer.unwrap();
    assert_eq!(registered.consumer_arn, format!("{ARN}/consumer/c:1700000000"));
    assert_eq!(registered.consumer_status.as_str(), "ACTIVE");
    assert!(register("c").await.unwrap_err().into_service_error().is_resource_in_use_exception());
    let by_arn = client.describe_stream_consumer().consumer_arn(&registered.consumer_arn).send().await.unwrap();
    let by_arn = by_arn.consumer_description.unwrap();
    assert_eq!((by_arn.consumer_name.as_str(), by_arn.stream_arn.as_str()), ("c", ARN));
    let by_name = client.describe_stream_consumer().stream_arn(ARN).consumer_name("c").send().await.unwrap();
    assert_eq!(by_name.consumer_description.unwrap(), by_arn);
    assert_eq!(summary(&client).await.consumer_count, Some(1));

    client.tag_resource().resource_arn(&registered.consumer_arn).tags("team", "rides").send().await.unwrap();
    let tags =
        client.list_tags_for_resource().resource_arn(&registered.consumer_arn).send().await.unwrap().tags.unwrap();
    assert_eq!(tags[0].key, "team");
    assert!(client.list_tags_for_stream().stream_name("s").send().await.unwrap().tags.is_empty());

    let in_use = client.delete_stream().stream_name("s").send().await.unwrap_err().into_service_error();
    assert!(in_use.is_resource_in_use_exception(), "{in_use:?}");
    client.deregister_stream_consumer().consumer_arn(&registered.consumer_arn).send().await.unwrap();
    let gone = client.describe_stream_consumer().stream_arn(ARN).consumer_name("c").send().await.unwrap_err();
    assert!(gone.into_service_error().is_resource_not_found_exception());
    let again = register("c").await.unwrap().consumer.unwrap();
    assert_ne!(again.consumer_arn, registered.consumer_arn, "an ARN never means two consumers");
    let old = client.describe_stream_consumer().consumer_arn(&registered.consumer_arn).send().await.unwrap_err();
    assert!(old.into_service_error().is_resource_not_found_exception());

    for i in 0..19 {
        let name = format!("other-{i:02}");
        let tagged = client.register_stream_consumer().stream_arn(ARN).consumer_name(name).tags("n", "1");
        tagged.send().await.unwrap();
    }
    assert!(register("one-more").await.unwrap_err().into_service_error().is_limit_exceeded_exception());
    let list = client.list_stream_consumers().stream_arn(ARN);
    let page = list.clone().max_results(15).send().await.unwrap();
    let token = page.next_token.unwrap();
    assert_eq!(page.consumers.unwrap().len(), 15);
    let rest = list.clone().next_token(&token).send().await.unwrap();
    assert_eq!((rest.consumers.unwrap().len(), rest.next_token), (5, None));
    let garbled = list.clone().next_token("garbled").send().await.unwrap_err().into_service_error();
    assert!(garbled.is_invalid_argument_exception(), "{garbled:?}");
    server.clock.advance(Duration::from_secs(301));
    let late = list.next_token(&token).send().await.unwrap_err().into_service_error();
    assert!(late.is_expired_next_token_exception(), "{late:?}");
    client.delete_stream().stream_name("s").enforce_consumer_deletion(true).send().await.unwrap();
}

#[tokio::test]
async fn policies_are_kept_word_for_word() {
    let (_server, client) = start(Some(1)).await;
    let consumer = client.register_stream_consumer().stream_arn(ARN).consumer_name("c").send().await.unwrap();
    let consumer_arn = consumer.consumer.unwrap().consumer_arn;
    let policy = r#"{ "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": ["kinesis:GetRecords"], "Resource": "*"}] }"#;
    for arn in [ARN, consumer_arn.as_str()] {
        let get = async || client.get_resource_policy().resource_arn(arn).send().await.unwrap().policy;
        assert_eq!(get().await, "{}");
        client.put_resource_policy().resource_arn(arn).policy(policy).send().await.unwrap();
        assert_eq!(get().await, policy);
        let refused = client.put_resource_policy().resource_arn(arn).policy("{}").send().await.unwrap_err();
        assert!(refused.into_service_error().is_invalid_argument_exception());
        assert_eq!(get().await, policy);
        client.delete_resource_policy().resource_arn(arn).send().await.unwrap();
        assert_eq!(get().await, "{}");
        let none = client.delete_resource_policy().resource_arn(arn).send().await.unwrap_err();
        assert!(none.into_service_error().is_resource_not_found_exception());
    }
    let missing = client.get_resource_policy().resource_arn(ARN.replace("/s", "/no")).send().await.unwrap_err();
    assert!(missing.into_service_error().is_resource_not_found_exception());
}

#[tokio::test]
async fn shard_metrics_are_switched_and_shown() {
    let (_server, client) = start(Some(1)).await;
    let all = client.enable_enhanced_monitoring().stream_name("s").shard_level_metrics(MetricsName::All).send();
    let all = all.await.unwrap();
    assert_eq!(all.current_shard_level_metrics(), []);
    assert_eq!(all.desired_shard_level_metrics().len(), 7);
    let off = client.disable_enhanced_monitoring().stream_arn(ARN);
    let off = off.shard_level_metrics(MetricsName::IncomingBytes).shard_level_metrics(MetricsName::OutgoingBytes);
    let off = off.send().await.unwrap();
    assert_eq!((off.current_shard_level_metrics().len(), off.desired_shard_level_metrics().len()), (7, 5));
    let shown = client.describe_stream().stream_name("s").send().await.unwrap().stream_description.unwrap();
    assert_eq!(shown.enhanced_monitoring[0].shard_level_metrics(), off.desired_shard_level_metrics());
    let wrong = client.enable_enhanced_monitoring().stream_name("s").shard_level_metrics("Nothing".into()).send().await;
    assert_eq!(wrong.unwrap_err().into_service_error().code(), Some("ValidationException"));
}

#[tokio::test]
async fn limits_and_account_settings_say_what_holds() {
    let (_server, client) = start(None).await;
    client.create_stream().stream_name("t").shard_count(3).send().await.unwrap();
    let limits = client.describe_limits().send().await.unwrap();
    assert_eq!((limits.open_shard_count, limits.on_demand_stream_count), (7, 1));
    assert!(limits.shard_limit >= 10_000 && limits.on_demand_stream_count_limit > 1);
    let account = client.describe_account_settings().send().await.unwrap();
    assert_eq!(account.minimum_throughput_billing_commitment.unwrap().status.as_str(), "DISABLED");
    let update = |status| {
        let commitment = MinimumThroughputBillingCommitmentInput::builder().status(status).build().unwrap();
        client.update_account_settings().minimum_throughput_billing_commitment(commitment).send()
    };
    update(MinimumThroughputBillingCommitmentInputStatus::Disabled).await.unwrap();
    let refused =
        update(MinimumThroughputBillingCommitmentInputStatus::Enabled).await.unwrap_err().into_service_error();
    assert!(refused.is_invalid_argument_exception(), "{refused:?}");
}

#[tokio::test]
async fn encryption_begins_changes_its_key_and_ends() {
    let (_server, client) = start(Some(1)).await;
    let begin = |key: &str| {
        client.start_stream_encryption().stream_name("s").encryption_type(EncryptionType::Kms).key_id(key).send()
    };
    let end = |key: &str| {
        client.stop_stream_encryption().stream_arn(ARN).encryption_type(EncryptionType::Kms).key_id(key).send()
    };
    let shown = async || {
        let stream = client.describe_stream().stream_name("s").send().await.unwrap().stream_description.unwrap();
        let summary = summary(&client).await;
        assert_eq!((&summary.encryption_type, &summary.key_id), (&stream.encryption_type, &stream.key_id));
        let put = client.put_record().stream_name("s").partition_key("k").data(Blob::new("a")).send().await.unwrap();
        let entry = PutRecordsRequestEntry::builder().partition_key("k").data(Blob::new("b")).build().unwrap();
        let puts = client.put_records().stream_name("s").records(entry).send().await.unwrap();
        let encrypted = stream.encryption_type.clone().filter(|kind| *kind == EncryptionType::Kms);
        assert_eq!((&put.encryption_type, &puts.encryption_type), (&encrypted, &encrypted));
        let iterator = client.get_shard_iterator().stream_name("s").shard_id("shardId-000000000000");
        let iterator = iterator.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.unwrap();
        let read = client.get_records().set_shard_iterator(iterator.shard_iterator).send().await.unwrap();
        assert!(!read.records.is_empty());
        assert!(read.records.iter().all(|record| record.encryption_type == encrypted), "{read:?}");
        (stream.encryption_type.unwrap(), stream.key_id)
    };
    assert_eq!(shown().await, (EncryptionType::None, None));
    assert!(end("alias/one").await.unwrap_err().into_service_error().is_invalid_argument_exception());
    for unknown in ["alias/none", "arn:aws:kms:eu-west-1:000000000000:alias/one"] {
        let refused = begin(unknown).await.unwrap_err().into_service_error();
        assert!(refused.is_kms_not_found_exception(), "{refused:?}");
    }
    assert!(begin("arn:aws:s3:::bucket").await.unwrap_err().into_service_error().is_invalid_argument_exception());
    assert_eq!(shown().await, (EncryptionType::None, None));

    for (given, name) in [
        ("alias/one", "alias/one"),
        ("alias/one", "alias/one"),
        ("arn:aws:kms:us-east-1:000000000000:key/11-22", "11-22"),
        ("arn:aws:kms:us-east-1:000000000000:alias/one", "alias/one"),
    ] {
        begin(given).await.unwrap();
        assert_eq!(shown().await, (EncryptionType::Kms, Some(name.to_owned())));
    }
    assert!(end("11-22").await.unwrap_err().into_service_error().is_invalid_argument_exception());
    assert_eq!(shown().await.0, EncryptionType::Kms);
    end("alias/one").await.unwrap();
    assert_eq!(shown().await, (EncryptionType::None, None));
}
