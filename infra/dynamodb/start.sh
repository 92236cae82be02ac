#!/usr/bin/env bash
# A server that answers as DynamoDB does (dynoxide, MIT or Apache-2.0, from npm), in memory, on a free port of the
# loopback interface.
#
#   infra/dynamodb/start.sh      prints http://127.0.0.1:<port> once it answers, and runs until its input ends
#
# Whoever starts it holds a pipe to it: when that process ends, however it ends, the server does too. Nothing is
# written except the package, once, next to the build (npm must be there). All clients see the same tables, whatever
# their access key and region.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
packages=${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/gallop/target}/servers/dynamodb-$(cksum <"$here/package-lock.json" | cut -d' ' -f1)
dynoxide=$packages/node_modules/@dynoxide/linux-x64/dynoxide
tries_max=5

fetch() {
  mkdir -p "$packages"
  exec 9>"$packages/lock"
  flock 9
  if [ ! -e "$packages/complete" ]; then
    cp "$here/package.json" "$here/package-lock.json" "$packages"
    (cd "$packages" && npm ci --silent --ignore-scripts >&2)
    touch "$packages/complete"
  fi
  exec 9>&-
}

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Runs one server; fails when it does not come up, for example because another process took the port meanwhile.
serve() {
  local port=$1
  "$dynoxide" serve --port "$port" </dev/null >/dev/null 2>&1 &
  server=$!
  trap 'kill "$server" 2>/dev/null || true' EXIT
  until "$dynoxide" healthcheck --port "$port" >/dev/null 2>&1; do
    kill -0 "$server" 2>/dev/null || return 1
    sleep 0.05
  done
  # The port answers; is it ours that answers there?
  kill -0 "$server" 2>/dev/null || return 1
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
echo "The DynamoDB server did not start. Run $dynoxide by hand to see why." >&2
exit 1
