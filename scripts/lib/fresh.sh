# shellcheck shell=bash
# A newcomer's first hour on a bare Debian 12: the checkout alone must be enough.
# Sourced, never run; needs install.sh.

# fresh [--keep FOLDER] [COMMAND...]: installs Debian 12 into a folder, copies
# HEAD into it and runs the commands there (by default scripts/demo --seconds 20
# and scripts/test), with nothing but what a bare Debian has. Needs root.
fresh() {
    [ "$(id -u)" -eq 0 ] || die "soak fresh makes a root of its own: run it as root"
    apt_commands debootstrap=debootstrap git=git
    if [ "${1-}" = --keep ]; then
        fresh_root=$2
        shift 2
        mkdir -p "$fresh_root"
    else
        fresh_root=$(mktemp -d)
        fresh_temporary=$fresh_root
    fi
    trap fresh_clean_up EXIT
    # A signal ends the script, and the end cleans up.
    trap 'exit 130' INT TERM
    if ! [ -e "$fresh_root/etc/debian_version" ]; then
        say "installing Debian 12 into $fresh_root"
        debootstrap --variant=minbase bookworm "$fresh_root" "$(debian_uri)" >&2
    fi
    fresh_settings
    fresh_mounts
    rm -rf "$fresh_root/root/otter"
    git clone -q --no-hardlinks "$otter_root" "$fresh_root/root/otter"
    [ $# -gt 0 ] || set -- 'scripts/demo --seconds 20' scripts/test
    local command
    for command in "$@"; do
        say "in a bare Debian 12: $command"
        env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
            TERM="${TERM:-dumb}" LANG=C.UTF-8 ${OTTER_CORPORA:+OTTER_CORPORA=/root/corpora} \
            chroot "$fresh_root" /bin/bash -c "cd /root/otter && time $command"
    done
}

# What belongs to the network that this machine is in, not to Otter: its names,
# its certificates, its settings of apt.
fresh_settings() {
    local file
    cp /etc/resolv.conf /etc/hosts "$fresh_root/etc/"
    mkdir -p "$fresh_root/usr/local/share/ca-certificates"
    for file in /usr/local/share/ca-certificates/*.crt; do
        [ -e "$file" ] && cp "$file" "$fresh_root/usr/local/share/ca-certificates/"
    done
    for file in /etc/apt/apt.conf.d/*; do
        grep -qs '^Acquire' "$file" && cp "$file" "$fresh_root/etc/apt/apt.conf.d/"
    done
    return 0
}

fresh_mounts() {
    # A root that is no mount would be like no real machine: tests make mounts of their own.
    mount --bind "$fresh_root" "$fresh_root"
    mount --make-private "$fresh_root"
    mount -t proc proc "$fresh_root/proc"
    mount --rbind /dev "$fresh_root/dev"
    mount --make-rslave "$fresh_root/dev"
    mount -t sysfs -o ro sysfs "$fresh_root/sys"
    if [ -n "${OTTER_CORPORA:-}" ]; then
        mkdir -p "$fresh_root/root/corpora"
        mount --bind -o ro "$OTTER_CORPORA" "$fresh_root/root/corpora"
    fi
}

fresh_clean_up() {
    local mounted
    # Removing the folder while /dev is bound into it would empty /dev.
    for mounted in /root/corpora /dev /sys /proc ''; do
        if mountpoint -q "$fresh_root$mounted"; then
            umount -R "$fresh_root$mounted" || umount -R -l "$fresh_root$mounted" || return
        fi
    done
    if [ -n "${fresh_temporary:-}" ]; then
        rm -rf --one-file-system "$fresh_temporary"
    fi
}
