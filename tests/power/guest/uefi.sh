#!/bin/sh
# PID 1 of a machine that only talks to its firmware: efivarfs, then the orders, then off.
PATH=/usr/sbin:/usr/bin
export PATH LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
mount -t devtmpfs dev /dev
exec </dev/console >/dev/console 2>&1
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs tmp /tmp
insmod /efivarfs.ko
mount -t efivarfs efivarfs /sys/firmware/efi/efivars
python3 /orders.py
sync
echo o >/proc/sysrq-trigger
sleep 60
