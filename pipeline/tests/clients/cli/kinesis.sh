#!/usr/bin/env bash
# What the AWS Command Line Interface sees: kinesis.sh AWS ENDPOINT, where AWS is the `aws` to run. The steps are those
# of ../README.md, as far as the CLI can (it has no SubscribeToShard).
set -euo pipefail
program=$1
endpoint=$2
stream=cli
first=shardId-000000000000
middle=170141183460469231731687303715884105728
quarter=85070591730234615865843651857942052864
export AWS_ACCESS_KEY_ID=key AWS_SECRET_ACCESS_KEY=secret-of-the-tests AWS_DEFAULT_REGION=us-east-1 AWS_MAX_ATTEMPTS=1
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
version=$("$program" --version 2>&1 | cut -d' ' -f1)
# Version 2 takes data as base64 unless it is told, version 1 always as it is.
case $version in
  aws-cli/1.*) as_it_is=() ;;
  *) as_it_is=(--cli-binary-format raw-in-base64-out) ;;
esac

aws() {
  "$program" --endpoint-url "$endpoint" --output text kinesis "$@"
}

same() {
  [ "$1" = "$2" ] || { echo "line ${BASH_LINENO[0]}: got '$1', want '$2'" >&2; exit 1; }
}

# refused CODE ARGUMENT...
refused() {
  local code=$1 said
  shift
  if said=$(aws "$@" 2>&1) || ! grep -q "($code)" <<<"$said"; then
    echo "line ${BASH_LINENO[0]}: expected $code, got '$said'" >&2
    exit 1
  fi
}

# The data of a shard's records, decoded.
texts() {
  local place
  place=$(aws get-shard-iterator --stream-name $stream --shard-id "$1" --shard-iterator-type TRIM_HORIZON)
  aws get-records --shard-iterator "$place" --query 'Records[].[Data]' | while read -r data; do
    base64 -d <<<"$data"
    echo
  done
}

put() {
  aws put-record --stream-name $stream --partition-key k --explicit-hash-key 0 "${as_it_is[@]}" --data "$1" --query ShardId
}

aws create-stream --stream-name $stream --shard-count 2
aws wait stream-exists --stream-name $stream
refused ResourceInUseException create-stream --stream-name $stream --shard-count 2
same "$(aws list-streams --query 'StreamNames[]')" $stream
same "$(aws describe-stream-summary --stream-name $stream --query \
  'StreamDescriptionSummary.[StreamStatus,OpenShardCount,RetentionPeriodHours]')" $'ACTIVE\t2\t24'
same "$(put before)" $first
same "$(aws put-records --stream-name $stream "${as_it_is[@]}" --records \
  Data=one,PartitionKey=k,ExplicitHashKey=0 Data=two,PartitionKey=k,ExplicitHashKey=0 --query FailedRecordCount)" 0

aws split-shard --stream-name $stream --shard-to-split $first --new-starting-hash-key $quarter
same "$(put between)" shardId-000000000002
aws merge-shards --stream-name $stream --shard-to-merge shardId-000000000002 --adjacent-shard-to-merge shardId-000000000003
same "$(put after)" shardId-000000000004
same "$(texts $first; texts shardId-000000000002; texts shardId-000000000004)" $'before\none\ntwo\nbetween\nafter'
same "$(aws list-shards --stream-name $stream --shard-filter Type=AT_LATEST --query 'Shards[].HashKeyRange.StartingHashKey')" \
  "$middle"$'\t'0

aws increase-stream-retention-period --stream-name $stream --retention-period-hours 48
aws add-tags-to-stream --stream-name $stream --tags team=unicorns
same "$(aws list-tags-for-stream --stream-name $stream --query 'Tags[].[Key,Value]')" $'team\tunicorns'
refused ResourceNotFoundException describe-stream --stream-name no
aws delete-stream --stream-name $stream
aws wait stream-not-exists --stream-name $stream
echo "$version: ok"
