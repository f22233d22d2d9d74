#!/usr/bin/env bash
# Makes sure that a Docker Engine answers: the one that is there, systemd's, or, on a machine without systemd, our own.
# usage: scripts/docker-engine.sh start [--data-dir D]      prints DOCKER_HOST=unix://…
#        scripts/docker-engine.sh stop [--if-idle] [--data-dir D]
#        scripts/docker-engine.sh status [--data-dir D]
#
# `stop` ends only an engine that `start` started here. It runs in a session of its own (setsid), so that a person's
# sessions outlive the terminal in which `make run` was interrupted. Socket and run-time files are in /run under a short
# name, because containerd's sockets below them would otherwise pass the 108 bytes that a socket's path may have.
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

# answers HOST: an engine answers there. Only unix sockets are asked by hand; anything else through the client.
answers() {
    case $1 in
        unix://*) [ -S "${1#unix://}" ] && curl --silent --fail --max-time 5 --unix-socket "${1#unix://}" \
            --output /dev/null http://docker/_ping ;;
        *) have docker && docker --host "$1" version >/dev/null 2>&1 ;;
    esac
}

# The engine that is already there: the one named by DOCKER_HOST, or the machine's own.
find_engine() {
    local host
    for host in ${DOCKER_HOST:+"$DOCKER_HOST"} unix:///var/run/docker.sock ${XDG_RUNTIME_DIR:+"unix://$XDG_RUNTIME_DIR/docker.sock"}; do
        if answers "$host"; then
            printf '%s\n' "$host"
            return 0
        fi
    done
    return 1
}

own_pid() { cat -- "$DIR/dockerd.pid" 2>/dev/null || true; }
own_runs() { process_is "$(own_pid)" "--data-root $DIR/data"; }

socket_closed_to_us() { [ -S /var/run/docker.sock ] && [ ! -w /var/run/docker.sock ]; }

start_by_systemd() {
    say "starting Docker Engine by systemd"
    as_root systemctl start docker || return 1
    if socket_closed_to_us; then
        die "Docker runs, but its socket is closed to $(id -un): run 'sudo usermod -aG docker $(id -un)', log in anew and try again"
    fi
    wait_until 60 "Docker Engine" answers unix:///var/run/docker.sock
}

# dockerd keeps containers in control groups; a bare machine may not have mounted them.
mount_control_groups() {
    if [ -n "$(ls -A /sys/fs/cgroup 2>/dev/null)" ]; then return 0; fi
    say "mounting control groups on /sys/fs/cgroup"
    mount -t cgroup2 none /sys/fs/cgroup || die "control groups cannot be mounted: Docker cannot run on this machine"
}

start_own() {
    is_root || die "no Docker Engine answers and there is no systemd to start one: run as root, or set DOCKER_HOST"
    have dockerd || die "dockerd is missing: run scripts/install-deps.sh run"
    mount_control_groups
    case $DIR in "$STATE_DIR"/*) make_state_dir "$STATE_DIR" ;; esac
    mkdir -p -- "$DIR/data" "$RUN"
    chmod 700 -- "$RUN"
    # A pid file of a dead engine would keep the new one from starting.
    rm -f -- "$DIR/dockerd.pid"
    say "starting a Docker Engine of our own (data: $DIR/data, log: $DIR/dockerd.log)"
    setsid dockerd --data-root "$DIR/data" --exec-root "$RUN/exec" --pidfile "$DIR/dockerd.pid" \
        --host "$OWN_HOST" --log-opt max-size=10m --log-opt max-file=3 \
        </dev/null >>"$DIR/dockerd.log" 2>&1 &
    LAUNCHED=$!
    if ! wait_until 60 "dockerd" own_answers_or_gone || ! answers "$OWN_HOST"; then
        tail -n 20 -- "$DIR/dockerd.log" >&2 || true
        end_process "$LAUNCHED" 20 dockerd
        die "the Docker Engine did not start (the end of its log is above)"
    fi
}
own_answers_or_gone() { answers "$OWN_HOST" || process_gone "$LAUNCHED"; }

start() {
    local host
    if own_runs && wait_until 60 "dockerd" answers "$OWN_HOST"; then
        host=$OWN_HOST
        say "using the Docker Engine that an earlier run started"
    elif host=$(find_engine); then
        say "using the Docker Engine at $host"
    elif socket_closed_to_us; then
        die "Docker's socket is closed to $(id -un): run 'sudo usermod -aG docker $(id -un)', log in anew and try again"
    elif has_systemd; then
        start_by_systemd || die "systemd could not start docker: see 'journalctl -u docker'"
        host=unix:///var/run/docker.sock
    else
        start_own
        host=$OWN_HOST
    fi
    printf 'DOCKER_HOST=%s\n' "$host"
}

running_containers() {
    curl --silent --fail --max-time 10 --unix-socket "${OWN_HOST#unix://}" http://docker/containers/json |
        python3 -c 'import json, sys; print(len(json.load(sys.stdin)))'
}

stop() {
    local containers
    if ! own_runs; then
        say "no Docker Engine of our own runs"
        return
    fi
    if [ "$IF_IDLE" = yes ]; then
        containers=$(running_containers)
        if [ "$containers" != 0 ]; then
            say "the Docker Engine stays: $containers containers run in it"
            return
        fi
    fi
    end_process "$(own_pid)" 60 "dockerd"
    rm -rf -- "$RUN"
    say "the Docker Engine of our own is stopped"
}

status() {
    local host
    if own_runs && answers "$OWN_HOST"; then
        say "our own Docker Engine answers (process $(own_pid), data $DIR/data)"
        printf 'DOCKER_HOST=%s\n' "$OWN_HOST"
    elif host=$(find_engine); then
        say "a Docker Engine that we did not start answers"
        printf 'DOCKER_HOST=%s\n' "$host"
    else
        say "no Docker Engine answers"
        return 1
    fi
}

main() {
    local command=${1:-}
    IF_IDLE=no
    DIR=$STATE_DIR/dockerd
    [ $# -eq 0 ] || shift
    while [ $# -gt 0 ]; do
        case $1 in
            --data-dir) DIR=${2:?--data-dir needs a directory} && shift 2 ;;
            --if-idle) IF_IDLE=yes && shift ;;
            *) die "unknown argument $1" ;;
        esac
    done
    case $DIR in /*) ;; *) DIR=$PWD/$DIR ;; esac
    RUN=/run/berth-docker-$(short_name "$DIR")
    OWN_HOST=unix://$RUN/docker.sock
    case $command in
        start) start ;;
        stop) stop ;;
        status) status ;;
        *) die "usage: scripts/docker-engine.sh start|stop|status [--if-idle] [--data-dir D]" ;;
    esac
}

main "$@"
