#!/usr/bin/env bash
# `make fuzz`: the fuzzing of `make test`, longer and with sequences of calls. BERTH_FUZZ_EXAMPLES (default 500) per operation.
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname -- "${BASH_SOURCE[0]}")/simulated.sh"

main() {
    local status=0 examples=${BERTH_FUZZ_EXAMPLES:-500}
    export BERTH_FUZZ_PHASES=${BERTH_FUZZ_PHASES:-examples,coverage,fuzzing,stateful}
    "$ROOT/scripts/install-deps.sh" build run test
    build_berth
    WORK=$(mktemp -d)
    trap 'stop_server || true; rm -rf -- "$WORK"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    start_simulated
    BERTH_FUZZ_TOKEN=$USER_TOKEN "$ROOT/tests/fuzz/run.sh" "$SERVER_URL" user "$examples" || status=1
    BERTH_FUZZ_TOKEN=$ADMIN_TOKEN "$ROOT/tests/fuzz/run.sh" "$SERVER_URL" admin "$examples" || status=1
    exit "$status"
}

main "$@"
