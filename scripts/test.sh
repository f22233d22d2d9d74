#!/usr/bin/env bash
# `make test`: everything that proves Berth, on SQLite, PostgreSQL and the real Docker Engine. The last line counts.
# BERTH_SKIP_DOCKER=1, BERTH_SKIP_POSTGRES=1, BERTH_SKIP_FUZZ=1, BERTH_SKIP_BROWSER=1 each leave a part out, and the last lines say so;
# without them an engine that is missing fails the run.
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname -- "${BASH_SOURCE[0]}")/simulated.sh"

PASSED=0 FAILED=0 SKIPPED=0
FAILURES=()
LEFT_OUT=()
LOGS=$ROOT/target/test-logs

skip() { [ "${!1:-0}" = 1 ]; }
pass() { PASSED=$((PASSED + 1)); }
fail() {
    FAILED=$((FAILED + 1))
    FAILURES+=("$1")
    warn "FAILED: $1"
}
leave_out() {
    SKIPPED=$((SKIPPED + 1))
    LEFT_OUT+=("$1")
}

# part NAME COMMAND...: one check by its exit status; its output is shown and kept.
part() {
    local name=$1 begun=$SECONDS
    shift
    step "$name"
    if "$@" 2>&1 | tee "$LOGS/${name// /-}.log" >&2; then
        say "$name: ok ($((SECONDS - begun)) s)"
        pass
    else
        fail "$name"
    fi
}

start_engines() {
    local line
    if skip BERTH_SKIP_DOCKER; then
        leave_out "Docker (BERTH_SKIP_DOCKER=1)"
    else
        "$ROOT/scripts/docker-engine.sh" status >/dev/null 2>&1 || STARTED_ENGINE=yes
        if line=$("$ROOT/scripts/docker-engine.sh" start); then
            export DOCKER_HOST=${line#DOCKER_HOST=}
            export BERTH_TEST_DOCKER=$DOCKER_HOST
            pass
        else
            fail "a Docker Engine to test on"
        fi
    fi
    if skip BERTH_SKIP_POSTGRES; then
        leave_out "PostgreSQL (BERTH_SKIP_POSTGRES=1)"
    else
        # Away from $WORK, which the user postgres may not enter.
        PG_DIR=$(is_root && echo /var/lib/postgresql || echo "$WORK")/berth-test-$$
        if line=$("$ROOT/scripts/postgres.sh" start "$PG_DIR"); then
            export BERTH_TEST_POSTGRES_URL=${line#BERTH_TEST_POSTGRES_URL=}
            pass
        else
            fail "a PostgreSQL to test on"
        fi
    fi
}

# count LOG: adds what the test runner counted; a run without a count (it did not compile) is one failure.
count() {
    local log=$1 status=$2 numbers passed failed skipped
    numbers=$(python3 - "$log" <<'EOF'
import re, sys
text = re.sub(r"\x1b\[[0-9;]*m", "", open(sys.argv[1], errors="replace").read())
passed = failed = skipped = 0
for line in re.findall(r"^\s*Summary \[.*\] .*$", text, re.M):
    for number, word in re.findall(r"(\d+) (passed|failed|skipped|exec failed|timed out)", line):
        if word == "passed": passed += int(number)
        elif word == "skipped": skipped += int(number)
        else: failed += int(number)
# Playwright's last words, a line for each kind.
for number, word in re.findall(r"^  (\d+) (passed|failed|skipped|flaky|interrupted|did not run)\b", text, re.M):
    if word == "passed": passed += int(number)
    elif word == "skipped": skipped += int(number)
    else: failed += int(number)
for p, f, i in re.findall(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored", text, re.M):
    passed, failed, skipped = passed + int(p), failed + int(f), skipped + int(i)
print(passed, failed, skipped)
EOF
)
    read -r passed failed skipped <<<"$numbers"
    PASSED=$((PASSED + passed)) FAILED=$((FAILED + failed)) SKIPPED=$((SKIPPED + skipped))
    if [ "$failed" -gt 0 ]; then
        FAILURES+=("$failed of the tests in $log")
    elif [ "$status" -ne 0 ]; then
        fail "$log (the run ended with status $status)"
    elif [ "$passed" -eq 0 ] && [ "${log##*/}" = cargo-tests.log ]; then
        fail "$log (no test ran)"
    fi
}

cargo_tests() {
    local status
    step "cargo tests"
    status=0
    if have cargo-nextest; then
        cargo nextest run --workspace --locked --no-fail-fast 2>&1 | tee "$LOGS/cargo-tests.log" >&2 || status=$?
        count "$LOGS/cargo-tests.log" "$status"
        status=0
        cargo test --workspace --locked --doc --no-fail-fast 2>&1 | tee "$LOGS/cargo-doctests.log" >&2 || status=$?
        count "$LOGS/cargo-doctests.log" "$status"
    else
        cargo test --workspace --locked --no-fail-fast 2>&1 | tee "$LOGS/cargo-tests.log" >&2 || status=$?
        count "$LOGS/cargo-tests.log" "$status"
    fi
}

# The pages in a real browser, on the binary as it is delivered. Two browsers at most: they share the machine with servers.
browser_tests() {
    local status=0
    if skip BERTH_SKIP_CONSOLE; then
        leave_out "the console (BERTH_SKIP_CONSOLE=1)"
        return
    fi
    part "console" "$ROOT/scripts/console.sh" check
    if skip BERTH_SKIP_BROWSER; then
        leave_out "browser tests (BERTH_SKIP_BROWSER=1)"
        return
    fi
    step "browser tests"
    (cd "$ROOT/console" && npm run --silent test:browser) 2>&1 | tee "$LOGS/browser-tests.log" >&2 || status=$?
    count "$LOGS/browser-tests.log" "$status"
}

check_metrics() {
    local promtool=$TOOLS_DIR/promtool
    if have promtool; then promtool=promtool; fi
    curl --silent --fail --header "Authorization: Bearer $ADMIN_TOKEN" "$SERVER_URL/metrics" >"$WORK/metrics" || return 1
    # An empty page passes promtool.
    grep -q '^berth_' "$WORK/metrics" || { say "/metrics holds nothing of berth" && return 1; }
    "$promtool" check metrics <"$WORK/metrics"
}

server_tests() {
    if ! start_simulated; then
        fail "a server with simulated nodes to test on"
        return
    fi
    part "metrics" check_metrics
    if skip BERTH_SKIP_FUZZ; then
        leave_out "fuzzing (BERTH_SKIP_FUZZ=1)"
    else
        BERTH_FUZZ_TOKEN=$USER_TOKEN part "fuzz as user" "$ROOT/tests/fuzz/run.sh" "$SERVER_URL" user
        BERTH_FUZZ_TOKEN=$ADMIN_TOKEN part "fuzz as admin" "$ROOT/tests/fuzz/run.sh" "$SERVER_URL" admin
    fi
    stop_server
}

clean_up() {
    local status=$?
    trap - EXIT INT TERM
    stop_server || true
    if [ -n "${PG_DIR:-}" ]; then "$ROOT/scripts/postgres.sh" stop "$PG_DIR" || true; fi
    if [ "$STARTED_ENGINE" = yes ]; then "$ROOT/scripts/docker-engine.sh" stop --if-idle || true; fi
    rm -rf -- "$WORK"
    exit "$status"
}

report() {
    local line
    printf '\n'
    for line in ${FAILURES[@]+"${FAILURES[@]}"}; do printf 'failed: %s\n' "$line"; done
    for line in ${LEFT_OUT[@]+"${LEFT_OUT[@]}"}; do printf 'left out on request: %s\n' "$line"; done
    printf 'took %s min; logs are in target/test-logs\n' "$(((SECONDS + 30) / 60))"
    if [ "$SKIPPED" -gt 0 ]; then
        printf 'make test: %s passed, %s failed, %s skipped\n' "$PASSED" "$FAILED" "$SKIPPED"
    else
        printf 'make test: %s passed, %s failed\n' "$PASSED" "$FAILED"
    fi
}

main() {
    STARTED_ENGINE=no
    cd "$ROOT"
    "$ROOT/scripts/install-deps.sh" build run test
    need_cargo
    WORK=$(mktemp -d)
    mkdir -p "$LOGS"
    trap clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    step "starting the engines"
    start_engines
    # What is quick and fails often comes first.
    part "formatting" cargo fmt --all --check
    part "shellcheck" "$ROOT/scripts/lint.sh" scripts
    part "clippy" cargo clippy --workspace --all-targets --locked -- -D warnings
    # The stories and the demo run the development binary: a release build would take longer than they do.
    if PROFILE=dev build_berth; then
        export BERTH_BIN=$BERTH
        if ! skip BERTH_SKIP_DOCKER; then part "demo" "$ROOT/scripts/demo.sh"; fi
        server_tests
        browser_tests
    else
        fail "building berth"
    fi
    cargo_tests
    report
    [ "$FAILED" -eq 0 ]
}

main "$@"
