#!/usr/bin/env bash
# The browser, in a network namespace of its own. Docker makes and removes network devices with every session, and
# Chromium drops whatever it is loading when it sees one (ERR_NETWORK_CHANGED). Here it sees a loopback and nothing else;
# what it asks for goes through a Unix socket, which knows no namespaces, to `tunnel.ts` outside.
# BERTH_BROWSER is the browser, BERTH_TUNNEL the socket.
set -euo pipefail

if [ "${1:-}" != --inside ]; then
    exec unshare --net -- "$0" --inside "$@"
fi
shift
ip link set lo up
port=1080
# Playwright talks to the browser over descriptors 3 and 4: they are for nobody else.
node "$(dirname -- "$0")/mouth.mjs" "$BERTH_TUNNEL" "$port" 3>&- 4>&- </dev/null >/dev/null &
exec "$BERTH_BROWSER" --proxy-server="socks5://127.0.0.1:$port" '--proxy-bypass-list=<-loopback>' "$@"
