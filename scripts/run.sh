#!/usr/bin/env bash
# `make run`: from a fresh clone to a first session in a real container. Stays until Ctrl-C, which stops the server and
# not the sessions; `make clean-demo` removes all that it made.
# BERTH_STATE_DIR (default ~/.local/share/berth-demo), BERTH_LISTEN and BERTH_APPLICATIONS_LISTEN change where.
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

LISTEN=${BERTH_LISTEN:-127.0.0.1:7600}
APPLICATIONS_LISTEN=${BERTH_APPLICATIONS_LISTEN:-127.0.0.1:7601}
DATA_DIR=$STATE_DIR/server
PASSWORD_FILE=$STATE_DIR/admin-password

log_in() {
    if [ -s "$PASSWORD_FILE" ]; then
        ADMIN_PASSWORD=$(cat -- "$PASSWORD_FILE")
        "$BERTH" login --server "$SERVER_URL" --username admin --password-stdin <"$PASSWORD_FILE" >&2 ||
            die "the password in $PASSWORD_FILE is no longer admin's: log in with yours by '$BERTH login', or start afresh by 'make clean-demo'"
        return
    fi
    login_first_admin "$DATA_DIR"
    (umask 077 && printf '%s\n' "$ADMIN_PASSWORD" >"$PASSWORD_FILE")
}

first_session() {
    if "$BERTH" session show hello --output json >/dev/null 2>&1; then
        say "the session hello is still there from an earlier run"
    else
        step "launching a first session: a small web application in a container"
        "$BERTH" session launch --application web --name hello --wait >&2
    fi
}

welcome() {
    local berth=${BERTH#"$PWD"/}
    cat <<EOF

Berth is running. Open this address in a browser first, and log in:

  address    $SERVER_URL
  user       admin
  password   $ADMIN_PASSWORD      (also in $PASSWORD_FILE)

Or try in another terminal:

  $berth session list
  $berth session logs hello
  $berth session exec hello -- uname -a
  $berth session open hello
  $berth session launch --application terminal --name shell --wait
  $berth session terminal shell
  $berth allocation list
  $berth session stop hello
  $berth usage list

Ctrl-C stops the server; sessions go on. 'make clean-demo' removes everything.

EOF
}

finish() {
    trap '' INT TERM HUP
    trap - EXIT
    stop_server
    rm -f -- "$STATE_DIR/server.pid"
    say "berth is stopped. Sessions go on; 'make run' finds them again, 'make clean-demo' removes them."
    exit "${1:-0}"
}

main() {
    "$ROOT/scripts/install-deps.sh" build run
    build_berth
    make_state_dir "$STATE_DIR"
    step "starting the engines"
    start_engine
    step "starting berth up (SQLite in $DATA_DIR)"
    trap 'finish 0' INT TERM HUP
    trap 'finish 1' EXIT
    start_server "$DATA_DIR" "$LISTEN" "$APPLICATIONS_LISTEN"
    echo "$SERVER_PID" >"$STATE_DIR/server.pid"
    # clean-demo ends the login that this leaves in the person's own configuration.
    echo "$SERVER_URL" >"$STATE_DIR/url"
    log_in
    first_session
    welcome
    wait "$SERVER_PID" || true
    warn "berth ended by itself; the end of its log:"
    tail -n 20 -- "$SERVER_LOG" >&2
    finish 1
}

main "$@"
