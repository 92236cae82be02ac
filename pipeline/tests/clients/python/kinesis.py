"""What boto3 sees: python3 kinesis.py ENDPOINT. The steps are those of ../README.md."""

import sys
import time
import uuid

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

client = boto3.client(
    "kinesis",
    endpoint_url=sys.argv[1],
    region_name="us-east-1",
    aws_access_key_id="key",
    aws_secret_access_key="secret-of-the-tests",
    config=Config(retries={"total_max_attempts": 1}),
)
name = f"boto3-{uuid.uuid4().hex[:8]}"
FIRST, SECOND = "shardId-000000000000", "shardId-000000000001"
MIDDLE = 1 << 127  # where two even shards meet
LAST = (1 << 128) - 1


def refused(code, operation, **arguments):
    try:
        operation(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error
    else:
        raise AssertionError(f"expected {code}")


def eventually(look):
    for _ in range(300):
        if found := look():
            return found
        time.sleep(0.1)
    raise AssertionError("not within 30 s")


def active():
    summary = client.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    return summary if summary["StreamStatus"] == "ACTIVE" else None


def shards():
    return {shard["ShardId"]: shard for shard in client.list_shards(StreamName=name)["Shards"]}


def put(data, key="k", at=0):
    return client.put_record(StreamName=name, Data=data, PartitionKey=key, ExplicitHashKey=str(at))


def iterator(shard, kind, **more):
    answer = client.get_shard_iterator(StreamName=name, ShardId=shard, ShardIteratorType=kind, **more)
    return answer["ShardIterator"]


def read(shard, kind="TRIM_HORIZON", **more):
    """What is there now, and how the last batch ended."""
    records, place = [], iterator(shard, kind, **more)
    while True:
        batch = client.get_records(ShardIterator=place, Limit=300)
        records += batch["Records"]
        place = batch.get("NextShardIterator")
        if place is None or batch["MillisBehindLatest"] == 0:
            return records, batch


def data(records):
    return [record["Data"] for record in records]


def ends_with(batch, parents, ranges):
    """A closed shard ends with its children, and names their parents and hash ranges."""
    assert "NextShardIterator" not in batch, batch
    children = batch["ChildShards"]
    assert all(sorted(child["ParentShards"]) == parents for child in children), children
    found = [(int(c["HashKeyRange"]["StartingHashKey"]), int(c["HashKeyRange"]["EndingHashKey"])) for c in children]
    assert sorted(found) == ranges, found
    return [child["ShardId"] for child in sorted(children, key=lambda c: int(c["HashKeyRange"]["StartingHashKey"]))]


def create():
    client.create_stream(StreamName=name, ShardCount=2)
    eventually(active)
    client.get_waiter("stream_exists").wait(StreamName=name)
    refused("ResourceInUseException", client.create_stream, StreamName=name, ShardCount=2)
    names = [found for page in client.get_paginator("list_streams").paginate() for found in page["StreamNames"]]
    assert name in names, names


def describe():
    described = client.describe_stream(StreamName=name)["StreamDescription"]
    assert described["StreamName"] == name and described["RetentionPeriodHours"] == 24, described
    assert described["EncryptionType"] == "NONE" and not described["HasMoreShards"], described
    ranges = [(int(s["HashKeyRange"]["StartingHashKey"]), int(s["HashKeyRange"]["EndingHashKey"])) for s in described["Shards"]]
    assert ranges == [(0, MIDDLE - 1), (MIDDLE, LAST)], ranges
    summary = client.describe_stream_summary(StreamARN=described["StreamARN"])["StreamDescriptionSummary"]
    assert summary["OpenShardCount"] == 2 and summary["StreamName"] == name, summary
    assert list(shards().values()) == described["Shards"]
    return described["StreamARN"]


def put_and_iterate():
    first, second = put(b"\x00one\xff", "clé"), put(b"")
    assert first["ShardId"] == second["ShardId"] == FIRST
    assert int(first["SequenceNumber"]) < int(second["SequenceNumber"])
    records, batch = read(FIRST)
    assert data(records) == [b"\x00one\xff", b""] and batch["NextShardIterator"], batch
    assert records[0]["PartitionKey"] == "clé" and "EncryptionType" not in records[0], records
    assert records[0]["SequenceNumber"] == first["SequenceNumber"], records
    assert data(read(FIRST, "AT_SEQUENCE_NUMBER", StartingSequenceNumber=second["SequenceNumber"])[0]) == [b""]
    assert data(read(FIRST, "AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=first["SequenceNumber"])[0]) == [b""]
    assert len(read(FIRST, "AT_TIMESTAMP", Timestamp=records[0]["ApproximateArrivalTimestamp"])[0]) == 2
    latest = iterator(FIRST, "LATEST")
    third = put(b"three")
    late = client.get_records(ShardIterator=latest)["Records"]
    assert [record["SequenceNumber"] for record in late] == [third["SequenceNumber"]], late

    entries = [{"Data": b"%d" % i, "PartitionKey": f"key-{i}"} for i in range(500)]
    many = client.put_records(StreamName=name, Records=entries)
    assert many["FailedRecordCount"] == 0 and len(many["Records"]) == 500
    found = {shard: read(shard)[0] for shard in (FIRST, SECOND)}
    assert data(found[FIRST])[:3] == [b"\x00one\xff", b"", b"three"]
    numbers = [int(record["SequenceNumber"]) for record in found[FIRST]]
    assert numbers == sorted(set(numbers))
    for shard, skip in ((FIRST, 3), (SECOND, 0)):
        there = [(r["SequenceNumber"], r["PartitionKey"], r["Data"]) for r in found[shard][skip:]]
        sent = zip(entries, many["Records"])
        assert there == [(r["SequenceNumber"], e["PartitionKey"], e["Data"]) for e, r in sent if r["ShardId"] == shard]
        assert len(there) > 200


def split_and_merge():
    put(b"before")
    client.split_shard(StreamName=name, ShardToSplit=FIRST, NewStartingHashKey=str(MIDDLE // 2))
    assert eventually(active)["OpenShardCount"] == 3
    put(b"between")
    records, batch = read(FIRST)
    assert records[-1]["Data"] == b"before", records[-1]
    low, high = ends_with(batch, [FIRST], [(0, MIDDLE // 2 - 1), (MIDDLE // 2, MIDDLE - 1)])
    assert "EndingSequenceNumber" in shards()[FIRST]["SequenceNumberRange"]
    assert shards()[low]["ParentShardId"] == shards()[high]["ParentShardId"] == FIRST

    client.merge_shards(StreamName=name, ShardToMerge=low, AdjacentShardToMerge=high)
    assert eventually(active)["OpenShardCount"] == 2
    after = put(b"after")
    middle, batch = read(low)
    (merged,) = ends_with(batch, [low, high], [(0, MIDDLE - 1)])
    assert after["ShardId"] == merged and shards()[merged]["ParentShardId"] == low
    assert shards()[merged]["AdjacentParentShardId"] == high
    lineage = [r for r in records + middle + read(merged)[0] if r["PartitionKey"] == "k"]
    assert data(lineage)[-3:] == [b"before", b"between", b"after"], lineage[-3:]
    numbers = [int(record["SequenceNumber"]) for record in lineage]
    assert numbers == sorted(set(numbers))
    refused("InvalidArgumentException", client.merge_shards, StreamName=name, ShardToMerge=merged, AdjacentShardToMerge=low)
    return merged


def subscribe(arn, merged):
    consumer = client.register_stream_consumer(StreamARN=arn, ConsumerName="c")["Consumer"]["ConsumerARN"]
    describe = lambda: client.describe_stream_consumer(ConsumerARN=consumer)["ConsumerDescription"]
    assert eventually(lambda: describe()["ConsumerStatus"] == "ACTIVE") and describe()["StreamARN"] == arn
    assert [c["ConsumerName"] for c in client.list_stream_consumers(StreamARN=arn)["Consumers"]] == ["c"]

    def events(shard, **position):
        answer = client.subscribe_to_shard(ConsumerARN=consumer, ShardId=shard, StartingPosition=position)
        return answer["EventStream"]

    pushed, last = [], None
    for event in events(FIRST, Type="TRIM_HORIZON"):
        last = event["SubscribeToShardEvent"]
        pushed += last["Records"]
    assert data(pushed) == data(read(FIRST)[0])
    children = [child["ShardId"] for child in last["ChildShards"]]
    assert len(children) == 2 and all(shards()[child]["ParentShardId"] == FIRST for child in children), last

    stream = events(merged, Type="LATEST")
    sent = put(b"pushed")
    for event in stream:
        records = event["SubscribeToShardEvent"]["Records"]
        assert event["SubscribeToShardEvent"]["ContinuationSequenceNumber"], event
        if records:
            assert [(r["SequenceNumber"], r["Data"]) for r in records] == [(sent["SequenceNumber"], b"pushed")], records
            break
    refused("ResourceInUseException", events, shard=merged, Type="LATEST")  # a second one within 5 s
    stream.close()
    client.deregister_stream_consumer(ConsumerARN=consumer)

    def gone():
        try:
            describe()
        except client.exceptions.ResourceNotFoundException:
            return True

    eventually(gone)


def errors():
    entry = {"Data": b"x", "PartitionKey": "k"}
    refused("ResourceNotFoundException", client.put_record, StreamName=name + "-no", Data=b"", PartitionKey="k")
    refused("InvalidArgumentException", client.get_records, ShardIterator="garbled")
    refused("ValidationException", client.put_records, StreamName=name, Records=[entry] * 501)
    refused("ValidationException", client.put_record, StreamName=name, Data=b"x" * (1 << 20), PartitionKey="k")


def delete():
    client.delete_stream(StreamName=name, EnforceConsumerDeletion=True)
    client.get_waiter("stream_not_exists").wait(StreamName=name)
    refused("ResourceNotFoundException", client.describe_stream, StreamName=name)


create()
arn = describe()
put_and_iterate()
merged = split_and_merge()
subscribe(arn, merged)
errors()
delete()
print(f"boto3 {boto3.__version__}: ok")
