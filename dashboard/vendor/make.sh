#!/usr/bin/env bash
# Makes the vendored libraries anew from the packages that package-lock.json names, and LOCK, which says what they are.
# `make.sh --check` changes nothing and fails where the result is another.
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

{
  echo "# Made by dashboard/vendor/make.sh. File, SHA-256, and the packages in it with version and licence."
  for file in ui.js plot.js plot.css editor.js; do
    case $file in
      ui.js) packages="preact @preact/signals @preact/signals-core htm" ;;
      editor.js) packages="@codemirror/autocomplete @codemirror/commands @codemirror/language @codemirror/lang-sql @codemirror/state @codemirror/view @lezer/common @lezer/highlight @lezer/lr @marijn/find-cluster-break crelt style-mod w3c-keyname" ;;
      *) packages="uplot" ;;
    esac
    printf '%s %s' "$file" "$(sha256sum "out/$file" | cut -d' ' -f1)"
    for package in $packages; do
      node -e 'const p = require(process.argv[1]); process.stdout.write(` ${p.name}@${p.version}(${p.license})`)' "$work/node_modules/$package/package.json"
    done
    echo
  done
} > out/LOCK

if [ "${1:-}" = --check ]; then
  for file in out/*; do
    cmp "$file" "$here/../web/vendor/$(basename "$file")" || { echo "$(basename "$file") is not what make.sh makes: run it, or restore the file" >&2; exit 1; }
  done
  echo "vendored libraries: as made"
else
  cp out/* "$here/../web/vendor"
fi
