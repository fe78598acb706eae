# shellcheck shell=bash
# What every script of this folder shares: where things are, and how to speak.
# Sourced, never run.

set -euo pipefail

otter_root=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
otter_cache=${OTTER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/otter}
export OTTER_CACHE=$otter_cache

# Debian keeps servers in sbin, which is not on every user's PATH.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

say() { printf '%s\n' "$*" >&2; }

die() {
    say "error: $*"
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# Runs a command as root: directly, or through sudo.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif have sudo; then
        sudo "$@"
    else
        die "this needs root: run as root once: $*"
    fi
}

# Runs a function while no other process installs into the same cache.
locked() {
    mkdir -p "$otter_cache"
    (
        flock 9
        "$@" 9>&-
    ) 9>"$otter_cache/install.lock"
}
