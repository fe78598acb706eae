# shellcheck shell=bash
# Building the workspace so that everything which runs together was built
# together. Sourced, never run; needs install.sh.

# Builds the program, the tests, the benchmarks and the examples in one go: tests
# start target/debug/otter-server, and cargo builds no program of another package
# for a test. Takes further arguments of cargo.
build_everything() {
    (cd "$otter_root" && cargo build --locked --workspace --all-targets "$@")
}

# Runs a program of the testbed, release build: run_release PREFIX NAME [ARGUMENT...]
run_release() {
    local prefix=$1 name=$2
    shift 2
    if ! [ -e "$otter_root/tests/src/bin/$prefix-$name.rs" ]; then
        if [ -n "$name" ]; then say "no $prefix is named $name"; fi
        say "choose one of:"
        (cd "$otter_root/tests/src/bin" && printf '%s\n' "$prefix"-*.rs) |
            sed "s/^$prefix-/  /; s/\.rs\$//" >&2
        exit 2
    fi
    cd "$otter_root"
    # The program is started by the benchmark, so it is built beside it.
    cargo build --locked --release -p otter-server -p otter-tests \
        --bin otter-server --bin "$prefix-$name"
    "${CARGO_TARGET_DIR:-target}/release/$prefix-$name" "$@"
}
