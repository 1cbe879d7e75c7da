#!/bin/sh
# PID 1 of the machine, as small as can be: mounts, network, and the two services, started again whenever they end.
# SIGTERM is the order to restart the machine, as it is for every init; /etc/mishap names what is wrong with a release.
PATH=/usr/sbin:/usr/bin
export PATH PYTHONDONTWRITEBYTECODE=1 LANG=C.UTF-8
mount -t devtmpfs dev /dev
exec </dev/console >/dev/console 2>&1
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs tmp /run
mount -t tmpfs tmp /tmp
mishap=$(cat /etc/mishap)
echo "INIT: release $(cat /etc/release) with mishap $mishap"
if [ "$mishap" = panic ]; then
    echo c >/proc/sysrq-trigger
fi

mkdir -p /dev/disk/by-partlabel
for part in /sys/class/block/nvme0n1p*; do
    ln -s "../../$(basename "$part")" "/dev/disk/by-partlabel/$(sed -n 's/^PARTNAME=//p' "$part/uevent")"
done
# Something always has a disk open, be it udev: without this the last writer's close would write out what it did not sync.
exec 9</dev/disk/by-partlabel/bootstate
mount -t ext4 /dev/disk/by-partlabel/data /data || echo "INIT: the data partition cannot be mounted"
for module in /usr/lib/modules/*.ko; do
    insmod "$module"
done
ip link set lo up
ip addr add 10.0.2.15/24 dev eth0
ip link set eth0 up
ip route add default via 10.0.2.2
if [ "$mishap" != mute ]; then
    httpd -p 127.0.0.1:8080 -h /etc
fi

keep() {
    while :; do
        "$@"
        echo "INIT: $1 $3 ended with $?"
        sleep 1
    done
}

leave() {
    echo "INIT: restarting"
    kill -15 -1
    sleep 1
    kill -9 -1
    sync
    umount /data
    reboot -f
}

trap leave TERM
. /etc/services
while :; do
    wait
    sleep 1
done
