# shellcheck shell=bash
# The simulation of processes that share pipelines under one arbiter, with many
# seeds. Sourced, never run; needs install.sh.

# leases [--seeds N]: 20,000 where nobody says otherwise. OTTER_SEED=42 runs one.
leases() {
    local seeds=20000
    while [ $# -gt 0 ]; do
        case $1 in
            --seeds)
                seeds=${2:?}
                shift
                ;;
            *) die "leases takes --seeds N, not $1" ;;
        esac
        shift
    done
    ensure_rust
    cd "$otter_root"
    # It is beside what it simulates, which is nobody else's business: a unit test.
    OTTER_SEEDS=$seeds cargo test --locked --release -p otter-arbitrate --features sql --lib \
        simulation::all_seeds_keep_all_promises -- --nocapture
}
