#!/usr/bin/env bash
# An S3 server (moto, from PyPI) in memory, on a free port of the loopback interface.
#
#   infra/s3/start.sh                 prints http://127.0.0.1:<port> once it answers, and runs until its input ends
#   infra/s3/start.sh --signatures    checks every signature; prints the one user's access key and secret behind the address
#
# So whoever starts it holds a pipe to it: when that process ends, however it ends, the server does too. Nothing is
# written but the packages, once, next to the build. Conditional puts are atomic, as on S3. Without the flag anybody may do anything.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
packages=${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/gallop/target}/servers/s3-$(cksum <"$here/requirements.txt" | cut -d' ' -f1)

mkdir -p "$packages"
exec 9>"$packages/lock"
flock 9
if [ ! -e "$packages/complete" ]; then
  python3 -m venv "$packages/python" >&2
  "$packages/python/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt" >&2
  touch "$packages/complete"
fi
exec 9>&-
exec "$packages/python/bin/python3" "$here/server.py" "$@"
