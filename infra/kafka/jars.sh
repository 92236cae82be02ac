#!/bin/sh
# Prints the folder with the jars of Apache Kafka; fetches them from Maven Central the first time.
# Needs java 17 or newer, and mvn for the first time.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
version=$(sed -n 's|.*<kafka.version>\(.*\)</kafka.version>.*|\1|p' "$here/pom.xml")
cache=${XDG_CACHE_HOME:-$HOME/.cache}/gallop
jars=$cache/kafka-$version
if [ ! -f "$jars/complete" ]; then
    mkdir -p "$cache"
    # One fetches, others wait for it.
    exec 9>"$cache/kafka-$version.lock"
    flock 9
    if [ ! -f "$jars/complete" ]; then
        mvn --quiet --batch-mode --file "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$jars" >&2
        touch "$jars/complete"
    fi
    exec 9>&-
fi
echo "$jars"
