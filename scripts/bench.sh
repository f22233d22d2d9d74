#!/usr/bin/env bash
# `make bench`: measures Berth against the bare Docker Engine in one run and writes target/bench/report.json.
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

clean_up() {
    if [ "$STARTED_ENGINE" = yes ]; then "$ROOT/scripts/docker-engine.sh" stop --if-idle || true; fi
}

main() {
    STARTED_ENGINE=no
    "$ROOT/scripts/install-deps.sh" build run
    build_berth
    trap clean_up EXIT
    "$ROOT/scripts/docker-engine.sh" status >/dev/null 2>&1 || STARTED_ENGINE=yes
    start_engine
    export BERTH_TEST_DOCKER=$DOCKER_HOST
    mkdir -p "$ROOT/target/bench"
    cd "$ROOT"
    cargo run --release --locked -p berth-bench -- "$@"
}

main "$@"
