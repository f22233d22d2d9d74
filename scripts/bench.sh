#!/usr/bin/env bash
# `make bench`: measures Berth against the bare Docker Engine, and its console in a browser, in one run, and writes
# target/bench/report.json. With names of parts (launch, lists, console) only those.
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

clean_up() {
    if [ "$STARTED_ENGINE" = yes ]; then "$ROOT/scripts/docker-engine.sh" stop --if-idle || true; fi
}

main() {
    STARTED_ENGINE=no
    "$ROOT/scripts/install-deps.sh" build run test
    build_berth
    trap clean_up EXIT
    "$ROOT/scripts/docker-engine.sh" status >/dev/null 2>&1 || STARTED_ENGINE=yes
    start_engine
    export BERTH_TEST_DOCKER=$DOCKER_HOST
    mkdir -p "$ROOT/target/bench"
    cd "$ROOT"
    if [ "$*" != console ]; then cargo run --release --locked -p berth-bench -- "$@"; fi
    case " ${*:-console} " in *" console "*) console ;; esac
}

# The figures of the console join those that are there.
console() {
    if [ "${BERTH_SKIP_CONSOLE:-0}" = 1 ] || [ "${BERTH_SKIP_BROWSER:-0}" = 1 ]; then
        warn "the console's figures are left out on request"
        return
    fi
    (cd console && BERTH_BIN=$BERTH BERTH_BENCH_REPORT=$ROOT/target/bench/report.json \
        node_modules/.bin/playwright test --project=scale --workers=1)
}

main "$@"
