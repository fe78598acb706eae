# shellcheck shell=bash
# Fuzzing of everything that comes from outside, one target after the other.
# Sourced, never run; needs install.sh.

# fuzz [--seconds N] [TARGET...]: runs every target, or those named, for N seconds
# each (450: an hour in all). Panics, 10 seconds for one input and 64 MiB in one
# piece are findings. The corpus is kept, so that another run goes on from it.
fuzz() {
    local seconds=450 targets=() failed=() target executions=0
    while [ $# -gt 0 ]; do
        case $1 in
            --seconds)
                seconds=${2:?}
                shift
                ;;
            *) targets+=("$1") ;;
        esac
        shift
    done
    ensure_fuzz
    cd "$otter_root/fuzz"
    if [ "${#targets[@]}" -eq 0 ]; then mapfile -t targets < <(cd targets && printf '%s\n' *.rs | sed 's/\.rs$//'); fi
    fuzz_seeds
    # cargo-fuzz needs options of the compiler that stable Rust knows and refuses.
    export RUSTC_BOOTSTRAP=1
    for target in "${targets[@]}"; do
        cargo fuzz build "$target"
    done
    for target in "${targets[@]}"; do
        fuzz_target "$target" "$seconds" || failed+=("$target")
    done
    [ "${#failed[@]}" -eq 0 ] || die "findings in ${failed[*]}"
    echo "${#targets[@]} targets of $seconds s: $executions executions, nothing found"
}

ensure_fuzz() {
    local runtime
    ensure_tools
    ensure_rust
    # libFuzzer is C++.
    apt_commands c++=g++
    runtime=$(rustc --print sysroot)/lib/rustlib
    compgen -G "$runtime/*/lib/librustc*_rt.asan.a" >/dev/null ||
        die "this Rust has no address sanitizer; the one of https://rustup.rs has"
    ensure_cargo_fuzz
}

# Cuts the recorded binlogs into seeds; without them there are only the few that
# are written by hand.
fuzz_seeds() {
    [ -n "${OTTER_CORPORA:-}" ] || say "OTTER_CORPORA is not set: fuzzing without recorded binlogs"
    cargo run --quiet --locked --no-default-features --bin seeds -- \
        corpus ${OTTER_CORPORA:+"$OTTER_CORPORA"}
}

# Runs one target, prints its line and adds its executions.
fuzz_target() {
    local target=$1 seconds=$2 log=artifacts/$1.log count found begin=$SECONDS kept
    # Inputs that once broke something, beside the code that they broke.
    kept=("$otter_root"/crates/*/tests/data/fuzz/"$target")
    mkdir -p artifacts
    cargo fuzz run "$target" "corpus/$target" \
        "${kept[@]}" -- \
        "-max_total_time=$seconds" -timeout=10 -malloc_limit_mb=64 -rss_limit_mb=1024 \
        -max_len=49152 -print_final_stats=1 >"$log" 2>&1 || found=$?
    count=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    executions=$((executions + ${count:-0}))
    if [ -z "${found-}" ]; then
        printf '%-10s%12s executions in %s s, nothing found\n' "$target" "$count" $((SECONDS - begin))
        return
    fi
    printf '%-10s%12s executions, FOUND: see fuzz/%s\n' "$target" "${count:-?}" "$log"
    grep -E "^==[0-9]+== ERROR|panicked at|Test unit written|artifact_prefix" "$log" >&2 || tail -n 5 "$log" >&2
    return 1
}
