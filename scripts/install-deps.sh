#!/usr/bin/env bash
# Installs what Berth needs on Debian and Ubuntu, only what is missing, with a word about each thing.
# usage: scripts/install-deps.sh [build] [run] [test]      (none named: build and run)
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

# Packages to install, gathered first so that apt runs once.
PACKAGES=()

# want PACKAGE WHY: adds a package to the list, saying what it is for.
want() {
    case " ${PACKAGES[*]-} " in *" $1 "*) return 0 ;; esac
    PACKAGES+=("$1")
    say "  $1: $2"
}

need_apt() {
    have apt-get && return
    die "this script installs packages on Debian and Ubuntu only. Install by your system's own means: ${PACKAGES[*]}
(the names are Debian's), and run it again: what is there is not asked for again."
}

install_packages() {
    [ ${#PACKAGES[@]} -gt 0 ] || return 0
    need_apt
    local log
    log=$(mktemp)
    say "installing with apt: ${PACKAGES[*]}"
    # dpkg's questions would hang a machine without a person, and its chatter would bury the words above.
    if ! { as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
        --no-install-recommends -o Dpkg::Use-Pty=0 "${PACKAGES[@]}"; } >"$log" 2>&1; then
        tail -n 40 -- "$log" >&2
        rm -f -- "$log"
        die "apt could not install: ${PACKAGES[*]} (its last words are above)"
    fi
    rm -f -- "$log"
    PACKAGES=()
}

ask_for_build() {
    have cc || want gcc "C compiler, for the SQLite and TLS code inside"
    have make || want make "runs the targets of the Makefile"
    have pkg-config || want pkg-config "finds system libraries"
    # gcc alone has no headers of the C library when recommends are off.
    [ -e /usr/include/stdio.h ] || want libc6-dev "headers of the C library"
    [ "${BERTH_SKIP_CONSOLE:-0}" = 1 ] || ask_for_node
}

# Never replaces a Node.js that somebody installed: what is too old is said, with the remedy.
ask_for_node() {
    local candidate
    if have node; then
        need_node
        return
    fi
    candidate=$(candidate_of nodejs)
    if [ -z "$candidate" ] && have apt-get; then
        as_root apt-get update -qq >&2
        candidate=$(candidate_of nodejs)
    fi
    node_version_suits "$candidate" || die "this system packages $([ -n "$candidate" ] && echo "Node.js $candidate" || echo "no Node.js"). $NODE_REMEDY"
    want nodejs "Node.js, which builds the console"
    # NodeSource's package holds npm and does not bear Debian's beside it.
    have npm || apt-cache show "nodejs=$candidate" 2>/dev/null | grep -q '^Provides:.*\bnpm\b' || want npm "fetches what the console is made of"
}

# The version that apt would install; nothing when it knows none.
candidate_of() {
    have apt-cache || return 0
    apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: *//p' | grep -v '^(none)$' || true
}

ask_for_run() {
    have dockerd || want docker.io "Docker Engine, which runs the sessions"
    # From Debian 13 on the client is a package of its own.
    if ! have docker && have apt-cache && apt-cache show docker-cli >/dev/null 2>&1; then
        want docker-cli "Docker's command, to look at the containers yourself"
    fi
    have iptables || want iptables "Docker's own network rules"
    have nft || want nftables "firewall rules that keep sessions apart from each other and from the host"
    static_busybox || want busybox-static "contents of the built-in images, which need no registry"
    have curl || want curl "asks the server whether it is ready"
    have python3 || want python3 "checks JSON answers in the scripts"
    [ -e /etc/ssl/certs/ca-certificates.crt ] || want ca-certificates "certificates of the authorities, to pull images"
}

# The image needs a busybox that runs without any library beside it.
static_busybox() {
    local busybox
    busybox=$(command -v busybox) || return 1
    ! ldd "$busybox" >/dev/null 2>&1
}

ask_for_test() {
    local candidate
    have curl || want curl "asks servers whether they are ready"
    have python3 || want python3 "checks JSON answers in the scripts"
    # Playwright drives this one; its own browser is nowhere packaged.
    [ "${BERTH_SKIP_CONSOLE:-0}" = 1 ] || [ -x /usr/bin/chromium ] || want chromium "a browser, which tests the console"
    have ip || want iproute2 "a network of its own for the tests' browser"
    have shellcheck || want shellcheck "checks these scripts"
    venv_works || want python3-venv "a Python environment for schemathesis"
    if [ "${BERTH_SKIP_POSTGRES:-0}" != 1 ] && ! find_postgres >/dev/null; then
        candidate=$(apt-cache show postgresql 2>/dev/null | sed -n 's/^Version: \([0-9]*\).*/\1/p' | sort -n | tail -1)
        if [ -n "$candidate" ] && [ "$candidate" -lt 15 ]; then
            die "this system packages PostgreSQL $candidate, and Berth needs 15 or later: see https://apt.postgresql.org,
or set BERTH_SKIP_POSTGRES=1 to test on SQLite alone"
        fi
        want postgresql "PostgreSQL, whose programs run a temporary cluster for the tests"
    fi
}

venv_works() { have python3 && python3 -c 'import ensurepip, venv' 2>/dev/null; }

find_postgres() { "$ROOT/scripts/postgres.sh" bindir 2>/dev/null; }

# The tests start clusters of their own; Debian's package would also make and start one on port 5432.
PG_DROP_IN=/etc/postgresql-common/createcluster.d/berth-no-main-cluster.conf
hold_main_cluster() {
    case " ${PACKAGES[*]-} " in *" postgresql "*) ;; *) return 0 ;; esac
    as_root mkdir -p "${PG_DROP_IN%/*}"
    echo 'create_main_cluster = false' | as_root tee "$PG_DROP_IN" >/dev/null
}
release_main_cluster() {
    [ ! -e "$PG_DROP_IN" ] || as_root rm -f "$PG_DROP_IN"
}

# The directory is closed to apt's own user, so apt is told to download as us.
download_package() { (cd "$1" && apt-get download -qq -o "APT::Sandbox::User=$(id -un)" "$2") >&2; }

# promtool comes in the package of the whole Prometheus server, which would start itself: only the program is taken.
install_promtool() {
    local directory
    if have promtool || [ -x "$TOOLS_DIR/promtool" ]; then return 0; fi
    say "  promtool: checks the text of /metrics (taken out of the package prometheus, no server is installed)"
    have apt-get || die "promtool is missing: install Prometheus's promtool and put it on the PATH"
    mkdir -p "$TOOLS_DIR"
    directory=$(mktemp -d)
    if ! download_package "$directory" prometheus; then
        as_root apt-get update -qq >&2
        download_package "$directory" prometheus || die "could not download the package prometheus"
    fi
    dpkg-deb --fsys-tarfile "$directory"/prometheus_*.deb | tar -x -C "$directory" ./usr/bin/promtool
    mv "$directory/usr/bin/promtool" "$TOOLS_DIR/promtool"
    rm -rf -- "$directory"
}

install_schemathesis() {
    local requirements=$ROOT/tests/fuzz/requirements.txt python=python3
    [ "${BERTH_SKIP_FUZZ:-0}" != 1 ] || return 0
    if [ -x "$VENV_DIR/bin/schemathesis" ] && cmp -s "$requirements" "$VENV_DIR/requirements.installed"; then return 0; fi
    say "  schemathesis: fuzzes the API from its OpenAPI document (into .venv)"
    # A python3 from elsewhere that lacks venv must not hide the system's, which the package has just completed.
    venv_works || python=/usr/bin/python3
    rm -rf -- "$VENV_DIR"
    "$python" -m venv "$VENV_DIR" || die "could not make a Python environment in $VENV_DIR"
    "$VENV_DIR/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements" >&2 ||
        die "pip could not install schemathesis (set BERTH_SKIP_FUZZ=1 to test without it)"
    cp "$requirements" "$VENV_DIR/requirements.installed"
}

# nextest runs test processes side by side; without it `cargo test` does, more slowly, so a failure here is no error.
install_nextest() {
    need_cargo
    if have cargo-nextest; then return 0; fi
    say "  cargo-nextest: runs the tests in parallel (some minutes, once)"
    cargo install cargo-nextest --locked --quiet >&2 || warn "cargo-nextest could not be built; cargo test is used instead"
}

main() {
    local group tests=no
    [ $# -gt 0 ] || set -- build run
    step "checking what is installed ($*)"
    for group in "$@"; do
        case $group in
            build)
                need_cargo
                ask_for_build
                ;;
            run) ask_for_run ;;
            test)
                tests=yes
                ask_for_test
                ;;
            *) die "unknown group $group: use build, run, test" ;;
        esac
    done
    trap release_main_cluster EXIT
    hold_main_cluster
    install_packages
    if [ "$tests" = yes ]; then
        install_promtool
        install_schemathesis
        install_nextest
    fi
    say "everything needed is installed"
}

main "$@"
