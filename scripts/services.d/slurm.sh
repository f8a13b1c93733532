# Slurm as root on this machine: a controller and two nodes, which are daemons on ports of their own.
# shellcheck shell=bash disable=SC2154

missing() { packages slurmctld slurmctld slurmd slurm-client munge; packages munged munge; }

is_up() {
    lives slurmctld && lives n1 && lives n2 && SLURM_CONF=$base/slurm.conf timeout 5 scontrol ping 2>/dev/null | grep -q "is UP"
}

environment() { echo "SLURM_CONF=$base/slurm.conf"; }

start() {
    local ports host
    [ "$(id -u)" = 0 ] || { failed "slurm's daemons need root"; return 1; }
    mkdir -m 711 "$base/munge" "$base/spool" "$base/state"
    read -ra ports < <(free_ports 4)
    host=$(hostname -s)
    slurm_conf "$host(127.0.0.1)" "SlurmctldPort=${ports[0]}" "SlurmdPort=${ports[1]}" \
        "CommunicationParameters=NoInAddrAny,NoCtldInAddrAny" \
        "NodeName=n1 NodeAddr=127.0.0.1 NodeHostname=$host Port=${ports[2]} CPUs=2 RealMemory=4000" \
        "NodeName=n2 NodeAddr=127.0.0.1 NodeHostname=$host Port=${ports[3]} CPUs=2 RealMemory=4000" \
        "PartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP"
    start_munge || return 1
    export SLURM_CONF=$base/slurm.conf
    daemon slurmctld slurmctld -D
    daemon n1 slurmd -D -N n1
    daemon n2 slurmd -D -N n2
    wait_for "two idle nodes" both_idle
}

both_idle() { [ "$(timeout 5 sinfo -h -o %D -t idle)" = 2 ]; }

start_munge() {
    head -c 1024 /dev/urandom >"$base/munge/key"
    chmod 400 "$base/munge/key"
    daemon munged munged -F --force --key-file "$base/munge/key" --socket "$base/munge/socket" \
        --pid-file "$base/munge/pid" --log-file "$log/munged.log" --seed-file "$base/munge/seed"
    wait_for "munged's socket" test -S "$base/munge/socket"
}

# slurm_conf CONTROLLER LINE... : what both kinds of cluster have in common, and more lines
slurm_conf() {
    cat >"$base/slurm.conf" <<C
ClusterName=tests
SlurmctldHost=$1
AuthType=auth/munge
AuthInfo=socket=$base/munge/socket
SlurmUser=root
StateSaveLocation=$base/state
SlurmdSpoolDir=$base/spool/%n
SlurmctldPidFile=$base/state/slurmctld.pid
SlurmdPidFile=$base/state/slurmd.%n.pid
SlurmctldLogFile=$log/slurmctld.log
SlurmdLogFile=$log/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=10000
ReturnToService=2
MpiDefault=none
JobRequeue=0
JobCompType=jobcomp/filetxt
JobCompLoc=$log/jobcomp.txt
KillWait=2
MaxArraySize=10001
MaxJobCount=20000
PropagateResourceLimits=NONE
C
    shift
    printf '%s\n' "$@" >>"$base/slurm.conf"
}

before_stop() {
    lives slurmctld || return 0
    SLURM_CONF=$base/slurm.conf timeout 5 scancel -f -u root >/dev/null 2>&1
    SLURM_CONF=$base/slurm.conf wait_s=5 wait_for "the jobs' end" no_jobs || :
}

no_jobs() { [ -z "$(timeout 5 squeue -h)" ]; }
