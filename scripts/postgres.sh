#!/usr/bin/env bash
# A temporary PostgreSQL cluster for tests, with its own directory, port and socket; never the machine's own cluster.
# usage: scripts/postgres.sh start|stop [DIR]      start prints BERTH_TEST_POSTGRES_URL=postgres://…
#        scripts/postgres.sh bindir                prints where the programs are (version 15 or later)
#
# Nothing here survives a power cut on purpose (fsync is off): the tests make and drop databases by the dozen.
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

OLDEST=15

# The newest installed version that is new enough.
bindir() {
    local directory version best='' best_version=0
    for directory in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin "$(pg_config --bindir 2>/dev/null || true)"; do
        if [ ! -x "$directory/initdb" ] || [ ! -x "$directory/pg_ctl" ]; then continue; fi
        version=$("$directory/postgres" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
        if [ "$version" -ge "$OLDEST" ] && [ "$version" -gt "$best_version" ]; then
            best=$directory best_version=$version
        fi
    done
    [ -n "$best" ] || return 1
    printf '%s\n' "$best"
}

# PostgreSQL refuses to run as root, and root's own home is closed to the user postgres.
default_dir() {
    if is_root; then echo /var/lib/postgresql/berth-test; else echo "$STATE_DIR/postgres-test"; fi
}

as_postgres() {
    if is_root; then (cd / && setpriv --reuid=postgres --regid=postgres --init-groups -- "$@"); else "$@"; fi
}

running() { as_postgres "$BIN/pg_ctl" --pgdata="$DIR/data" status >/dev/null 2>&1; }

make_cluster() {
    local password_file=$DIR/password
    say "making a temporary PostgreSQL cluster in $DIR"
    mkdir -p -- "$DIR"
    chmod 700 -- "$DIR"
    (umask 077 && random_password >"$password_file")
    if is_root; then chown -R postgres: "$DIR"; fi
    as_postgres "$BIN/initdb" --pgdata="$DIR/data" --username=berth --pwfile="$password_file" --encoding=UTF8 \
        --no-locale --auth=scram-sha-256 --no-sync >/dev/null
}

start() {
    local port
    if ! { [ -f "$DIR/port" ] && running; }; then
        [ -f "$DIR/data/PG_VERSION" ] || make_cluster
        port=$(free_port)
        # 300 connections: every test process holds its own small pool.
        as_postgres "$BIN/pg_ctl" --pgdata="$DIR/data" --log="$DIR/log" --wait --timeout=60 --silent start --options="\
-c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories=$DIR -c max_connections=300 \
-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c shared_buffers=128MB \
-c max_wal_size=2GB -c timezone=UTC" >&2 || {
            tail -n 20 -- "$DIR/log" >&2 || true
            die "the temporary PostgreSQL cluster did not start (its log is above)"
        }
        echo "$port" >"$DIR/port"
        say "PostgreSQL listens on 127.0.0.1:$port"
    else
        port=$(cat -- "$DIR/port")
        say "the temporary PostgreSQL cluster already listens on 127.0.0.1:$port"
    fi
    echo "BERTH_TEST_POSTGRES_URL=postgres://berth:$(cat -- "$DIR/password")@127.0.0.1:$port/postgres"
}

# Only what make_cluster made is removed.
stop() {
    if [ ! -f "$DIR/data/PG_VERSION" ] || [ ! -f "$DIR/password" ]; then
        say "no temporary PostgreSQL cluster in $DIR"
        return
    fi
    if running; then as_postgres "$BIN/pg_ctl" --pgdata="$DIR/data" --mode=fast --wait --silent stop >&2; fi
    rm -rf -- "$DIR/data" "$DIR/password" "$DIR/port" "$DIR/log"
    rmdir -- "$DIR" 2>/dev/null || true
    say "the temporary PostgreSQL cluster in $DIR is gone"
}

main() {
    local command=${1:-}
    DIR=${2:-$(default_dir)}
    BIN=$(bindir) || die "PostgreSQL $OLDEST or later is not installed: run scripts/install-deps.sh test"
    case $command in
        start) start ;;
        stop) stop ;;
        bindir) printf '%s\n' "$BIN" ;;
        *) die "usage: scripts/postgres.sh start|stop [DIR] | bindir" ;;
    esac
}

main "$@"
