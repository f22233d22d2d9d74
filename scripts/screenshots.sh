#!/usr/bin/env bash
# `make screenshots`: pictures of every page of the console into target/screenshots, and those of the README into docs/images.
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

clean_up() {
    if [ "$STARTED_ENGINE" = yes ]; then "$ROOT/scripts/docker-engine.sh" stop --if-idle || true; fi
}

main() {
    STARTED_ENGINE=no
    "$ROOT/scripts/install-deps.sh" build run test
    PROFILE=dev build_berth
    export BERTH_BIN=$BERTH
    trap clean_up EXIT
    "$ROOT/scripts/docker-engine.sh" status >/dev/null 2>&1 || STARTED_ENGINE=yes
    start_engine
    export BERTH_TEST_DOCKER=$DOCKER_HOST
    rm -rf -- "$ROOT/target/screenshots"
    (cd "$ROOT/console" && node_modules/.bin/playwright test --project=screenshots --workers=1 "$@")
    say "pictures are in target/screenshots and docs/images"
}

main "$@"
