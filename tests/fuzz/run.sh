#!/usr/bin/env bash
# Fuzzes a running server from its own OpenAPI document: no answer may be a 500, and every answer must be a documented one.
# usage: BERTH_FUZZ_TOKEN=… tests/fuzz/run.sh URL NAME [EXAMPLES]     (NAME names the report; default 50 per operation)
# BERTH_FUZZ_SEED repeats a run. What is checked, and what is left out and why, is in schemathesis.toml beside this file.
. "$(dirname -- "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

main() {
    local url=${1:?usage: tests/fuzz/run.sh URL NAME [EXAMPLES]} name=${2:?a name for the report} examples=${3:-50} status=0
    local report=$ROOT/target/fuzz/$name
    [ -n "${BERTH_FUZZ_TOKEN:-}" ] || die "BERTH_FUZZ_TOKEN must hold a bearer token"
    [ -x "$VENV_DIR/bin/schemathesis" ] || die "schemathesis is missing: run scripts/install-deps.sh test"
    # A report of an earlier run must not be judged for this one.
    rm -rf -- "$report"
    mkdir -p "$report"
    export BERTH_FUZZ_TOKEN BERTH_FUZZ_URL=$url SCHEMATHESIS_HOOKS=hooks PYTHONPATH=$ROOT/tests/fuzz PYTHONDONTWRITEBYTECODE=1
    cd "$report"
    "$VENV_DIR/bin/schemathesis" --no-color --config-file "$ROOT/tests/fuzz/schemathesis.toml" \
        run "$url/api/v1/openapi.json" --wait-for-schema 30 \
        --phases "${BERTH_FUZZ_PHASES:-examples,coverage,fuzzing}" --max-examples "$examples" --workers 2 \
        ${BERTH_FUZZ_SEED:+--seed "$BERTH_FUZZ_SEED"} \
        --report junit,json --report-junit-path "$report/junit.xml" --report-json-path "$report/report.json" || status=$?
    if [ -s "$report/report.json" ]; then python3 "$ROOT/tests/fuzz/judge.py" "$report/report.json" || status=1; fi
    http_ok "$url/readyz" || die "the server is not ready after the fuzzing"
    return "$status"
}

main "$@"
