#!/bin/sh
# An Update Module for two roots that U-Boot switches by Mender's variables. Surefoot's own, for its tests: written from
# what is documented of Update Modules and of Mender's boot integration; it is not Mender's `rootfs-image`.
#
# Calls the four tools that such a module needs from a board: fw_printenv, fw_setenv, stat and findfs.
set -u
state=$1

complain() {
    echo "$state: $*" >&2
    exit 1
}

# One variable of the bootloader's environment, empty where it has none.
variable() {
    fw_printenv "$1" 2>/dev/null | sed "s/^$1=//"
}

# The device that mender.conf means.
device() {
    case $1 in
        *=*) findfs "$1" ;;
        /*) echo "$1" ;;
        *) complain "mender.conf does not name two roots" ;;
    esac
}

part_of() {
    echo "$1" | grep -o '[0-9]*$'
}

# Whether the running root is on this device: by device number, for names may lie.
runs_from() {
    pair=$(stat -L -c '%t %T' "$1") || return 1
    number=$(printf '%02x%02x' $(for half in $pair; do echo "0x$half"; done))
    [ "$number" = "$(stat -L -c %D /)" ]
}

look() {
    named=$(jq -r '"\(.RootfsPartA) \(.RootfsPartB)"' "$MENDER_CONF_DIR/mender.conf") || complain "no mender.conf"
    a=$(device "${named% *}") && b=$(device "${named#* }") || exit 1
    if [ "$(variable mender_check_saveenv_canary)" = 1 ]; then
        [ "$(variable mender_saveenv_canary)" = 1 ] || complain "the bootloader writes another environment"
    fi
    upgrading=$(variable upgrade_available)
    case $(variable mender_boot_part) in
        "$(part_of "$a")") entered=$a other=$b ;;
        "$(part_of "$b")") entered=$b other=$a ;;
        *) complain "mender_boot_part names neither root" ;;
    esac
}

# Before anything was switched, what runs must be what is entered.
look_before() {
    look
    runs_from "$entered" || complain "another root runs than the environment says"
}

# What the payload's one line of stream-next names goes to the root that does not run.
write_root() {
    look_before
    read -r stream _ < stream-next || complain "there is no payload"
    dd if="$stream" of="$other" bs=1M conv=fsync 2>/dev/null || complain "$other cannot be written"
    if read -r more < stream-next; then complain "$more: a root is one file"; fi
}

enter_other() {
    part=$(part_of "$other")
    printf '%s\n' "mender_boot_part=$part" "mender_boot_part_hex=$(printf %x "$part")" "$@" | fw_setenv -s -
}

case $state in
    ProvidePayloadFileSizes | SupportsRollback) echo Yes ;;
    NeedsArtifactReboot) echo Automatic ;;
    Download | DownloadWithFileSizes) write_root ;;
    ArtifactInstall)
        look_before
        enter_other upgrade_available=1 bootcount=0
        ;;
    ArtifactVerifyReboot)
        look
        [ "$upgrading" = 1 ] && runs_from "$entered" || complain "the bootloader went back"
        ;;
    ArtifactCommit)
        look
        [ "$upgrading" = 1 ] && runs_from "$entered" || complain "the bootloader went back, so there is nothing to commit"
        fw_setenv upgrade_available 0
        ;;
    ArtifactRollback)
        look
        [ "$upgrading" = 1 ] || runs_from "$entered" || complain "another root runs than the environment says"
        [ "$upgrading" != 1 ] || enter_other upgrade_available=0
        ;;
    ArtifactVerifyRollbackReboot)
        look
        [ "$upgrading" != 1 ] && runs_from "$entered" || complain "the machine did not go back"
        ;;
esac
