# podman, which needs no daemon. Optional: a machine without Docker can run containers with it.
# shellcheck shell=bash disable=SC2154

missing() {
    packages podman podman
    packages runc runc
    packages catatonit catatonit
}

is_up() { command -v podman >/dev/null 2>&1 && [ -f "$base/containers.conf" ]; }

environment() {
    echo "PODMAN=$(command -v podman)"
    echo "CONTAINERS_CONF=$base/containers.conf"
}

# crun does not know hybrid cgroups; limits cannot be raised above what this machine allows.
start() {
    command -v podman >/dev/null 2>&1 || { failed "podman is not installed"; return 1; }
    cat >"$base/containers.conf" <<C
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=1000:1000"]
[engine]
runtime = "runc"
events_logger = "file"
cgroup_manager = "cgroupfs"
C
}

after_stop() { rm -f "$base/containers.conf"; }
