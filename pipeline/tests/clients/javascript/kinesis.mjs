// What the AWS SDK for JavaScript v3 sees: node kinesis.mjs ENDPOINT. The steps are those of ../README.md.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";
import { Kinesis, paginateListStreams } from "@aws-sdk/client-kinesis";

const client = new Kinesis({
  endpoint: process.argv[2],
  region: "us-east-1",
  credentials: { accessKeyId: "key", secretAccessKey: "secret-of-the-tests" },
  maxAttempts: 1,
});
const StreamName = `javascript-${randomUUID().slice(0, 8)}`;
const [FIRST, SECOND] = ["shardId-000000000000", "shardId-000000000001"];
const MIDDLE = 1n << 127n; // where two even shards meet
const LAST = (1n << 128n) - 1n;

const refused = (name, promise) => assert.rejects(promise, { name });
const bytes = (text) => Buffer.from(text, "latin1");
const text = (records) => records.map((record) => Buffer.from(record.Data).toString("latin1"));
const rising = (records) => {
  const numbers = records.map((record) => BigInt(record.SequenceNumber));
  assert(numbers.every((number, i) => i === 0 || numbers[i - 1] < number));
};
const rangeOf = ({ HashKeyRange: range }) => [BigInt(range.StartingHashKey), BigInt(range.EndingHashKey)];

async function eventually(look) {
  for (let i = 0; i < 300; i++) {
    const found = await look();
    if (found) return found;
    await sleep(100);
  }
  assert.fail("not within 30 s");
}

async function active() {
  const { StreamDescriptionSummary: summary } = await client.describeStreamSummary({ StreamName });
  return summary.StreamStatus === "ACTIVE" && summary;
}

async function shards() {
  const { Shards } = await client.listShards({ StreamName });
  return Object.fromEntries(Shards.map((shard) => [shard.ShardId, shard]));
}

const put = (data, PartitionKey = "k") =>
  client.putRecord({ StreamName, Data: bytes(data), PartitionKey, ExplicitHashKey: "0" });

async function iterator(ShardId, ShardIteratorType, more) {
  const answer = await client.getShardIterator({ StreamName, ShardId, ShardIteratorType, ...more });
  return answer.ShardIterator;
}

/** What is there now, and how the last batch ended. */
async function read(shard, type = "TRIM_HORIZON", more = {}) {
  const records = [];
  let place = await iterator(shard, type, more);
  for (;;) {
    const batch = await client.getRecords({ ShardIterator: place, Limit: 300 });
    records.push(...batch.Records);
    place = batch.NextShardIterator;
    if (!place || batch.MillisBehindLatest === 0) return [records, batch];
  }
}

/** A closed shard ends with its children, and names their parents and hash ranges. */
function endsWith(batch, parents, ranges) {
  assert.equal(batch.NextShardIterator, undefined);
  const children = batch.ChildShards.toSorted((a, b) => (rangeOf(a)[0] < rangeOf(b)[0] ? -1 : 1));
  for (const child of children) assert.deepEqual(child.ParentShards.toSorted(), parents);
  assert.deepEqual(children.map(rangeOf), ranges);
  return children.map((child) => child.ShardId);
}

async function create() {
  await client.createStream({ StreamName, ShardCount: 2 });
  await eventually(active);
  await refused("ResourceInUseException", client.createStream({ StreamName, ShardCount: 2 }));
  const names = [];
  for await (const page of paginateListStreams({ client }, {})) names.push(...page.StreamNames);
  assert(names.includes(StreamName));
}

async function describe() {
  const { StreamDescription: described } = await client.describeStream({ StreamName });
  assert.equal(described.RetentionPeriodHours, 24);
  assert.equal(described.EncryptionType, "NONE");
  assert(Math.abs(described.StreamCreationTimestamp - Date.now()) < 60_000);
  assert.deepEqual(described.Shards.map(rangeOf), [[0n, MIDDLE - 1n], [MIDDLE, LAST]]);
  const { StreamDescriptionSummary: summary } = await client.describeStreamSummary({ StreamARN: described.StreamARN });
  assert.deepEqual([summary.StreamName, summary.OpenShardCount], [StreamName, 2]);
  assert.deepEqual(Object.values(await shards()), described.Shards);
  return described.StreamARN;
}

async function putAndIterate() {
  const first = await put("\x00one\xff", "clé");
  const second = await put("");
  assert.deepEqual([first.ShardId, second.ShardId], [FIRST, FIRST]);
  rising([first, second]);
  const [records, batch] = await read(FIRST);
  assert(batch.NextShardIterator);
  assert.deepEqual(text(records), ["\x00one\xff", ""]);
  assert.equal(records[0].PartitionKey, "clé");
  assert.equal(records[0].SequenceNumber, first.SequenceNumber);
  const { SequenceNumber: one } = first;
  const { SequenceNumber: two } = second;
  const dataFrom = async (type, more) => text((await read(FIRST, type, more))[0]);
  assert.deepEqual(await dataFrom("AT_SEQUENCE_NUMBER", { StartingSequenceNumber: two }), [""]);
  assert.deepEqual(await dataFrom("AFTER_SEQUENCE_NUMBER", { StartingSequenceNumber: one }), [""]);
  assert.equal((await dataFrom("AT_TIMESTAMP", { Timestamp: records[0].ApproximateArrivalTimestamp })).length, 2);
  const latest = await iterator(FIRST, "LATEST");
  const third = await put("three");
  const { Records: late } = await client.getRecords({ ShardIterator: latest });
  assert.deepEqual(late.map((record) => record.SequenceNumber), [third.SequenceNumber]);

  const entries = Array.from({ length: 500 }, (_, i) => ({ Data: bytes(`${i}`), PartitionKey: `key-${i}` }));
  const many = await client.putRecords({ StreamName, Records: entries });
  assert.deepEqual([many.FailedRecordCount, many.Records.length], [0, 500]);
  for (const [shard, skip] of [[FIRST, 3], [SECOND, 0]]) {
    const [found] = await read(shard);
    rising(found);
    const sent = entries
      .map((entry, i) => ({ ...entry, ...many.Records[i] }))
      .filter((entry) => entry.ShardId === shard)
      .map((entry) => [entry.SequenceNumber, entry.PartitionKey, Buffer.from(entry.Data).toString()]);
    const there = found.slice(skip).map((r) => [r.SequenceNumber, r.PartitionKey, Buffer.from(r.Data).toString()]);
    assert.deepEqual(there, sent);
    assert(there.length > 200);
  }
}

async function splitAndMerge() {
  await put("before");
  await client.splitShard({ StreamName, ShardToSplit: FIRST, NewStartingHashKey: `${MIDDLE / 2n}` });
  assert.equal((await eventually(active)).OpenShardCount, 3);
  await put("between");
  const [records, batch] = await read(FIRST);
  assert.equal(text(records).at(-1), "before");
  const [low, high] = endsWith(batch, [FIRST], [[0n, MIDDLE / 2n - 1n], [MIDDLE / 2n, MIDDLE - 1n]]);
  let known = await shards();
  assert(known[FIRST].SequenceNumberRange.EndingSequenceNumber);
  assert.deepEqual([known[low].ParentShardId, known[high].ParentShardId], [FIRST, FIRST]);

  await client.mergeShards({ StreamName, ShardToMerge: low, AdjacentShardToMerge: high });
  assert.equal((await eventually(active)).OpenShardCount, 2);
  const after = await put("after");
  const [between, end] = await read(low);
  const [merged] = endsWith(end, [low, high], [[0n, MIDDLE - 1n]]);
  known = await shards();
  assert.deepEqual([after.ShardId, known[merged].ParentShardId, known[merged].AdjacentParentShardId], [merged, low, high]);
  const all = [...records, ...between, ...(await read(merged))[0]].filter((record) => record.PartitionKey === "k");
  assert.deepEqual(text(all).slice(-3), ["before", "between", "after"]);
  rising(all);
  const again = { StreamName, ShardToMerge: merged, AdjacentShardToMerge: low };
  await refused("InvalidArgumentException", client.mergeShards(again));
  return merged;
}

async function subscribe(StreamARN, merged) {
  const { Consumer } = await client.registerStreamConsumer({ StreamARN, ConsumerName: "c" });
  const { ConsumerARN } = Consumer;
  const consumer = async () => (await client.describeStreamConsumer({ ConsumerARN })).ConsumerDescription;
  await eventually(async () => (await consumer()).ConsumerStatus === "ACTIVE");
  const { Consumers } = await client.listStreamConsumers({ StreamARN });
  assert.deepEqual(Consumers.map((found) => found.ConsumerName), ["c"]);

  const events = async (ShardId, Type) =>
    (await client.subscribeToShard({ ConsumerARN, ShardId, StartingPosition: { Type } })).EventStream;
  const pushed = [];
  let last;
  for await (const { SubscribeToShardEvent: event } of await events(FIRST, "TRIM_HORIZON")) {
    pushed.push(...event.Records);
    last = event;
  }
  assert.deepEqual(text(pushed), text((await read(FIRST))[0]));
  const known = await shards();
  assert.deepEqual(last.ChildShards.map((child) => known[child.ShardId].ParentShardId), [FIRST, FIRST]);

  const stream = await events(merged, "LATEST");
  const sent = await put("pushed");
  for await (const { SubscribeToShardEvent: event } of stream) {
    assert(event.ContinuationSequenceNumber);
    if (event.Records.length === 0) continue;
    assert.deepEqual(text(event.Records), ["pushed"]);
    assert.equal(event.Records[0].SequenceNumber, sent.SequenceNumber);
    break;
  }
  await refused("ResourceInUseException", events(merged, "LATEST")); // a second one within 5 s
  await client.deregisterStreamConsumer({ ConsumerARN });
  await eventually(() => consumer().then(() => false, (error) => error.name === "ResourceNotFoundException"));
}

async function errors() {
  const entry = { Data: bytes("x"), PartitionKey: "k" };
  await refused("ResourceNotFoundException", client.putRecord({ ...entry, StreamName: `${StreamName}-no` }));
  await refused("InvalidArgumentException", client.getRecords({ ShardIterator: "garbled" }));
  await refused("ValidationException", client.putRecords({ StreamName, Records: Array(501).fill(entry) }));
  await refused("ValidationException", client.putRecord({ ...entry, StreamName, Data: Buffer.alloc(1 << 20) }));
}

async function remove() {
  await client.deleteStream({ StreamName, EnforceConsumerDeletion: true });
  await eventually(() => active().then(() => false, (error) => error.name === "ResourceNotFoundException"));
}

await create();
const arn = await describe();
await putAndIterate();
const merged = await splitAndMerge();
await subscribe(arn, merged);
await errors();
await remove();
const { version } = createRequire(import.meta.url)("@aws-sdk/client-kinesis/package.json");
console.log(`@aws-sdk/client-kinesis ${version}: ok`);
process.exit(0); // without waiting for idle connections
