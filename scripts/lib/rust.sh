# shellcheck shell=bash
# Rust: the one on the PATH if it is new enough, else that of Debian unstable in
# the cache (Debian 12 has 1.63), linked by this machine's own C compiler.
# Sourced, never run; needs common.sh and debian.sh.

rust_folder=$otter_cache/rust

# Prints the oldest Rust that builds the workspace, as "major.minor".
rust_wanted() {
    sed -n 's/^rust-version = "\(.*\)"/\1/p' "$otter_root/Cargo.toml"
}

rust_on_path() {
    local wanted=$1 found
    have cargo || return 1
    found=$(rustc --version 2>/dev/null) || return 1
    found=${found#rustc }
    [ "$(printf '%s\n' "$wanted" "${found%% *}" | sort -V | head -n 1)" = "$wanted" ]
}

# Puts a Rust that builds the workspace on the PATH of the calling script.
ensure_rust() {
    local wanted
    wanted=$(rust_wanted)
    rust_on_path "$wanted" && return
    # A login shell that has not read rustup's settings yet.
    if [ -x "$HOME/.cargo/bin/cargo" ]; then
        PATH=$HOME/.cargo/bin:$PATH
        rust_on_path "$wanted" && return
    fi
    if ! [ -x "$rust_folder/bin/cargo" ]; then
        have apt-get || die "Rust $wanted or newer is needed: https://rustup.rs"
        locked install_rust
    fi
    PATH=$rust_folder/bin:$PATH
    rust_on_path "$wanted" || die "Rust $wanted or newer is needed, and $rust_folder has an older one: delete that folder, or see https://rustup.rs"
}

install_rust() {
    [ -x "$rust_folder/bin/cargo" ] && return
    local fresh=$otter_cache/rust.new
    rm -rf "$fresh" "$rust_folder"
    say "unpacking Rust of Debian unstable into $rust_folder"
    unstable_unpack "$fresh" gcc,libc-dev,binutils rustc cargo rust-clippy rustfmt
    # rustdoc compiles by the rustc of its sysroot, so that one is a wrapper as well.
    mv "$fresh/root/usr/bin/rustc" "$fresh/root/usr/bin/rustc.program"
    # shellcheck disable=SC2016 # $0 and $@ belong to the wrapper
    printf '%s\n' '#!/bin/bash' 'exec "${0%/*}/../../../bin/rustc-of-sysroot" "$@"' \
        >"$fresh/root/usr/bin/rustc"
    chmod +x "$fresh/root/usr/bin/rustc"
    # shellcheck disable=SC2016
    loader_wrapper "$fresh" rustc-of-sysroot usr/bin/rustc.program "" '"$@"'
    # Under a foreign loader a program cannot find its sysroot by its own path.
    local program file sysroot
    for program in rustc rustdoc clippy-driver cargo rustfmt cargo-fmt cargo-clippy; do
        sysroot=
        file=$program
        # shellcheck disable=SC2016 # $root and $@ belong to the wrapper
        case $program in rustc | rustdoc | clippy-driver) sysroot='--sysroot "$root/usr"' ;; esac
        if [ "$program" = rustc ]; then file=rustc.program; fi
        # shellcheck disable=SC2016
        loader_wrapper "$fresh" "$program" "usr/bin/$file" "" "\"\$@\" $sysroot"
    done
    "$fresh/bin/rustc" --version >"$fresh/version"
    mv -T "$fresh" "$rust_folder"
}
