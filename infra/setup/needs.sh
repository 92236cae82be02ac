#!/usr/bin/env bash
# What `make test` needs on this machine beside Rust, and which tests go without it.
#
#   infra/setup/needs.sh            installs what is missing where it may (Debian or Ubuntu, as root or with sudo), then
#                                   prints a line for each group of tests that must be left out:
#                                   GROUP<tab>why, and what to install
#   infra/setup/needs.sh --check    the same, and installs nothing
#   infra/setup/needs.sh --all      the same as without, and fails where something is still missing
#
# Otherwise it fails only where nothing can be built at all. GALLOP_SETUP=check in the environment is the same as --check.
set -euo pipefail

# command or check | Debian packages | groups of tests that need it; `build` is everything
needs='
cc|build-essential|build
make|make|build
perl_modules|perl|build
c++|build-essential|fuzz
python3_venv|python3 python3-venv|python book senders kafka stores engines infra
node|nodejs|javascript browser book
npm|npm|javascript browser book stores engines libraries
chromium|chromium fonts-dejavu-core|browser
go|golang-go|go infra
javac|openjdk-17-jdk-headless|java libraries kafka engines
mvn|maven|java libraries kafka engines
openssl|openssl|book
curl|curl|book
ip|iproute2|frames
ethtool|ethtool|frames
'

command -v cargo >/dev/null || {
  echo "cargo is missing: install Rust from https://rustup.rs, then run this again" >&2
  exit 1
}

here() {
  case $1 in
    perl_modules) perl -MIPC::Cmd -MFindBin -e 1 2>/dev/null ;;
    python3_venv) python3 -c 'import venv, ensurepip' 2>/dev/null ;;
    *) command -v "$1" >/dev/null ;;
  esac
}

# The needs that are not met, in the table's form.
missing() {
  while IFS='|' read -r what packages groups; do
    [ -z "$what" ] || here "$what" || echo "$what|$packages|$groups"
  done <<<"$needs"
}

# How to become root without a question; fails where that cannot be.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

install() {
  local packages
  packages=$(missing | cut -d'|' -f2 | tr ' ' '\n' | sort -u)
  [ -n "$packages" ] || return 0
  command -v apt-get >/dev/null || return 0
  as_root true 2>/dev/null || return 0
  echo "Installing what the tests need:" $packages >&2
  export DEBIAN_FRONTEND=noninteractive
  if ! { as_root apt-get update -qq && as_root apt-get install -qq --yes --no-install-recommends $packages; } >&2; then
    echo "apt-get failed. The tests that need these packages are left out." >&2
  fi
}

case ${1:-}${GALLOP_SETUP:-} in
  *check*) ;;
  *) install ;;
esac
if [ "${1:-}" = --all ] && [ -n "$(missing)" ]; then
  echo "Still missing: $(missing | cut -d'|' -f1 | tr '\n' ' ')" >&2
  exit 1
fi
missing | while IFS='|' read -r what packages groups; do
  case " $groups " in
    *" build "*)
      echo "$what is missing, and nothing can be built without it: apt-get install $packages" >&2
      exit 1
      ;;
  esac
  for group in $groups; do
    printf '%s\t%s is missing: apt-get install %s\n' "$group" "${what%%_*}" "$packages"
  done
done
