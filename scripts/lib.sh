# shellcheck shell=bash disable=SC2034 # variables are used by the scripts that source this one
# Functions that the other scripts share; sourced, never run.
#
# What a person reads goes to stderr, so that stdout stays free for values that another script takes
# (`DOCKER_HOST=unix://…`).

set -euo pipefail

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
# Not `berth up`'s own default directory: `make clean-demo` removes this one.
STATE_DIR=${BERTH_STATE_DIR:-${XDG_DATA_HOME:-${HOME:-/root}/.local/share}/berth-demo}
TOOLS_DIR=$ROOT/target/tools
VENV_DIR=$ROOT/.venv
# A package may put its programs here without the caller's PATH knowing.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

say() { printf '%s\n' "$*" >&2; }
step() { printf '\n==> %s\n' "$*" >&2; }
warn() { printf 'warning: %s\n' "$*" >&2; }
die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }
is_root() { [ "$(id -u)" -eq 0 ]; }
has_systemd() { [ -d /run/systemd/system ]; }

# Runs a command as root: directly, or by sudo, which may ask for the person's password.
as_root() {
    if is_root; then
        "$@"
    elif have sudo; then
        sudo -- "$@"
    else
        die "this needs root, and there is no sudo: run as root: $*"
    fi
}

# wait_until SECONDS WHAT COMMAND...: polls until the command succeeds; fails, naming WHAT, when the time is over.
wait_until() {
    local seconds=$1 what=$2 deadline
    shift 2
    deadline=$((SECONDS + seconds))
    until "$@" >/dev/null 2>&1; do
        if [ "$SECONDS" -ge "$deadline" ]; then
            warn "gave up after ${seconds} s waiting for ${what}"
            return 1
        fi
        sleep 0.1
    done
}

process_gone() { ! kill -0 "$1" 2>/dev/null; }

# process_is PID TEXT: the process lives and its command line contains TEXT (a pid file may name a recycled pid).
process_is() {
    [ -n "$1" ] && [ -r "/proc/$1/cmdline" ] || return 1
    tr '\0' ' ' <"/proc/$1/cmdline" 2>/dev/null | grep -qF -- "$2"
}

# end_process PID SECONDS WHAT: asks a process to end, waits, and kills it only when it did not listen.
end_process() {
    kill "$1" 2>/dev/null || return 0
    if ! wait_until "$2" "$3 to end" process_gone "$1"; then
        warn "killing $3 (process $1)"
        kill -KILL "$1" 2>/dev/null || true
        wait_until 10 "$3 to be gone" process_gone "$1"
    fi
}

# A TCP port of 127.0.0.1 that is free right now.
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# port_taken ADDRESS PORT
port_taken() { (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null; }

random_password() { python3 -c 'import secrets; print(secrets.token_urlsafe(18))'; }

# A short name for a path: run directories must stay far below the 108 bytes that a unix socket's path may have.
short_name() { printf '%s' "$1" | sha256sum | cut -c1-8; }

http_ok() { curl --silent --fail --output /dev/null --max-time 2 "$1"; }

# json EXPRESSION: evaluates a Python expression over the JSON document on stdin, called `d`; strings print bare.
# `items(d)` is the list inside a page or a bare list.
json() {
    python3 -c '
import json, sys
d = json.load(sys.stdin)
def items(page):
    return page["items"] if isinstance(page, dict) else page
value = eval(sys.argv[1], {"d": d, "items": items})
print(value if isinstance(value, str) else json.dumps(value))
' "$1"
}

# A state directory is removed only when it carries this mark, so that a mistyped BERTH_STATE_DIR costs nothing.
STATE_MARK=.berth-state
make_state_dir() {
    if [ -d "$1" ] && [ ! -e "$1/$STATE_MARK" ] && [ -n "$(ls -A -- "$1")" ]; then
        die "$1 exists, is not empty, and was not made by these scripts: set BERTH_STATE_DIR to another directory"
    fi
    mkdir -p -- "$1"
    chmod 700 -- "$1"
    : >"$1/$STATE_MARK"
}
remove_state_dir() {
    [ -e "$1" ] || return 0
    [ -e "$1/$STATE_MARK" ] || die "$1 was not made by these scripts and is left alone"
    rm -rf -- "$1"
}

need_cargo() {
    if ! have cargo && [ -r "${CARGO_HOME:-${HOME:-/root}/.cargo}/env" ]; then
        # shellcheck disable=SC1091 # written by rustup on the person's machine
        . "${CARGO_HOME:-${HOME:-/root}/.cargo}/env"
    fi
    have cargo || die "Rust is missing. Install it with rustup (https://rustup.rs):
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh
and open a new shell, then try again."
}

# What Vite, which builds the console, asks for.
NODE_WANTED="20.19 or later of Node.js 20, or 22.12 or later"
# node_version_suits VERSION: `20.19.2`, or as Debian writes it.
node_version_suits() {
    local major minor rest=${1#v}
    major=${rest%%.*}
    rest=${rest#*.}
    minor=${rest%%.*}
    [[ $major =~ ^[0-9]+$ && $minor =~ ^[0-9]+$ ]] || return 1
    case $major in
        20) [ "$minor" -ge 19 ] ;;
        22) [ "$minor" -ge 12 ] ;;
        *) [ "$major" -gt 22 ] ;;
    esac
}
NODE_REMEDY="Berth's console is built by Node.js: $NODE_WANTED.
Install it from https://nodejs.org/en/download (or by nvm, or from NodeSource's packages) and try again,
or set BERTH_SKIP_CONSOLE=1 to build berth without its console."
need_node() {
    have node || die "there is no Node.js on this machine. $NODE_REMEDY"
    node_version_suits "$(node --version)" || die "this machine has Node.js $(node --version). $NODE_REMEDY"
    have npm || die "Node.js is here, but not npm: install the package npm"
}

# build_berth: sets BERTH to the release binary, or with PROFILE=dev to the development one, which is built in a
# fraction of the time. BERTH_BIN names a binary to use instead.
build_berth() {
    if [ -n "${BERTH_BIN:-}" ]; then
        [ -x "$BERTH_BIN" ] || die "BERTH_BIN names $BERTH_BIN, which is no program"
        BERTH=$BERTH_BIN
        say "using $BERTH (BERTH_BIN)"
        return
    fi
    need_cargo
    "$ROOT/scripts/console.sh" build || return 1
    step "building berth (the first build takes some minutes)"
    if [ "${PROFILE:-release}" = dev ]; then
        (cd "$ROOT" && cargo build --locked --bin berth) >&2 || return 1
        BERTH=${CARGO_TARGET_DIR:-$ROOT/target}/debug/berth
    else
        (cd "$ROOT" && cargo build --release --locked --bin berth) >&2 || return 1
        BERTH=${CARGO_TARGET_DIR:-$ROOT/target}/release/berth
    fi
}

# start_engine: makes sure that a Docker Engine answers and exports DOCKER_HOST.
start_engine() {
    local line
    line=$("$ROOT/scripts/docker-engine.sh" start)
    export DOCKER_HOST=${line#DOCKER_HOST=}
    export BERTH_DOCKER=$DOCKER_HOST
}

# start_server DATA_DIR LISTEN APPLICATIONS_LISTEN [ARGUMENTS...]: starts `berth up` apart from this terminal's
# process group, so that Ctrl-C reaches this script first, and sets SERVER_PID and SERVER_URL.
start_server() {
    local data_dir=$1 listen=$2 applications=$3
    shift 3
    if port_taken "${listen%:*}" "${listen##*:}"; then
        warn "something already listens on $listen: end it, or set BERTH_LISTEN to another address"
        return 1
    fi
    SERVER_URL=http://$listen
    SERVER_LOG=$data_dir.log
    setsid "$BERTH" up --data-dir "$data_dir" --listen "$listen" --applications-listen "$applications" "$@" \
        </dev/null >"$SERVER_LOG" 2>&1 &
    SERVER_PID=$!
    if ! wait_until 60 "berth to be ready at $SERVER_URL/readyz" server_ready_or_gone; then
        tail -n 30 -- "$SERVER_LOG" >&2 || true
        stop_server
        return 1
    fi
    if process_gone "$SERVER_PID"; then
        tail -n 30 -- "$SERVER_LOG" >&2 || true
        warn "berth ended while starting; its log is above"
        SERVER_PID=
        return 1
    fi
    say "berth is ready at $SERVER_URL (log: $SERVER_LOG)"
}
server_ready_or_gone() { http_ok "$SERVER_URL/readyz" || process_gone "$SERVER_PID"; }

stop_server() {
    [ -n "${SERVER_PID:-}" ] || return 0
    end_process "$SERVER_PID" 30 "berth"
    SERVER_PID=
}

# log_in_and_change USER INITIAL NEW: logs in with an initial password, makes the forced change, and logs in anew.
log_in_and_change() {
    printf '%s\n' "$2" | "$BERTH" login --server "$SERVER_URL" --username "$1" --password-stdin >&2 || return 1
    printf '%s\n%s\n' "$2" "$3" | "$BERTH" password --password-stdin >&2 || return 1
    printf '%s\n' "$3" | "$BERTH" login --server "$SERVER_URL" --username "$1" --password-stdin >&2
}

# login_first_admin DATA_DIR: the forced first change for the generated admin, to ADMIN_PASSWORD, which is generated.
login_first_admin() {
    wait_until 10 "the first admin's password" test -s "$1/first-admin-password" || return 1
    ADMIN_PASSWORD=$(random_password)
    log_in_and_change admin "$(cat -- "$1/first-admin-password")" "$ADMIN_PASSWORD"
}

# berth_as NAME ARGUMENTS...: the CLI with a login of its own under $WORK, so that the person's own login stays.
berth_as() {
    local name=$1
    shift
    XDG_CONFIG_HOME=$WORK/config-$name "$BERTH" "$@"
}

# remove_containers LABEL: containers and networks that carry the label (a name, or name=value).
remove_containers() {
    local ids
    ids=$(docker ps --all --quiet --filter "label=$1") || return 1
    # shellcheck disable=SC2086 # one word per id
    if [ -n "$ids" ]; then docker rm --force --volumes $ids >/dev/null && say "removed $(wc -w <<<"$ids") container(s)"; fi
    ids=$(docker network ls --quiet --filter "label=$1") || return 1
    # shellcheck disable=SC2086
    if [ -n "$ids" ]; then docker network rm $ids >/dev/null && say "removed $(wc -w <<<"$ids") network(s)"; fi
}

# remove_firewall INSTALLATION: the table of rules that one server laid around its sessions.
remove_firewall() {
    local table=berth_$1
    have nft && as_root nft list table inet "$table" >/dev/null 2>&1 || return 0
    as_root nft delete table inet "$table"
    say "removed the firewall table inet $table"
}

# remove_installation DATA_DIR: what the server of that directory made outside of it.
remove_installation() {
    local installation
    [ -s "$1/installation-id" ] || return 0
    installation=$(cat -- "$1/installation-id")
    if [ -n "${DOCKER_HOST:-}" ] && have docker; then
        remove_containers "berth.installation=$installation" || warn "the engine at $DOCKER_HOST does not answer: what is in it stays"
    fi
    remove_firewall "$installation"
}
