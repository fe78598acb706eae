# shellcheck shell=bash
# Everything that building and testing needs, each by one function that does
# nothing when the thing is there. Sourced, never run.

# shellcheck source=scripts/lib/common.sh
. "${BASH_SOURCE[0]%/*}/common.sh"
# shellcheck source=scripts/lib/debian.sh
. "${BASH_SOURCE[0]%/*}/debian.sh"
# shellcheck source=scripts/lib/rust.sh
. "${BASH_SOURCE[0]%/*}/rust.sh"
# shellcheck source=scripts/lib/mysql.sh
. "${BASH_SOURCE[0]%/*}/mysql.sh"

# A C compiler and linker for Rust and for the C parts of the TLS and zstd crates.
ensure_tools() {
    apt_commands gcc=gcc make=make ld=binutils flock=util-linux setpriv=util-linux
    # The C library's headers have no command of their own.
    if have apt-get && ! [ -e /usr/include/stdio.h ]; then
        apt_commands libc6-dev=libc6-dev
    fi
    [ -e /etc/ssl/certs/ca-certificates.crt ] || ! have apt-get ||
        apt_commands update-ca-certificates=ca-certificates
}

ensure_mariadb() {
    apt_commands mariadbd=mariadb-server-core mariadb-install-db=mariadb-server-core \
        mariadb=mariadb-client mariadb-binlog=mariadb-client
}

# Only benchmarks and soaks need a load generator.
ensure_sysbench() { apt_commands sysbench=sysbench time=time; }

ensure_demo() {
    ensure_tools
    ensure_rust
    ensure_mariadb
    ensure_mysql
}
