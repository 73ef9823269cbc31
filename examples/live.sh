#!/bin/sh
# A broker, a worker, a producer and a subscriber on this machine: prints the alert of one review.
# run: sh examples/live.sh
set -eu
here=$(dirname "$0")
port=${PORT:-19092}
folder=$(mktemp -d)
export STREAM_APP_BROKER="127.0.0.1:$port" STREAM_APP_DATA_DIR="$folder/tables"
# What the embedded broker cannot do, or does otherwise.
export STREAM_APP_IDEMPOTENT=false STREAM_APP_FETCH_WAIT_MS=100

stream-app broker --port "$port" >"$folder/broker.log" 2>&1 &
broker=$!
worker=
trap 'kill $worker $broker 2>/dev/null; wait; rm -rf "$folder"' EXIT
until stream-app topics create 2>"$folder/topics.log"; do
  kill -0 "$broker" || { cat "$folder/broker.log"; exit 1; }
done
stream-app worker >"$folder/worker.log" 2>&1 &
worker=$!
python "$here/producer.py"
python "$here/subscriber.py" 1
