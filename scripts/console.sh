#!/usr/bin/env bash
# The web console, which the binary embeds. usage: scripts/console.sh build|check
#   build   console/dist from console/; nothing is done when it is already made from these very files
#   check   lint, types and unit tests
# BERTH_SKIP_CONSOLE=1: neither; the binary is built without its console, or with the one in console/dist.
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

CONSOLE=$ROOT/console
# npm writes it last, so what is older than the lock file is either outdated or half done.
INSTALLED=$CONSOLE/node_modules/.package-lock.json
BUILT=$CONSOLE/node_modules/.berth-built

install_packages() {
    if [ "$INSTALLED" -nt "$CONSOLE/package-lock.json" ]; then return 0; fi
    step "fetching what the console is made of (npm ci)"
    (cd "$CONSOLE" && npm ci --no-audit --no-fund --loglevel=error) >&2 || die "npm could not install the console's packages (see above)"
}

# One digest of all that a build reads: names and contents, so that a moved clock or a removed file deceives nobody.
# The client's types are made from the API's description by the build itself.
digest() {
    (
        cd "$CONSOLE"
        find . \( -path ./node_modules -o -path ./dist -o -path ./tests -o -path ./src/api/schema.ts \) -prune -o -type f -print0 |
            sort -z | xargs -0 sha256sum -- ../docs/openapi.json
    ) | sha256sum | cut -d ' ' -f 1
}

build() {
    local digest
    need_node
    install_packages
    digest=$(digest)
    if [ -s "$CONSOLE/dist/index.html" ] && [ "$(cat -- "$BUILT" 2>/dev/null)" = "$digest" ]; then
        say "the console is up to date"
        return
    fi
    step "building the console"
    rm -f -- "$BUILT"
    (cd "$CONSOLE" && npm run --silent build) >&2 || die "the console could not be built (see above)"
    echo "$digest" >"$BUILT"
}

has_script() { node -e 'process.exit(process.argv[2] in require(process.argv[1]).scripts ? 0 : 1)' "$CONSOLE/package.json" "$1"; }

check() {
    local name failed=()
    need_node
    install_packages
    for name in lint typecheck test; do
        has_script "$name" || continue
        step "console: $name"
        (cd "$CONSOLE" && npm run --silent "$name") >&2 || failed+=("$name")
    done
    [ ${#failed[@]} -eq 0 ] || die "the console's ${failed[*]} failed (see above)"
}

main() {
    if [ "${BERTH_SKIP_CONSOLE:-0}" = 1 ]; then
        warn "the console is left out (BERTH_SKIP_CONSOLE=1)"
        return
    fi
    case ${1:-} in
        build) build ;;
        check) check ;;
        *) die "usage: scripts/console.sh build|check" ;;
    esac
}

main "$@"
