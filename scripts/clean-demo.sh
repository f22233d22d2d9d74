#!/usr/bin/env bash
# `make clean-demo`: removes what `make run` and `make demo` made: the server, its containers and networks, its firewall
# table, the Docker Engine that we started, and the state directory. On a Docker Engine that is not ours only containers
# of this very installation go; another Berth on the same machine keeps its own.
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

stop_running_server() {
    local pid
    pid=$(cat -- "$STATE_DIR/server.pid" 2>/dev/null || true)
    if process_is "$pid" "--data-dir $STATE_DIR/server"; then
        end_process "$pid" 30 "berth"
        say "stopped the server"
    fi
}

# The login that `make run` left for the person's own use of the command.
end_login() {
    local berth=${BERTH_BIN:-${CARGO_TARGET_DIR:-$ROOT/target}/release/berth}
    if [ ! -s "$STATE_DIR/url" ] || [ ! -x "$berth" ]; then return 0; fi
    # Its words about a server that is away would only confuse; the tokens go from this machine in any case.
    "$berth" --server "$(cat -- "$STATE_DIR/url")" logout >/dev/null 2>&1 || true
}

# The installations whose things stand in this engine.
installations_in_engine() {
    {
        docker ps --all --filter label=berth.installation --format '{{.Label "berth.installation"}}'
        docker network ls --filter label=berth.installation --format '{{.Label "berth.installation"}}'
    } | sort --unique
}

# An engine of our own goes with all that is in it; on another one only this installation's things go.
remove_from_engines() {
    local line installation
    if line=$("$ROOT/scripts/docker-engine.sh" status 2>/dev/null); then export DOCKER_HOST=${line#DOCKER_HOST=}; fi
    if "$ROOT/scripts/docker-engine.sh" status 2>&1 | grep -q '^our own' && have docker; then
        for installation in $(installations_in_engine); do
            remove_containers "berth.installation=$installation"
            remove_firewall "$installation"
        done
    fi
    remove_installation "$STATE_DIR/server"
}

main() {
    end_login
    stop_running_server
    remove_from_engines
    "$ROOT/scripts/docker-engine.sh" stop
    remove_state_dir "$STATE_DIR"
    say "everything that 'make run' and 'make demo' made is gone"
}

main "$@"
