#!/usr/bin/env bash
# `make lint`: everything that can be judged without running the program. usage: scripts/lint.sh [all|scripts]
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

check_scripts() {
    if have shellcheck; then
        shellcheck --external-sources --source-path=scripts:tests/fuzz scripts/*.sh tests/fuzz/*.sh .ci/run
    else
        warn "shellcheck is not installed (apt-get install shellcheck): the scripts were not checked"
    fi
}

main() {
    cd "$ROOT"
    if [ "${1:-all}" = all ]; then
        need_cargo
        cargo fmt --all --check
        cargo clippy --workspace --all-targets --locked -- -D warnings
    fi
    check_scripts
}

main "$@"
