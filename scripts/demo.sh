#!/usr/bin/env bash
# `make demo`: the story of one session, without a person, in a state directory and on ports of its own: launch, its
# page, log, a command inside, metrics, the allocation ledger, stop, the ledger at zero, the usage recorded. Every part
# is checked, where possible against Docker itself; the first that did not happen ends the demo with an exit status
# other than 0.
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

NAME=demo

# chapter TITLE SENTENCE...: what comes now and why, for a reader who sees Berth for the first time. On stdout with the
# rest of the story, so that it stays in order in a file.
chapter() {
    printf '\n=== %s\n' "$1"
    shift
    printf '%s\n' "$@"
}

# check WHAT CONDITION: CONDITION is a Python expression over the JSON on stdin, called `d`.
check() {
    local what=$1 document
    document=$(cat)
    if [ "$(json "bool($2)" <<<"$document")" = true ]; then
        printf '  ok: %s\n' "$what"
    else
        printf '%s\n' "$document" >&2
        die "demo: not so: $what"
    fi
}

berth() { berth_as demo "$@"; }

# show ARGUMENTS...: prints a command, as one would type it, and what it says.
show() {
    local word line='$ berth'
    for word in "$@"; do
        case $word in *[!A-Za-z0-9_./=:-]*) word="'$word'" ;; esac
        line+=" $word"
    done
    printf '\n%s\n' "$line"
    berth "$@"
}

as_json() { python3 -c 'import json, sys; print(json.dumps(sys.stdin.read()))'; }
json_lines() { python3 -c 'import json, sys; print(json.dumps([json.loads(line) for line in sys.stdin]))'; }

session_status_is() { [ "$(berth session show "$NAME" --output json | json 'd["status"]')" = "$1" ]; }
memory_measured() { berth session metrics "$NAME" --output json | json 'next(m for m in items(d) if m["metric_type"] == "memory_used" and m["value"] > 0)'; }
usage_there() { [ "$(usage_of_session | json 'len(d)')" -gt 0 ]; }
usage_of_session() { berth usage list --session "$SESSION" --output json; }
ledger_of_session() { berth allocation list --session "$SESSION" --output json; }

launch() {
    chapter "Launch" "An application of the catalogue, with half a core and 256 MB, on the first node that has room for it."
    show application list
    show session launch --application web --name "$NAME" --cpu 0.5 --memory 256MB --wait
    berth session show "$NAME" --output json >"$WORK/session.json"
    SESSION=$(json 'd["id"]' <"$WORK/session.json")
    check "the session is running" 'd["status"] == "running"' <"$WORK/session.json"
    docker ps --quiet --filter "label=berth.session=$SESSION" >"$WORK/containers"
    check "Docker has one container of it" 'len(d.split()) == 1' < <(as_json <"$WORK/containers")
    docker inspect "$(cat "$WORK/containers")" >"$WORK/container.json"
    check "it runs, confined to the memory asked for, without the host's rights" \
        'd[0]["State"]["Running"] and d[0]["HostConfig"]["Memory"] == 256 * 1024 * 1024 and not d[0]["HostConfig"]["Privileged"]' \
        <"$WORK/container.json"
}

look_inside() {
    local word address
    chapter "Its page" "The application's own web page, through Berth; the address works once, for whoever may open it."
    printf '\n$ berth session open %s\n' "$NAME"
    address=$(berth session open "$NAME")
    # The rest of the address is as good as a key.
    printf '%s\n' "${address%%\?*}?…"
    curl --silent --show-error --fail --location --max-time 10 --cookie-jar "$WORK/cookies" "$address" >"$WORK/page"
    check "the page came from the container" '"<" in d and "Berth" in d' < <(as_json <"$WORK/page")

    chapter "The log" "What the application has written."
    show session logs "$NAME"
    berth session logs "$NAME" | as_json | check "the log is not empty" 'd.strip() != ""'

    word=inside-$RANDOM$RANDOM
    chapter "A command inside" "In the container, with its exit code, as by ssh."
    show session exec "$NAME" -- sh -c "echo $word; hostname" | tee "$WORK/exec"
    as_json <"$WORK/exec" | WORD=$word check "the command ran in the container" \
        'd.strip().split("\n")[1:] == [__import__("os").environ["WORD"], "demo"]'
}

measure() {
    chapter "Metrics" "Measured every few seconds from the engine."
    wait_until 60 "the first metrics" memory_measured
    show session metrics "$NAME"
    berth session metrics "$NAME" --output json |
        check "memory in use was measured" 'any(m["metric_type"] == "memory_used" and 0 < m["value"] < 256 for m in items(d))'
}

ledger() {
    chapter "The allocation ledger" "What the session holds of the node, and since when. Nothing is held twice."
    show allocation list
    ledger_of_session >"$WORK/ledger.json"
    check "half a core is charged" \
        '[a["allocated_amount"] for a in items(d) if a["resource_type"] == "cpu" and a["status"] == "active"] == [500]' <"$WORK/ledger.json"
    check "256 MiB are charged" \
        '[a["allocated_amount"] for a in items(d) if a["resource_type"] == "memory" and a["status"] == "active"] == [256]' <"$WORK/ledger.json"
}

stop_session() {
    chapter "Stop" "Gracefully: the application is asked first."
    show session stop "$NAME"
    wait_until 60 "the session to end" session_status_is completed
    berth session show "$NAME" --output json >"$WORK/session.json"
    check "the session is completed, and says why" 'd["status"] == "completed" and d["reason"] == "stopped_by_user"' <"$WORK/session.json"
    docker ps --all --format '{{json .ID}}' --filter "label=berth.session=$SESSION" | json_lines |
        check "Docker has no container of it any more" 'd == []'
}

accounts() {
    chapter "The ledger afterwards" "Everything is given back; the rows stay, as the proof of who held what and when."
    show allocation list
    berth allocation list --output json |
        check "nothing is charged any more" 'not [a for a in items(d) if a["status"] == "active"]'
    ledger_of_session >"$WORK/ledger.json"
    check "every claim has its end" 'items(d) and all(a["deallocation_time"] for a in items(d))' <"$WORK/ledger.json"

    chapter "The usage" "What the session consumed, by the hour: the amount times the seconds that it was held."
    wait_until 90 "the usage to be recorded" usage_there
    show usage list
    usage_of_session >"$WORK/usage.json"
    python3 - "$WORK/ledger.json" "$WORK/usage.json" <<'PYTHON' | check "usage is amount × seconds of the ledger, to the second" 'd["seconds"] > 0 and all(d[kind][0] == d[kind][1] > 0 for kind in ("cpu", "memory", "storage"))'
import datetime, json, sys
ledger, usage = (json.load(open(path)) for path in sys.argv[1:])
def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
def seconds(a):
    return int((moment(a["deallocation_time"]) - moment(a["allocation_time"])).total_seconds())
report = {"seconds": sum(map(seconds, ledger))}
for kind in ("cpu", "memory", "storage"):
    report[kind] = [
        sum(a["allocated_amount"] * seconds(a) for a in ledger if a["resource_type"] == kind),
        sum(u["amount_seconds"] for u in usage if u["resource_type"] == kind),
    ]
print(json.dumps(report))
PYTHON

    chapter "The proof" "Ledger, rows and Docker are compared with each other."
    show admin fsck --data-dir "$WORK/data"
    printf '  ok: they agree\n'
}

clean_up() {
    local status=$?
    trap - EXIT INT TERM
    if [ "$status" -ne 0 ] && [ -s "${SERVER_LOG:-}" ]; then
        say "the end of the server's log:"
        tail -n 40 -- "$SERVER_LOG" >&2
    fi
    stop_server || true
    remove_installation "$WORK/data" || true
    if [ "$STARTED_ENGINE" = yes ]; then "$ROOT/scripts/docker-engine.sh" stop --if-idle || true; fi
    rm -rf -- "$WORK"
    [ "$status" -eq 0 ] || say "demo: FAILED (status $status)"
    exit "$status"
}

main() {
    STARTED_ENGINE=no
    "$ROOT/scripts/install-deps.sh" build run
    build_berth
    WORK=$(mktemp -d)
    trap clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    step "starting the engines"
    "$ROOT/scripts/docker-engine.sh" status >/dev/null 2>&1 || STARTED_ENGINE=yes
    start_engine
    step "starting berth up in a fresh directory, as a new user would"
    # Away from the networks of a Berth that `make run` may have left on the same engine.
    export BERTH_SESSION_NETWORKS=${BERTH_DEMO_NETWORKS:-10.214.0.0/16}
    start_server "$WORK/data" "127.0.0.1:$(free_port)" "127.0.0.1:$(free_port)"
    (export XDG_CONFIG_HOME=$WORK/config-demo && login_first_admin "$WORK/data")
    launch
    look_inside
    measure
    ledger
    stop_session
    accounts
    printf '\ndemo: all of it happened\n'
}

main "$@"
