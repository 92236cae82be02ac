#!/usr/bin/env bash
# DynamoDB Local from Maven Central, in memory, on a free port of the loopback interface.
#
#   infra/dynamodb/start.sh      prints http://127.0.0.1:<port> once it answers, and runs until its input ends
#
# So whoever starts it holds a pipe to it: when that process ends, however it ends, the server does too. Nothing is
# written but the packages (Java 17 and mvn must be there), once, next to the build. Tables are kept apart by access
# key and region.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
packages=${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/gallop/target}/servers/dynamodb-$(cksum <"$here/pom.xml" | cut -d' ' -f1)
tries_max=5

fetch() {
  mkdir -p "$packages"
  exec 9>"$packages/lock"
  flock 9
  if [ ! -e "$packages/complete" ]; then
    mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$packages/lib" >&2
    touch "$packages/complete"
  fi
  exec 9>&-
}

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Runs one server; fails when it does not come up, because somebody took the port meanwhile, say.
serve() {
  local port=$1
  java -Xmx512m -Djava.library.path="$packages/lib" -cp "$packages/lib/*" \
    com.amazonaws.services.dynamodbv2.local.main.ServerRunner \
    -inMemory -disableTelemetry -port "$port" </dev/null >/dev/null 2>&1 &
  server=$!
  trap 'kill "$server" 2>/dev/null || true' EXIT
  until python3 - "$port" <<'PY'
import sys, urllib.error, urllib.request
try:
    urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}", timeout=5)
except urllib.error.HTTPError:
    pass  # It wants a signature: it is there.
except OSError:
    sys.exit(1)
PY
  do
    kill -0 "$server" 2>/dev/null || return 1
    sleep 0.2
  done
  echo "http://127.0.0.1:$port"
  cat >/dev/null
  kill "$server"
  wait "$server" || true
  trap - EXIT
}

fetch
for ((try = 1; try <= tries_max; try++)); do
  serve "$(free_port)" && exit 0
done
echo "DynamoDB Local does not start: run it by hand with the packages in $packages/lib" >&2
exit 1
