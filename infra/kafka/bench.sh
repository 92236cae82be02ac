#!/bin/sh
# Kafka's own producer benchmark beside ours, one after the other on the same broker: one node, acks=all, four
# partitions, as many bytes a record and a batch.
#
#   bench.sh BENCH [SECONDS]         the bench binary, a release build, with gallop beside it
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bench=$1
seconds=${2:-10}
record_bytes=200
# 500 records of 200 bytes a call, over four partitions.
batch_bytes=25000
records=${RECORDS:-3000000}
jars=$("$here/jars.sh")
pipe=$(mktemp -d)
mkfifo "$pipe/alive" "$pipe/says"
KAFKA_JVM="${KAFKA_JVM:--Xms1g -Xmx1g}" "$here/start.sh" 1 <"$pipe/alive" >"$pipe/says" &
# The cluster runs as long as this is open.
exec 8>"$pipe/alive" 9<"$pipe/says"
read -r _ brokers <&9
trap 'exec 8>&-; wait; rm -rf "$pipe"' EXIT
tool() { java -Dorg.slf4j.simpleLogger.defaultLogLevel=error -cp "$jars/*" "$@"; }
tool org.apache.kafka.tools.TopicCommand --bootstrap-server "$brokers" --create --topic perf --partitions 4 >/dev/null
echo "kafka-producer-perf-test, linger.ms=1, batch.size=$batch_bytes:"
tool org.apache.kafka.tools.ProducerPerformance --topic perf --num-records "$records" --record-size "$record_bytes" \
    --throughput -1 --producer-props "bootstrap.servers=$brokers" acks=all linger.ms=1 "batch.size=$batch_bytes" | tail -n 1
echo "bench put --store kafka:"
"$bench" put --store kafka --brokers "$brokers" --bytes "$record_bytes" --seconds "$seconds"
echo "bench put --store log:"
"$bench" put --store log --bytes "$record_bytes" --seconds "$seconds"
