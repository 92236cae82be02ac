#!/usr/bin/env bash
# Builds the vendored libraries from the packages in package-lock.json, and two lists of what they are:
# LOCK (versions and checksums) and LICENSES (every licence text).
# `make.sh --check` changes nothing; it fails if the result differs from what is committed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here"/package.json "$here"/package-lock.json "$here"/*.js "$work"
cd "$work"
npm ci --silent --ignore-scripts
mkdir out
bundle() {
  node_modules/.bin/esbuild "$1.js" --bundle --minify --format=esm --target=es2022 --legal-comments=none --log-level=error --outfile="out/$1.js"
}
bundle ui
bundle plot
bundle editor
cp node_modules/uplot/dist/uPlot.min.css out/plot.css

ui="preact @preact/signals @preact/signals-core htm"
plot="uplot"
editor="@codemirror/autocomplete @codemirror/commands @codemirror/language @codemirror/lang-sql @codemirror/state @codemirror/view @lezer/common @lezer/highlight @lezer/lr @marijn/find-cluster-break crelt style-mod w3c-keyname"

# PACKAGE TEMPLATE: its name, version and licence.
describe() {
  node -e 'const p = require(process.argv[1]); process.stdout.write(process.argv[2].replace("NAME", p.name).replace("VERSION", p.version).replace("LICENCE", p.license))' "$work/node_modules/$1/package.json" "$2"
}

{
  echo "# Made by dashboard/vendor/make.sh. File, SHA-256, and the packages in it with version and licence."
  for file in ui.js plot.js plot.css editor.js; do
    case $file in
      ui.js) packages=$ui ;;
      editor.js) packages=$editor ;;
      *) packages=$plot ;;
    esac
    printf '%s %s' "$file" "$(sha256sum "out/$file" | cut -d' ' -f1)"
    for package in $packages; do
      describe "$package" " NAME@VERSION(LICENCE)"
    done
    echo
  done
} > out/LOCK

{
  echo "Licences of the libraries in this folder. LOCK says which file holds which package."
  echo "Made by dashboard/vendor/make.sh from the packages themselves."
  for package in $ui $plot $editor; do
    printf '\n%s\n' "--------------------------------------------------------------------------------"
    describe "$package" "NAME VERSION (LICENCE)"
    printf '\n\n'
    cat "$work/node_modules/$package/LICENSE"
  done
} > out/LICENSES

if [ "${1:-}" = --check ]; then
  for file in out/*; do
    cmp "$file" "$here/../web/vendor/$(basename "$file")" || { echo "$(basename "$file") differs from what make.sh builds: run make.sh, or restore the file" >&2; exit 1; }
  done
  echo "vendored libraries: up to date"
else
  cp out/* "$here/../web/vendor"
fi
