#!/bin/bash
# Usage: tests/containers/run.sh [--no-build] [--picture FILE.png]
#
# As root; scripts/test --containers installs what it needs. --no-build: with the images of the last run. --picture: draw
# the dashboard's layout with the data of this run.
#
# Builds the image as the Dockerfile says and runs it locked down; then brings up deploy/compose.yaml (server and Prometheus),
# loads the server, and asks Prometheus every query of the dashboard and every alert rule. Works without a container daemon
# and without a registry for images: Debian's base image and Prometheus's are made from packages. Grafana is not to be had
# that way: its dashboard is checked against Grafana's schema, and not rendered.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib.sh
. "$HERE/../../scripts/lib.sh"
# shellcheck source=tests/containers/lib.sh
. "$HERE/lib.sh"

IMAGE=docker.io/library/attendant:latest
MAX_IMAGE_BYTES=300000000
STORAGE=${ATTENDANT_CONTAINER_STORAGE:-$CACHE_DIR/containers}
export ATTENDANT_GRPC_PORT=${ATTENDANT_GRPC_PORT:-50061} ATTENDANT_HTTP_PORT=${ATTENDANT_HTTP_PORT:-8081} PROMETHEUS_PORT=${PROMETHEUS_PORT:-9091}
PROMETHEUS=http://127.0.0.1:$PROMETHEUS_PORT
LOAD_SECONDS=${LOAD_SECONDS:-120}

# until_true SECONDS WHAT COMMAND...
until_true() {
  local seconds=$1 what=$2 end
  shift 2
  end=$((SECONDS + seconds))
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || die "$what took longer than $seconds s"
    sleep 0.5
  done
}

clean_up() {
  local status=$?
  set +e
  [ "$status" -eq 0 ] || podman logs --tail 20 attendant-attendant-1 attendant-alone >&2 2>/dev/null
  [ -z "${service:-}" ] || compose down --volumes --timeout 10 >/dev/null 2>&1
  podman rm --force --time 5 attendant-alone >/dev/null 2>&1
  [ -z "${service:-}" ] || kill "$service"
  exit "$status"
}

check_image() {
  local bytes
  bytes=$(podman image inspect --format '{{.Size}}' "$IMAGE")
  log "the image has $((bytes / 1000000)) MB"
  [ "$bytes" -lt "$MAX_IMAGE_BYTES" ] || die "that is more than $((MAX_IMAGE_BYTES / 1000000)) MB"
  [ "$(podman image inspect --format '{{.User}}' "$IMAGE")" = 10001:10001 ] || die "the image runs as root"
}

# Locked down: no writable file, no capability, no new privileges, half a gigabyte, one core.
check_alone() {
  podman run --detach --name attendant-alone --network host --read-only --read-only-tmpfs=false --cap-drop ALL \
    --security-opt no-new-privileges --memory 512m --cpus 1 "$IMAGE" \
    --grpc-address "127.0.0.1:$ATTENDANT_GRPC_PORT" --http-address off --metrics-address 127.0.0.1:0 >/dev/null
  until_true 30 "becoming healthy" podman exec attendant-alone attendant health --server "127.0.0.1:$ATTENDANT_GRPC_PORT"
  podman exec attendant-alone attendant similarity --server "127.0.0.1:$ATTENDANT_GRPC_PORT" \
    "A cat sleeps on the warm windowsill." "The kitten naps in the sunshine."
  podman stop --time 45 attendant-alone >/dev/null
  [ "$(podman inspect --format '{{.State.ExitCode}}' attendant-alone)" = 0 ] || die "SIGTERM did not end it with status 0"
  podman rm attendant-alone >/dev/null
  log "the image runs with a read-only root, without capabilities, and ends cleanly"
}

compose() { "$python_dir/bin/docker-compose" --file "$ROOT/deploy/compose.yaml" "$@"; }

start_compose() {
  local socket=$STORAGE/podman.sock
  setsid podman system service --time=0 "unix://$socket" >"$STORAGE/service.log" 2>&1 &
  service=$!
  export DOCKER_HOST=unix://$socket
  until_true 20 "starting podman's service" test -S "$socket"
  compose config --quiet
  compose up --detach --no-build --pull never attendant prometheus &
  # Without systemd nobody runs the health check on time; compose waits for its verdict.
  until_true 60 "becoming healthy in compose" podman healthcheck run attendant-attendant-1
  wait $!
  until_true 60 "starting Prometheus" curl -fsS "$PROMETHEUS/-/ready"
}

client() { podman exec attendant-attendant-1 attendant "$@"; }

# Good calls and bad ones, so that every panel has something to show.
load() {
  local end=$((SECONDS + LOAD_SECONDS)) benches=()
  log "loading the server for $LOAD_SECONDS s"
  client bench --synthetic texts --items-per-request 4 --concurrency 4 --duration "$LOAD_SECONDS" >"$STORAGE/embed.txt" &
  benches+=($!)
  client bench --stream --duration "$LOAD_SECONDS" >"$STORAGE/stream.txt" &
  benches+=($!)
  while [ "$SECONDS" -lt "$end" ]; do
    client embed " " >/dev/null 2>&1 || true
    client embed --model nobody "text" >/dev/null 2>&1 || true
    client similarity "one" "two" >/dev/null
    client attention "A short sentence." >/dev/null
    client tokenize "A short sentence." >/dev/null
    sleep 1
  done
  wait "${benches[@]}"
  cat "$STORAGE/embed.txt" >&2
}

check_metrics() {
  promtool check config "$ROOT/deploy/prometheus/prometheus.yml"
  cp "$HERE/alerts_test.yml" "$ROOT/deploy/prometheus/alerts.yml" "$STORAGE"
  (cd "$STORAGE" && promtool test rules alerts_test.yml)
  podman run --rm --network container:attendant-attendant-1 --entrypoint /bin/bash "$PROMETHEUS_IMAGE" -c \
    'exec 3<>/dev/tcp/127.0.0.1/9464; printf "GET /metrics HTTP/1.0\r\n\r\n" >&3; sed "1,/^\r$/d" <&3' >"$STORAGE/metrics.txt"
  grep -q ^attendant_requests_total "$STORAGE/metrics.txt" || die "/metrics does not hold the server's metrics"
  promtool check metrics <"$STORAGE/metrics.txt"
  "$python_dir/bin/python" "$HERE/check_dashboard.py" "$PROMETHEUS"
  "$python_dir/bin/python" "$HERE/check_alerts.py" "$PROMETHEUS"
}

picture='' build_images=1
while [ $# -gt 0 ]; do
  case $1 in
    --no-build) build_images= ;;
    --picture) picture=${2:?--picture needs a file} && shift ;;
    -h | --help) usage && exit 0 ;;
    *) die "unknown argument '$1' (see --help)" ;;
  esac
  shift
done
[ "$(id -u)" -eq 0 ] || die "this needs root (containers without a daemon)"
use_storage "$STORAGE"
trap clean_up EXIT
python_dir=$(python_env containers "$HERE/requirements.txt")
if [ -n "$build_images" ]; then
  make_base_image "$STORAGE"
  build_image "$IMAGE" "$ROOT/Dockerfile" "$ROOT"
  build_image "$PROMETHEUS_IMAGE" "$HERE/prometheus.Dockerfile" "$HERE"
fi
check_image
check_alone
start_compose
load
check_metrics
if [ -n "$picture" ]; then
  "$(python_env picture "$HERE/requirements-picture.txt")/bin/python" "$HERE/draw_dashboard.py" "$PROMETHEUS" "$picture" \
    "$((LOAD_SECONDS / 60))"
fi
log "image, compose file, dashboard and alerts are in order (the dashboard was not rendered: that needs Grafana)"
