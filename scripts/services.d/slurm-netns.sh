# Slurm on three hosts that are network namespaces: a controller and two nodes, which can be cut off (ip link set eth0
# down in a node's namespace). $base/bin has its commands for the namespace of the controller: put it first in PATH.
# shellcheck shell=bash disable=SC2154
# shellcheck source=/dev/null  # beside this one
. "$here/services.d/slurm.sh"

missing() {
    packages slurmctld slurmctld slurmd slurm-client munge
    packages munged munge
    packages ip iproute2
}

space() { echo "af$(printf %s "$place" | cksum | cut -d' ' -f1)-$1"; }

# Not `ip netns exec`: it mounts another /sys, without the cgroups that slurmd looks for.
on() {
    local node=$1
    shift
    nsenter --net="/run/netns/$(space "$node")" unshare --uts sh -c "hostname h$node; exec \"\$@\"" sh "$@"
}

is_up() { lives slurmctld && lives h1 && lives h2 && [ -x "$base/bin/sinfo" ]; }

environment() {
    echo "SLURM_CONF=$base/slurm.conf"
    echo "SLURM_BIN=$base/bin"
    echo "SLURM_SPACES=/run/netns/$(space '')"
}

start() {
    [ "$(id -u)" = 0 ] || { failed "network namespaces need root"; return 1; }
    make_network >"$log/network.out" 2>&1 || { failed "the namespaces could not be made"; return 1; }
    mkdir -m 711 "$base/munge" "$base/spool" "$base/state"
    slurm_conf "h0(10.77.0.1)" "SlurmdTimeout=5" "MessageTimeout=2" "TCPTimeout=1" \
        "NodeName=h1 NodeAddr=10.77.0.11 CPUs=2 RealMemory=4000" \
        "NodeName=h2 NodeAddr=10.77.0.12 CPUs=2 RealMemory=4000" \
        "PartitionName=main Nodes=h1,h2 Default=YES MaxTime=INFINITE State=UP"
    start_munge || return 1
    make_commands
    export SLURM_CONF=$base/slurm.conf
    export -f on space
    daemon_on 0 slurmctld slurmctld -D
    daemon_on 1 h1 slurmd -D -N h1
    daemon_on 2 h2 slurmd -D -N h2
    PATH=$base/bin:$PATH wait_for "two idle nodes" both_idle
}

# The last of nsenter, unshare and sh is replaced by the daemon itself: the process id stays.
daemon_on() {
    local node=$1 name=$2
    shift 2
    daemon "$name" nsenter --net="/run/netns/$(space "$node")" unshare --uts \
        sh -c "hostname h$node; exec \"\$@\"" sh "$@"
}

make_network() {
    local node
    for node in 0 1 2; do
        ip netns add "$(space $node)" && ip -n "$(space $node)" link set lo up || return 1
    done
    ip -n "$(space 0)" link add br0 type bridge &&
        ip -n "$(space 0)" addr add 10.77.0.1/24 dev br0 &&
        ip -n "$(space 0)" link set br0 up || return 1
    for node in 1 2; do
        ip link add "v$node" netns "$(space 0)" type veth peer name eth0 netns "$(space $node)" &&
            ip -n "$(space 0)" link set "v$node" master br0 up &&
            ip -n "$(space $node)" addr add "10.77.0.1$node/24" dev eth0 &&
            ip -n "$(space $node)" link set eth0 up || return 1
    done
}

make_commands() {
    local name
    mkdir "$base/bin"
    for name in sbatch squeue scancel sacct scontrol sinfo srun; do
        printf '#!/bin/sh\nSLURM_CONF=%s exec nsenter --net=%s %s "$@"\n' "$base/slurm.conf" \
            "/run/netns/$(space 0)" "$(command -v $name)" >"$base/bin/$name"
        chmod +x "$base/bin/$name"
    done
}

before_stop() {
    lives slurmctld || return 0
    PATH=$base/bin:$PATH timeout 5 scancel -f -u root >/dev/null 2>&1
    PATH=$base/bin:$PATH wait_s=5 wait_for "the jobs' end" no_jobs || :
}

# Whoever is left in the namespaces was started by this cluster.
after_stop() {
    local node pid
    for node in 0 1 2; do
        for pid in $(ip netns pids "$(space $node)" 2>/dev/null); do kill -9 "$pid" 2>/dev/null; done
        ip netns del "$(space $node)" 2>/dev/null
    done
    return 0
}
