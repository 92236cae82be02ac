#!/usr/bin/env bash
# The whole gate, on any machine: `make test` runs it. What the machine lacks is installed where that is allowed; the tests
# that then still cannot run are left out, and counted as skipped at the end, each with what to install.
#
# CLIENTS="python go" in the environment leaves the clients of the other languages out.
set -euo pipefail
cd "$(dirname "$0")/../.."
: "${CARGO_TARGET_DIR:?make test sets it}"
make=${MAKE:-make}
state=$CARGO_TARGET_DIR/setup
mkdir -p "$state"

# By group: why it is left out.
declare -A why
infra/setup/needs.sh >"$state/left-out"
while IFS=$'\t' read -r group reason; do
  why[$group]=${why[$group]:-$reason}
done <"$state/left-out"
clients_all="python javascript go java browser"
for client in $clients_all; do
  [[ " ${CLIENTS-$clients_all} " == *" $client "* ]] || why[$client]="not among CLIENTS"
done
[ -z "${why[java]:-}" ] || why[libraries]=${why[libraries]:-${why[java]}}
for needed in python javascript; do # The pages use their command lines.
  [ -z "${why[$needed]:-}" ] || why[book]=${why[book]:-${why[$needed]}} why[engines]=${why[engines]:-${why[$needed]}}
done

# By group: its crate, its test binary, and what the names of its tests begin with.
tests_of() {
  case $1 in
    python) echo "pipeline it foreign::python shells::a_stock_aws" ;;
    javascript) echo "pipeline it foreign::node" ;;
    go) echo "pipeline it foreign::go" ;;
    java) echo "pipeline it foreign::java" ;;
    browser) echo "pipeline it browser::" ;;
    libraries) echo "pipeline it libraries::" ;;
    book) echo "pipeline it book::" ;;
    senders) echo "ingest it senders::the_sender_in_python" ;;
    kafka) echo "ingest servers" ;;
    stores) echo "sinks servers" ;;
    engines) echo "pipeline servers" ;;
  esac
}

# What is no test of cargo's.
declare -A other=([infra]="make infra" [fuzz]="make fuzz" [frames]="frames past the kernel, counted below")

clients= skips=() servers=()
for client in $clients_all; do
  [ -n "${why[$client]:-}" ] || clients+=" $client"
done
for group in python javascript go java browser libraries book senders; do
  [ -z "${why[$group]:-}" ] || for name in $(tests_of "$group" | cut -d' ' -f3-); do skips+=(--skip "$name"); done
done
for group in kafka stores engines; do
  [ -n "${why[$group]:-}" ] || servers+=("$group")
done

# Runs tests, and keeps all they print; what tests print that pass is not shown.
tests() {
  cargo test "$@" -- --show-output ${skips[@]+"${skips[@]}"} 2>&1 | tee -a "$state/output" |
    awk '/^successes:$/ { quiet = 1 } /^failures:$|^test result:/ { quiet = 0 } !quiet { print; fflush() }'
}

"$make" clients CLIENTS="$clients"
"$make" fmt clippy
: >"$state/output"
if [ ${#servers[@]} = 3 ]; then
  tests --workspace
else
  tests --workspace --lib --bins --test it --test adhoc
  tests --workspace --doc
  for group in ${servers[@]+"${servers[@]}"}; do
    read -r crate binary <<<"$(tests_of "$group")"
    tests -p "$crate" --test "$binary"
  done
fi
"$make" docs book
[ -n "${why[infra]:-}" ] || "$make" infra

# What was not run: groups that were left out, and tests that found by themselves that they cannot run here.
skipped=0
for group in $(printf '%s\n' "${!why[@]}" | sort); do
  words=$(tests_of "$group")
  [ -n "$words" ] || { echo "skipped: ${other[$group]} (${why[$group]})"; continue; }
  read -r crate binary names <<<"$words"
  # shellcheck disable=SC2086
  count=$(cargo test --quiet -p "$crate" --test "$binary" -- --list $names | grep -c ': test$' || true)
  skipped=$((skipped + count))
  echo "skipped: $count tests of $crate --test $binary${names:+ $names} (${why[$group]})"
done
while read -r count reason; do
  skipped=$((skipped + count))
  echo "skipped: $count tests (${reason#left out: })"
done < <(grep '^left out: ' "$state/output" | sort | uniq -c)
passed=$(sed -n 's/^test result: ok\. \([0-9]*\) passed.*/\1/p' "$state/output" | awk '{ all += $1 } END { print all + 0 }')
echo "make test: $passed tests passed, $skipped skipped"
