# A Docker engine without bridge and firewall rules: containers have the host's network or none. Its one image is empty;
# the host's programs are mounted into it.
# shellcheck shell=bash disable=SC2154

missing() { packages dockerd docker.io containerd runc; }

socket() { echo "unix://$base/docker.sock"; }

is_up() { lives dockerd && docker -H "$(socket)" image inspect asyncflow/hostpy:1 >/dev/null 2>&1; }

environment() {
    echo "DOCKER_HOST=$(socket)"
    echo "DOCKER_IMAGE=asyncflow/hostpy:1"
}

start() {
    [ "$(id -u)" = 0 ] || { failed "dockerd needs root"; return 1; }
    daemon dockerd dockerd --data-root "$base/data" --exec-root "$base/exec" -p "$base/dockerd.pid" -H "$(socket)" \
        --iptables=false --ip6tables=false --bridge=none
    wait_for "dockerd's answer" docker -H "$(socket)" version || return 1
    make_image || { failed "the image could not be made"; return 1; }
}

make_image() {
    local tree python image
    tree=$(mktemp -d)
    mkdir -p "$tree"/{usr,lib,lib64,bin,sbin,etc,root,tmp,proc,sys,dev,work,opt,var}
    chmod 1777 "$tree/tmp"
    tar -C "$tree" -c . | docker -H "$(socket)" import - asyncflow/hostpy:1 >"$log/image.out" 2>&1 || return 1
    rm -rf "$tree"
    for python in 3.11 3.12 3.13; do
        for image in "python:$python" "public.ecr.aws/docker/library/python:$python"; do
            docker -H "$(socket)" tag asyncflow/hostpy:1 "$image"
        done
    done
}

# Containers that tests left behind.
before_stop() {
    lives dockerd || return 0
    docker -H "$(socket)" ps -q 2>/dev/null | xargs -r timeout 10 docker -H "$(socket)" kill >/dev/null 2>&1
}

# A killed engine leaves mounts behind, the host's network among them.
after_stop() {
    awk -v base="$base/" 'index($2, base) == 1 { print $2 }' /proc/mounts | sort -r | xargs -r -n 1 umount
    rm -rf "$base/data" "$base/exec" "$base/docker.sock"
}
