#!/bin/sh
# Runs one node of a cluster that start.sh has laid out, in the foreground of this process, until it is stopped.
# Use: node.sh FOLDER NUMBER
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=$1/node-$2
jars=$("$here/jars.sh")
echo $$ >"$folder/pid"
# Quick to start and small unless told otherwise: these are for tests.
jvm=${KAFKA_JVM:--Xms128m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1}
exec java $jvm -Djava.awt.headless=true \
    -Dorg.slf4j.simpleLogger.defaultLogLevel="${KAFKA_LOG_LEVEL:-warn}" -Dorg.slf4j.simpleLogger.showDateTime=true \
    -cp "$jars/*" kafka.Kafka "$folder/server.properties" >>"$folder/log" 2>&1 </dev/null
