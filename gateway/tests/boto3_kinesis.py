"""What boto3 sees: python3 boto3_kinesis.py ENDPOINT prints "ok" when all holds."""

import sys
import uuid

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

client = boto3.client(
    "kinesis",
    endpoint_url=sys.argv[1],
    region_name="us-east-1",
    aws_access_key_id="key",
    aws_secret_access_key="secret",
    config=Config(retries={"total_max_attempts": 1}),
)
name = f"boto3-{uuid.uuid4().hex[:8]}"
shard = "shardId-000000000000"


def refused(code, operation, **arguments):
    try:
        operation(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error
    else:
        raise AssertionError(f"expected {code}")


def read(kind, **more):
    iterator = client.get_shard_iterator(StreamName=name, ShardId=shard, ShardIteratorType=kind, **more)["ShardIterator"]
    assert len(iterator) <= 512
    batch = client.get_records(ShardIterator=iterator)
    assert batch["MillisBehindLatest"] == 0 and batch["NextShardIterator"], batch
    return batch["Records"]


client.create_stream(StreamName=name, ShardCount=1)
client.get_waiter("stream_exists").wait(StreamName=name)
refused("ResourceInUseException", client.create_stream, StreamName=name, ShardCount=1)
try:
    first = client.put_record(StreamName=name, Data=b"\x00one\xff", PartitionKey="clé")
    second = client.put_record(StreamName=name, Data=b"", PartitionKey="k", ExplicitHashKey="0")
    assert first["ShardId"] == shard and int(first["SequenceNumber"]) < int(second["SequenceNumber"])
    records = read("TRIM_HORIZON")
    assert [record["Data"] for record in records] == [b"\x00one\xff", b""], records
    assert records[0]["PartitionKey"] == "clé" and "EncryptionType" not in records[0], records
    assert records[0]["SequenceNumber"] == first["SequenceNumber"], records
    assert read("LATEST") == []
    assert len(read("AT_SEQUENCE_NUMBER", StartingSequenceNumber=first["SequenceNumber"])) == 2
    assert len(read("AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=first["SequenceNumber"])) == 1
    assert len(read("AT_TIMESTAMP", Timestamp=records[0]["ApproximateArrivalTimestamp"])) == 2

    entry = {"Data": b"x" * 100, "PartitionKey": "k"}
    many = client.put_records(StreamName=name, Records=[entry] * 500)
    assert many["FailedRecordCount"] == 0 and len(many["Records"]) == 500
    assert len(read("TRIM_HORIZON")) == 502
    refused("ValidationException", client.put_records, StreamName=name, Records=[entry] * 501)
    refused("ValidationException", client.put_record, StreamName=name, Data=b"x" * (1 << 20), PartitionKey="k")
    refused("InvalidArgumentException", client.get_records, ShardIterator="garbled")
    refused("ResourceNotFoundException", client.put_record, StreamName=name + "-no", Data=b"", PartitionKey="k")

    names = [found for page in client.get_paginator("list_streams").paginate() for found in page["StreamNames"]]
    assert name in names, names
    described = client.describe_stream(StreamName=name)["StreamDescription"]
    assert described["StreamStatus"] == "ACTIVE" and len(described["Shards"]) == 1, described
    assert described["RetentionPeriodHours"] == 24 and described["EncryptionType"] == "NONE", described
    summary = client.describe_stream_summary(StreamARN=described["StreamARN"])["StreamDescriptionSummary"]
    assert summary["OpenShardCount"] == 1 and summary["StreamName"] == name, summary
    assert client.list_shards(StreamName=name)["Shards"] == described["Shards"]
finally:
    client.delete_stream(StreamName=name)
refused("ResourceNotFoundException", client.describe_stream, StreamName=name)
print("ok")
