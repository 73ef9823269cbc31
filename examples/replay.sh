#!/bin/sh
# The whole flow without Kafka: reviews, behaviours and items in, all outputs and the final state out.
# run: sh examples/replay.sh
set -eu
stream-app replay "$(dirname "$0")/events.jsonl" --state
