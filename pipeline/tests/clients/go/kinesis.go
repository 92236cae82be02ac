// What the AWS SDK for Go v2 sees: kinesis ENDPOINT. The steps are those of ../README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"os"
	"reflect"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
)

const (
	first  = "shardId-000000000000"
	second = "shardId-000000000001"
)

var (
	ctx     = context.Background()
	client  *kinesis.Client
	name    = aws.String("go-" + strconv.FormatInt(time.Now().UnixNano(), 36))
	quarter = new(big.Int).Lsh(big.NewInt(1), 126)
	middle  = new(big.Int).Lsh(big.NewInt(1), 127) // where two even shards meet
	end     = new(big.Int).Lsh(big.NewInt(1), 128)
)

func main() {
	log.SetFlags(log.Lshortfile)
	client = kinesis.New(kinesis.Options{
		BaseEndpoint: aws.String(os.Args[1]),
		Region:       "us-east-1",
		Credentials:  credentials.NewStaticCredentialsProvider("key", "secret-of-the-tests", ""),
		Retryer:      aws.NopRetryer{},
		HTTPClient:   &http.Client{Transport: plainBodies{awshttp.NewBuildableClient().GetTransport()}},
	})
	create()
	arn := describe()
	putAndIterate()
	merged := splitAndMerge()
	subscribe(arn, merged)
	refusals()
	remove()
	build, _ := debug.ReadBuildInfo()
	for _, module := range build.Deps {
		if module.Path == "github.com/aws/aws-sdk-go-v2/service/kinesis" {
			fmt.Printf("aws-sdk-go-v2/service/kinesis %s: ok\n", module.Version)
		}
	}
}

// plainBodies hides the WriteTo of request bodies: docs/COMPATIBILITY.md says what smithy-go does with it when the
// answer comes before Go has seen that the request is sent.
type plainBodies struct{ http.RoundTripper }

func (p plainBodies) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Body != nil {
		request.Body = struct{ io.ReadCloser }{request.Body}
	}
	return p.RoundTripper.RoundTrip(request)
}

// must returns what an operation answered.
func must[T any](answer T, err error) T {
	if err != nil {
		log.Output(2, err.Error())
		os.Exit(1)
	}
	return answer
}

// same holds two values to be equal.
func same(got, want any) {
	if !reflect.DeepEqual(got, want) {
		log.Output(2, fmt.Sprintf("got %v, want %v", got, want))
		os.Exit(1)
	}
}

// refused holds an operation to an error of that name.
func refused[T any](code string, _ T, err error) {
	var failure smithy.APIError
	if !errors.As(err, &failure) || failure.ErrorCode() != code {
		log.Output(2, fmt.Sprintf("expected %s, got %v", code, err))
		os.Exit(1)
	}
}

func eventually(look func() bool) {
	for range 300 {
		if look() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	log.Output(2, "not within 30 s")
	os.Exit(1)
}

func number(text *string) *big.Int {
	value, ok := new(big.Int).SetString(aws.ToString(text), 10)
	same(ok, true)
	return value
}

func rising(records []types.Record) {
	for i := 1; i < len(records); i++ {
		same(number(records[i-1].SequenceNumber).Cmp(number(records[i].SequenceNumber)), -1)
	}
}

func holds(hashes *types.HashKeyRange, from, below *big.Int) {
	same(number(hashes.StartingHashKey).String(), from.String())
	same(new(big.Int).Add(number(hashes.EndingHashKey), big.NewInt(1)).String(), below.String())
}

// active waits until the stream can be used and returns the number of open shards.
func active() int32 {
	var open int32
	eventually(func() bool {
		answer := must(client.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: name}))
		open = *answer.StreamDescriptionSummary.OpenShardCount
		return answer.StreamDescriptionSummary.StreamStatus == types.StreamStatusActive
	})
	return open
}

func shards() map[string]types.Shard {
	found := map[string]types.Shard{}
	for _, shard := range must(client.ListShards(ctx, &kinesis.ListShardsInput{StreamName: name})).Shards {
		found[*shard.ShardId] = shard
	}
	return found
}

func put(data, key string) *kinesis.PutRecordOutput {
	return must(client.PutRecord(ctx, &kinesis.PutRecordInput{
		StreamName: name, Data: []byte(data), PartitionKey: &key, ExplicitHashKey: aws.String("0"),
	}))
}

func iterator(place kinesis.GetShardIteratorInput) *string {
	place.StreamName = name
	return must(client.GetShardIterator(ctx, &place)).ShardIterator
}

// readFrom returns what is there now, and how the last batch ended.
func readFrom(place kinesis.GetShardIteratorInput) ([]types.Record, *kinesis.GetRecordsOutput) {
	var records []types.Record
	next := iterator(place)
	for {
		batch := must(client.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: next, Limit: aws.Int32(300)}))
		records = append(records, batch.Records...)
		if next = batch.NextShardIterator; next == nil || *batch.MillisBehindLatest == 0 {
			return records, batch
		}
	}
}

func read(shard string) ([]types.Record, *kinesis.GetRecordsOutput) {
	return readFrom(kinesis.GetShardIteratorInput{
		ShardId: &shard, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	})
}

func texts(records []types.Record) []string {
	data := []string{}
	for _, record := range records {
		data = append(data, string(record.Data))
	}
	return data
}

// endsWith holds a closed shard to end with its children, the lowest first, and those to name their parents.
func endsWith(batch *kinesis.GetRecordsOutput, children int, parents ...string) []types.ChildShard {
	same(batch.NextShardIterator, (*string)(nil))
	same(len(batch.ChildShards), children)
	slices.SortFunc(batch.ChildShards, func(a, b types.ChildShard) int {
		return number(a.HashKeyRange.StartingHashKey).Cmp(number(b.HashKeyRange.StartingHashKey))
	})
	for _, child := range batch.ChildShards {
		slices.Sort(child.ParentShards)
		same(child.ParentShards, parents)
	}
	return batch.ChildShards
}

func create() {
	stream := &kinesis.CreateStreamInput{StreamName: name, ShardCount: aws.Int32(2)}
	must(client.CreateStream(ctx, stream))
	active()
	answer, err := client.CreateStream(ctx, stream)
	refused("ResourceInUseException", answer, err)
	var names []string
	for pages := kinesis.NewListStreamsPaginator(client, &kinesis.ListStreamsInput{}); pages.HasMorePages(); {
		names = append(names, must(pages.NextPage(ctx)).StreamNames...)
	}
	same(slices.Contains(names, *name), true)
}

func describe() *string {
	described := must(client.DescribeStream(ctx, &kinesis.DescribeStreamInput{StreamName: name})).StreamDescription
	same(*described.RetentionPeriodHours, int32(24))
	same(described.EncryptionType, types.EncryptionTypeNone)
	same(time.Since(*described.StreamCreationTimestamp).Abs() < time.Minute, true)
	same(len(described.Shards), 2)
	holds(described.Shards[0].HashKeyRange, big.NewInt(0), middle)
	holds(described.Shards[1].HashKeyRange, middle, end)
	answer := must(client.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamARN: described.StreamARN}))
	same(*answer.StreamDescriptionSummary.StreamName, *name)
	same(*answer.StreamDescriptionSummary.OpenShardCount, int32(2))
	same(shards(), map[string]types.Shard{first: described.Shards[0], second: described.Shards[1]})
	return described.StreamARN
}

func putAndIterate() {
	one, two := put("\x00one\xff", "clé"), put("", "k")
	same([]string{*one.ShardId, *two.ShardId}, []string{first, first})
	records, batch := read(first)
	same(batch.NextShardIterator != nil, true)
	same(texts(records), []string{"\x00one\xff", ""})
	same(*records[0].PartitionKey, "clé")
	same(*records[0].SequenceNumber, *one.SequenceNumber)
	from := func(place kinesis.GetShardIteratorInput) []string {
		place.ShardId = aws.String(first)
		found, _ := readFrom(place)
		return texts(found)
	}
	same(from(kinesis.GetShardIteratorInput{
		ShardIteratorType: types.ShardIteratorTypeAtSequenceNumber, StartingSequenceNumber: two.SequenceNumber,
	}), []string{""})
	same(from(kinesis.GetShardIteratorInput{
		ShardIteratorType: types.ShardIteratorTypeAfterSequenceNumber, StartingSequenceNumber: one.SequenceNumber,
	}), []string{""})
	same(from(kinesis.GetShardIteratorInput{
		ShardIteratorType: types.ShardIteratorTypeAtTimestamp, Timestamp: records[0].ApproximateArrivalTimestamp,
	}), []string{"\x00one\xff", ""})
	latest := iterator(kinesis.GetShardIteratorInput{
		ShardId: aws.String(first), ShardIteratorType: types.ShardIteratorTypeLatest,
	})
	three := put("three", "k")
	late := must(client.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: latest})).Records
	same(len(late), 1)
	same(*late[0].SequenceNumber, *three.SequenceNumber)

	var entries []types.PutRecordsRequestEntry
	for i := range 500 {
		text := strconv.Itoa(i)
		entries = append(entries, types.PutRecordsRequestEntry{Data: []byte(text), PartitionKey: aws.String("key-" + text)})
	}
	many := must(client.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: name, Records: entries}))
	same(*many.FailedRecordCount, int32(0))
	for shard, skip := range map[string]int{first: 3, second: 0} {
		found, _ := read(shard)
		rising(found)
		var there, sent []string
		for _, record := range found[skip:] {
			there = append(there, *record.SequenceNumber+*record.PartitionKey+string(record.Data))
		}
		for i, result := range many.Records {
			if *result.ShardId == shard {
				sent = append(sent, *result.SequenceNumber+*entries[i].PartitionKey+string(entries[i].Data))
			}
		}
		same(there, sent)
		same(len(there) > 200, true)
	}
}

func splitAndMerge() string {
	put("before", "k")
	must(client.SplitShard(ctx, &kinesis.SplitShardInput{
		StreamName: name, ShardToSplit: aws.String(first), NewStartingHashKey: aws.String(quarter.String()),
	}))
	same(active(), int32(3))
	put("between", "k")
	all, batch := read(first)
	same(string(all[len(all)-1].Data), "before")
	children := endsWith(batch, 2, first)
	holds(children[0].HashKeyRange, big.NewInt(0), quarter)
	holds(children[1].HashKeyRange, quarter, middle)
	low, high := children[0].ShardId, children[1].ShardId
	same(shards()[first].SequenceNumberRange.EndingSequenceNumber != nil, true)
	same([]string{*shards()[*low].ParentShardId, *shards()[*high].ParentShardId}, []string{first, first})

	must(client.MergeShards(ctx, &kinesis.MergeShardsInput{
		StreamName: name, ShardToMerge: low, AdjacentShardToMerge: high,
	}))
	same(active(), int32(2))
	after := put("after", "k")
	between, batch := read(*low)
	merged := endsWith(batch, 1, *low, *high)[0]
	holds(merged.HashKeyRange, big.NewInt(0), middle)
	same(*after.ShardId, *merged.ShardId)
	same(*shards()[*merged.ShardId].ParentShardId, *low)
	same(*shards()[*merged.ShardId].AdjacentParentShardId, *high)
	last, _ := read(*merged.ShardId)
	all = slices.DeleteFunc(slices.Concat(all, between, last), func(r types.Record) bool { return *r.PartitionKey != "k" })
	rising(all)
	same(texts(all[len(all)-3:]), []string{"before", "between", "after"})
	answer, err := client.MergeShards(ctx, &kinesis.MergeShardsInput{
		StreamName: name, ShardToMerge: merged.ShardId, AdjacentShardToMerge: low,
	})
	refused("InvalidArgumentException", answer, err)
	return *merged.ShardId
}

func subscribe(arn *string, merged string) {
	register := &kinesis.RegisterStreamConsumerInput{StreamARN: arn, ConsumerName: aws.String("c")}
	consumer := must(client.RegisterStreamConsumer(ctx, register)).Consumer.ConsumerARN
	described := &kinesis.DescribeStreamConsumerInput{ConsumerARN: consumer}
	eventually(func() bool {
		answer := must(client.DescribeStreamConsumer(ctx, described))
		return answer.ConsumerDescription.ConsumerStatus == types.ConsumerStatusActive
	})
	listed := must(client.ListStreamConsumers(ctx, &kinesis.ListStreamConsumersInput{StreamARN: arn})).Consumers
	same(len(listed), 1)
	same(*listed[0].ConsumerName, "c")

	events := func(shard string, from types.ShardIteratorType) (*kinesis.SubscribeToShardOutput, error) {
		position := &types.StartingPosition{Type: from}
		return client.SubscribeToShard(ctx, &kinesis.SubscribeToShardInput{
			ConsumerARN: consumer, ShardId: &shard, StartingPosition: position,
		})
	}
	var pushed []types.Record
	var children []types.ChildShard
	stream := must(events(first, types.ShardIteratorTypeTrimHorizon)).GetStream()
	for event := range stream.Events() {
		event := event.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent).Value
		pushed, children = append(pushed, event.Records...), event.ChildShards
	}
	same(stream.Err(), nil)
	records, _ := read(first)
	same(texts(pushed), texts(records))
	same(len(children), 2)
	for _, child := range children {
		same(*shards()[*child.ShardId].ParentShardId, first)
	}

	stream = must(events(merged, types.ShardIteratorTypeLatest)).GetStream()
	sent := put("pushed", "k")
	for event := range stream.Events() {
		event := event.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent).Value
		same(event.ContinuationSequenceNumber != nil, true)
		if len(event.Records) > 0 {
			same(texts(event.Records), []string{"pushed"})
			same(*event.Records[0].SequenceNumber, *sent.SequenceNumber)
			break
		}
	}
	answer, err := events(merged, types.ShardIteratorTypeLatest) // a second one within 5 s
	refused("ResourceInUseException", answer, err)
	same(stream.Err(), nil)
	_ = stream.Close() // the SDK's own reader may see the connection go, and report it
	must(client.DeregisterStreamConsumer(ctx, &kinesis.DeregisterStreamConsumerInput{ConsumerARN: consumer}))
	eventually(func() bool {
		_, err := client.DescribeStreamConsumer(ctx, described)
		var gone *types.ResourceNotFoundException
		return errors.As(err, &gone)
	})
}

func refusals() {
	entry := types.PutRecordsRequestEntry{Data: []byte("x"), PartitionKey: aws.String("k")}
	missing := &kinesis.PutRecordInput{StreamName: aws.String(*name + "-no"), Data: entry.Data, PartitionKey: entry.PartitionKey}
	put, err := client.PutRecord(ctx, missing)
	refused("ResourceNotFoundException", put, err)
	got, err := client.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: aws.String("garbled")})
	refused("InvalidArgumentException", got, err)
	entries := slices.Repeat([]types.PutRecordsRequestEntry{entry}, 501)
	many, err := client.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: name, Records: entries})
	refused("ValidationException", many, err)
	big := &kinesis.PutRecordInput{StreamName: name, Data: make([]byte, 1<<20), PartitionKey: entry.PartitionKey}
	put, err = client.PutRecord(ctx, big)
	refused("ValidationException", put, err)
}

func remove() {
	must(client.DeleteStream(ctx, &kinesis.DeleteStreamInput{StreamName: name, EnforceConsumerDeletion: aws.Bool(true)}))
	eventually(func() bool {
		_, err := client.DescribeStream(ctx, &kinesis.DescribeStreamInput{StreamName: name})
		var gone *types.ResourceNotFoundException
		return errors.As(err, &gone)
	})
}
