#!/bin/sh
# Starts a Kafka cluster in KRaft mode on free ports of this machine, for tests and for a first look.
#
#   start.sh [NODES [FOLDER]]        1 node in a temporary folder unless told otherwise
#
# When all nodes answer it prints a line `brokers HOST:PORT,..`, a line `folder FOLDER`, and then waits: the cluster runs
# until this script's standard input ends or it gets a signal. Nodes are stopped by their process ids, which are kept in
# FOLDER/node-N/pid, and may be killed, paused and started again (node.sh) meanwhile. A temporary folder is removed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
nodes=${1:-1}
folder=${2:-}
jars=$("$here/jars.sh")
temporary=
if [ -z "$folder" ]; then
    folder=$(mktemp -d)
    temporary=yes
fi
stop() {
    trap - EXIT INT TERM HUP
    for file in "$folder"/node-*/pid; do
        [ -f "$file" ] || continue
        pid=$(cat "$file")
        # A paused process cannot end by itself; what is not a node of this folder is left alone.
        if tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF "$folder/node-"; then
            kill -KILL "$pid" 2>/dev/null || true
        fi
    done
    [ -z "$temporary" ] || { sleep 0.2; rm -rf "$folder"; }
    exit 0
}
trap stop EXIT INT TERM HUP

# Two free ports a node: one for clients, one for the quorum.
ports=$(python3 -c "
import socket
sockets = [socket.socket() for _ in range(2 * $nodes)]
for s in sockets: s.bind(('127.0.0.1', 0))
print(*[s.getsockname()[1] for s in sockets])")
set -- $ports
brokers=
voters=
n=1
while [ "$n" -le "$nodes" ]; do
    eval "client_$n=$1 quorum_$n=$2"
    brokers="$brokers${brokers:+,}127.0.0.1:$1"
    voters="$voters${voters:+,}$n@127.0.0.1:$2"
    shift 2
    n=$((n + 1))
done
replicas=$nodes
[ "$replicas" -le 3 ] || replicas=3
in_sync=$((replicas > 2 ? 2 : 1))
n=1
while [ "$n" -le "$nodes" ]; do
    mkdir -p "$folder/node-$n"
    eval "client=\$client_$n quorum=\$quorum_$n"
    cat >"$folder/node-$n/server.properties" <<EOF
node.id=$n
process.roles=broker,controller
controller.quorum.voters=$voters
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$client,CONTROLLER://127.0.0.1:$quorum
advertised.listeners=PLAINTEXT://127.0.0.1:$client
log.dirs=$folder/node-$n/data
offsets.topic.num.partitions=4
offsets.topic.replication.factor=$replicas
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=$replicas
transaction.state.log.min.isr=$in_sync
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=6000
broker.heartbeat.interval.ms=1000
log.cleaner.dedupe.buffer.size=16777216
EOF
    java -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$jars/*" kafka.tools.StorageTool \
        format --cluster-id Z2FsbG9wLXRlc3Qta2Fma2 --config "$folder/node-$n/server.properties" >"$folder/node-$n/log" 2>&1
    "$here/node.sh" "$folder" "$n" &
    n=$((n + 1))
done

# Ready when every broker is in service: the quorum has a leader and nobody is fenced.
python3 "$here/ready.py" "$brokers" "$nodes" || { tail -n 20 "$folder"/node-*/log >&2; exit 1; }
echo "brokers $brokers"
echo "folder $folder"
cat >/dev/null
