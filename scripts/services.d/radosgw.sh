# Ceph's RADOS gateway: a real S3 server with real signatures. A monitor, one store in memory (4 GiB at most), the gateway.
# shellcheck shell=bash disable=SC2154

missing() { packages radosgw radosgw ceph-mon ceph-osd ceph-mgr ceph-common; }

is_up() { lives mon && lives osd && lives rgw && [ -f "$base/ready" ] && port_answers "$(cat "$base/port")"; }

environment() {
    echo "RADOSGW_ENDPOINT=http://127.0.0.1:$(cat "$base/port")"
    cat "$base/keys"
}

start() {
    local gateway monitor id
    [ "$(id -u)" = 0 ] || { failed "ceph's daemons need root"; return 1; }
    read -r gateway monitor < <(free_ports 2)
    echo "$gateway" >"$base/port"
    id=$(cat /proc/sys/kernel/random/uuid)
    configure "$id" "$gateway" "$monitor"
    export CEPH_CONF=$base/ceph.conf
    mkdir -p "$base/mon" "$base/osd" "$base/sockets"
    start_store "$id" "$monitor" || return 1
    daemon rgw radosgw -n client.rgw -f
    wait_for "the gateway's answer" port_answers "$gateway" || return 1
    make_user || { failed "no user could be made"; return 1; }
    touch "$base/ready"
}

# memstore invents an id of its own when it is made: that one is registered. The store's place in the cluster is said
# here: on a quick machine it asks for one before it knows the cluster's id, is refused, and ends.
start_store() {
    local uuid
    if ! monmaptool --create --clobber --fsid "$1" --addv a "[v1:127.0.0.1:$2]" "$base/monmap" >"$log/monmap.out" 2>&1 ||
        ! ceph-mon --mkfs -i a --monmap "$base/monmap" >"$log/mon-mkfs.out" 2>&1; then
        failed "the monitor could not be made"
        return 1
    fi
    daemon mon ceph-mon -i a -f --setuser root --setgroup root
    ceph-osd -i 0 --mkfs >"$log/osd-mkfs.out" 2>&1 || { failed "the store could not be made"; return 1; }
    uuid=$(cat "$base/osd/fs_fsid" 2>/dev/null || cat "$base/osd/fsid")
    if ! timeout "$wait_s" ceph osd new "$uuid" >"$log/osd-new.out" 2>&1 ||
        ! timeout "$wait_s" ceph osd crush create-or-move osd.0 1.0 host=here root=default >"$log/place.out" 2>&1; then
        failed "the monitor did not take the store"
        return 1
    fi
    daemon osd ceph-osd -i 0 -f --setuser root --setgroup root
}

make_user() {
    local key secret
    key=$(head -c 8 /dev/urandom | od -An -tx1 | tr -d ' \n')
    secret=$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n')
    printf 'RADOSGW_ACCESS_KEY=%s\nRADOSGW_SECRET_KEY=%s\n' "$key" "$secret" >"$base/keys"
    chmod 600 "$base/keys"
    timeout "$wait_s" radosgw-admin user create --uid=tests --display-name=tests --access-key="$key" \
        --secret-key="$secret" >"$log/user.out" 2>&1
}

configure() {
    cat >"$base/ceph.conf" <<C
[global]
fsid = $1
mon host = [v1:127.0.0.1:$3]
ms bind msgr2 = false
auth cluster required = none
auth service required = none
auth client required = none
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
mon allow pool size one = true
mon data avail warn = 1
mon data avail crit = 1
osd crush chooseleaf type = 0
run dir = $base/sockets
admin socket = $base/sockets/\$name.asok
log file = $log/\$name.log
public addr = 127.0.0.1
cluster addr = 127.0.0.1
osd objectstore = memstore
memstore device bytes = 8589934592
osd class update on start = false
osd crush update on start = false
osd class load list = *
osd class default list = *
rgw frontends = beast endpoint=127.0.0.1:$2
rgw enable usage log = false
rgw gc obj min wait = 1
rgw gc processor period = 2
rgw gc processor max time = 2
rgw override bucket index max shards = 1
rgw dns name =
[mon.a]
mon data = $base/mon
[osd.0]
osd data = $base/osd
C
}

after_stop() { rm -rf "$base/mon" "$base/osd" "$base/ready"; }
