# shellcheck shell=bash disable=SC2034,SC2154 # shares variables with lib.sh and with the script that sources it
# A server to fuzz; sourced after lib.sh, by scripts that made $WORK and called build_berth.

# start_simulated: a server with two simulated nodes, and ADMIN_TOKEN and USER_TOKEN for it. The machine's own engine is
# hidden from it: a fuzzer must not reach real containers.
start_simulated() {
    local initial
    export XDG_CONFIG_HOME=$WORK/config-admin
    BERTH_DOCKER=none start_server "$WORK/simulated" \
        "127.0.0.1:$(free_port)" "127.0.0.1:$(free_port)" --sim 2 || return 1
    login_first_admin "$WORK/simulated" || return 1
    ADMIN_TOKEN=$("$BERTH" token create --name fuzz --output json | json 'd["token"]') || return 1

    initial=$(random_password)
    printf '%s\n' "$initial" | "$BERTH" user create fuzz-user --role user --password-stdin >&2 || return 1
    USER_TOKEN=$(
        export XDG_CONFIG_HOME=$WORK/config-user
        log_in_and_change fuzz-user "$initial" "$(random_password)" || exit 1
        "$BERTH" token create --name fuzz --output json | json 'd["token"]' || exit 1
        fill user >&2
    ) || return 1
    fill admin >&2
}

# fill NAME: something of each kind, of the user who is logged in, for the fuzzer to meet.
fill() {
    local number
    for number in 1 2 3 4; do "$BERTH" session launch --application web --name "$1-$number" --wait || return 1; done
    "$BERTH" session launch --application batch --name "$1-waits" --cpu 4096 || return 1
    printf '%s\n' "$(random_password)" | "$BERTH" secret create "$1-secret"
}
