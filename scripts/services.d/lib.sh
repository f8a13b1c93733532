# What all services need. A service's file says: missing, start, is_up, environment; and may say: before_stop, after_stop.
# shellcheck shell=bash disable=SC2154  # place, service, base, log, run, root, wait_s: set by scripts/services

die() {
    echo "services: $*" >&2
    exit 1
}

apt_get() {
    DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 "$@" >>"$place/apt.log" 2>&1 </dev/null
}

# packages PROGRAM PACKAGE... : the packages, if the program is not there
packages() {
    PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null 2>&1 || echo "${*:2}"
}

# daemon NAME COMMAND... : run in the background; its process id and when it began are kept
daemon() {
    local name=$1 pid
    shift
    setsid "$@" >"$log/$name.out" 2>&1 </dev/null &
    pid=$!
    echo "$pid $(began "$pid")" >"$run/$name.pid"
}

# Process ids are used again: one is ours only if it began when we began it.
began() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

lives() {
    local pid start
    read -r pid start 2>/dev/null <"$run/$1.pid" || return 1
    [ -n "$start" ] && [ "$(began "$pid")" = "$start" ]
}

# wait_for WHAT COMMAND... : until it succeeds, or a daemon has ended; says what was waited for if it does not
wait_for() {
    local what=$1 until=$((SECONDS + wait_s))
    shift
    until "$@" >/dev/null 2>&1; do
        if ! all_live; then
            sleep 0.2 # its last words
            echo "$what did not happen, a daemon ended" >"$log/why"
            return 1
        fi
        if [ "$SECONDS" -ge "$until" ]; then
            echo "$what did not happen in $wait_s s" >"$log/why"
            return 1
        fi
        sleep 0.05
    done
}

# Whether every daemon that was started still runs.
all_live() {
    local file
    for file in "$run"/*.pid; do
        [ ! -e "$file" ] || lives "$(basename "$file" .pid)" || return 1
    done
}

# failed TEXT... : say why a start fails
failed() {
    echo "$*" >"$log/why"
    return 1
}

# The one line about a start that failed.
why() {
    local reason last
    reason=$(cat "$log/why" 2>/dev/null || echo "the start failed")
    # shellcheck disable=SC2012  # names of our own
    last=$(ls -t "$log"/*.out "$log"/*.log 2>/dev/null | head -n 1 | xargs -r tail -n 1 | cut -c 1-200)
    echo "services: $service is not up: $reason${last:+; last word: $last} (logs: $log)" >&2
}

port_answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# free_ports N : ports of this machine that nobody listens on
free_ports() {
    local python=$root/.venv/bin/python
    [ -x "$python" ] || python=python3
    "$python" - "$1" <<'P'
import socket, sys
probes = [socket.socket() for _ in range(int(sys.argv[1]))]
for probe in probes:
    probe.bind(("127.0.0.1", 0))
print(*(probe.getsockname()[1] for probe in probes))
P
}

before_stop() { :; }
after_stop() { :; }

# End what was started, politely, then by force; forget it.
stop_all() {
    local file name left until
    [ -d "$run" ] || return 0
    before_stop
    for file in "$run"/*.pid; do
        name=$(basename "$file" .pid)
        lives "$name" && kill "$(cut -d' ' -f1 "$file")" 2>/dev/null
    done
    until=$((SECONDS + 10))
    for file in "$run"/*.pid; do
        name=$(basename "$file" .pid)
        while lives "$name" && [ "$SECONDS" -lt "$until" ]; do sleep 0.05; done
        left=$(cut -d' ' -f1 "$file" 2>/dev/null)
        lives "$name" && kill -9 "$left" 2>/dev/null
    done
    after_stop
    rm -rf "$run"
}
