#!/bin/sh
# Two workers on this machine. On two machines each runs one of the last lines, with the
# addresses of both in `workers`.
set -eu
workers="[\"127.0.0.1:${1:-23451}\", \"127.0.0.1:${2:-23452}\"]"

worker() {
    TF_CONFIG="{\"cluster\": {\"worker\": $workers},
                \"task\": {\"type\": \"worker\", \"index\": $1}}" python train.py
}

worker 1 &
worker 0
wait
