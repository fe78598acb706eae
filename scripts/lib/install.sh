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
    local files=()
    # The C library's headers and the certificates have no command of their own.
    [ -e /usr/include/stdio.h ] || ! have apt-get || files+=(libc6-dev=libc6-dev)
    [ -e /etc/ssl/certs/ca-certificates.crt ] || ! have apt-get || files+=(ca-certificates=ca-certificates)
    apt_commands gcc=gcc make=make ld=binutils flock=util-linux setpriv=util-linux "${files[@]}"
}

ensure_mariadb() {
    apt_commands mariadbd=mariadb-server-core mariadb-install-db=mariadb-server-core \
        mariadb=mariadb-client mariadb-binlog=mariadb-client
}

# A coordinator that tests start themselves: the library with its server, and a
# Java to run it. Not the package that makes a service of it.
ensure_zookeeper() {
    local files=()
    [ -e /usr/share/java/zookeeper.jar ] || ! have apt-get || files+=(libzookeeper-java=libzookeeper-java)
    apt_commands java=default-jre-headless "${files[@]}"
}

# Only benchmarks and soaks need a load generator.
ensure_sysbench() { apt_commands sysbench=sysbench time=time; }

# What the initial copy is compared with.
ensure_dumpers() { apt_commands mydumper=mydumper myloader=mydumper mariadb-dump=mariadb-client; }

# The judge of licences and sources. A debug build takes half the time of a
# release build, and checks this workspace in seconds.
ensure_cargo_deny() {
    PATH=$PATH:$otter_cache/tools/bin
    have cargo-deny && return
    say "building cargo-deny"
    cargo install --quiet --locked --debug --config profile.dev.debug=0 \
        --root "$otter_cache/tools" cargo-deny
}

# Builds and runs the fuzz targets.
ensure_cargo_fuzz() {
    PATH=$PATH:$otter_cache/tools/bin
    have cargo-fuzz && return
    say "building cargo-fuzz"
    cargo install --quiet --locked --debug --config profile.dev.debug=0 \
        --root "$otter_cache/tools" cargo-fuzz@0.13.2
}

ensure_demo() {
    ensure_tools
    ensure_rust
    ensure_mariadb
    ensure_mysql
}
