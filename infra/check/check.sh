#!/usr/bin/env bash
# Checks every definition below infra/ offline, with validators from PyPI and from the Go module proxy, which are kept
# next to the build. `make infra` runs it; the first error ends it.
set -euo pipefail
infra=$(cd "$(dirname "$0")/.." && pwd)
tools=${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/gallop/target}/infra-$(cat "$infra"/check/{requirements.txt,go.mod,go.sum,main.go} | cksum | cut -d' ' -f1)

mkdir -p "$tools"
exec 9>"$tools/lock"
flock 9
if [ ! -e "$tools/complete" ]; then
  python3 -m venv --clear "$tools/python"
  "$tools/python/bin/pip" install --quiet --disable-pip-version-check -r "$infra/check/requirements.txt"
  (cd "$infra/check" && GOPATH="$tools/go" GOCACHE="$tools/go-cache" go build -buildvcs=false -modcacherw -o "$tools/promcheck" .)
  touch "$tools/complete"
fi
exec 9>&-
if [ "${1:-}" = --promcheck ]; then
  exec "$tools/promcheck" "${@:2}"
fi

bin=$tools/python/bin
"$bin/hadolint" "$infra/docker/Dockerfile"
"$bin/check-jsonschema" --quiet --builtin-schema vendor.compose-spec "$infra/compose/compose.yaml"
"$bin/kubernetes-validate" --quiet --strict "$infra/kubernetes/gallop.yaml"
"$bin/cfn-lint" "$infra/aws/gallop.yaml"
"$tools/promcheck" rules "$infra/prometheus/rules.yml"
"$bin/python" - "$infra" <<'PY'
import json, pathlib, re, sys
infra = pathlib.Path(sys.argv[1])
dashboard = json.loads((infra / "grafana/gallop.json").read_text())
panels = dashboard["panels"]
assert len({panel["id"] for panel in panels}) == len(panels), "two panels of the dashboard have one id"
assert all(target["expr"] for panel in panels for target in panel["targets"]), "a panel asks for nothing"
print(f"grafana/gallop.json: {len(panels)} panels")
PY
if command -v systemd-analyze >/dev/null; then
  # 0 is closed, 100 is open.
  systemd-analyze security --offline=true --threshold=20 "$infra/systemd/gallop.service" >/dev/null
  # The gate has built one before it comes here.
  gallop=${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/gallop/target}/debug/gallop
  if [ ! -x "$gallop" ]; then
    echo "left out: a server under systemd/gallop.service (there is no $gallop; cargo build makes it)"
  elif [ ! -e /proc/sys/kernel/seccomp/actions_avail ]; then
    echo "left out: a server under systemd/gallop.service (the kernel has no seccomp filters)"
  elif ! command -v cc >/dev/null; then
    echo "left out: a server under systemd/gallop.service (there is no C compiler)"
  else
    GALLOP_LOG=warn python3 "$infra/check/unit.py" "$infra/systemd/gallop.service" "$gallop"
  fi
else
  echo "left out: systemd/gallop.service (there is no systemd-analyze here)"
fi
echo "infra: all checked"
