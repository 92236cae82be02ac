#!/usr/bin/env bash
# Checks every definition below infra/ offline, with validators from PyPI, which are kept next to the build. `make infra` runs it; the first error ends it.
set -euo pipefail
infra=$(cd "$(dirname "$0")/.." && pwd)
tools=${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/gallop/target}/infra-$(cat "$infra"/check/requirements.txt | cksum | cut -d' ' -f1)

mkdir -p "$tools"
exec 9>"$tools/lock"
flock 9
if [ ! -e "$tools/complete" ]; then
  python3 -m venv --clear "$tools/python"
  "$tools/python/bin/pip" install --quiet --disable-pip-version-check -r "$infra/check/requirements.txt"
  touch "$tools/complete"
fi
exec 9>&-

bin=$tools/python/bin
"$bin/hadolint" "$infra/docker/Dockerfile"
"$bin/check-jsonschema" --quiet --builtin-schema vendor.compose-spec "$infra/compose/compose.yaml"
"$bin/kubernetes-validate" --quiet --strict "$infra/kubernetes/gallop.yaml"
"$bin/cfn-lint" "$infra/aws/gallop.yaml"
if command -v systemd-analyze >/dev/null; then
  # 0 is closed, 100 is open.
  systemd-analyze security --offline=true --threshold=20 "$infra/systemd/gallop.service" >/dev/null
else
  echo "left out: systemd/gallop.service (there is no systemd-analyze here)"
fi
echo "infra: all checked"
