# shellcheck shell=bash
# Debian packages: those of the machine's own release, installed; those of
# unstable, unpacked into a folder of the cache and never installed.
# Sourced, never run.

# Installs the packages whose command is missing: apt_commands command=package ...
apt_commands() {
    local pair missing=()
    for pair in "$@"; do
        have "${pair%%=*}" || [[ " ${missing[*]} " == *" ${pair#*=} "* ]] || missing+=("${pair#*=}")
    done
    [ "${#missing[@]}" -eq 0 ] && return
    have apt-get || die "not found: ${missing[*]} (names of Debian packages); install them with this system's package manager"
    say "installing ${missing[*]}"
    # A machine that has just been set up has no package lists yet.
    apt-cache show "${missing[@]}" >/dev/null 2>&1 || as_root apt-get -qq update
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -qq -y --no-install-recommends install "${missing[@]}" >/dev/null </dev/null
}

# Prints the address that this machine's own Debian source uses, from either
# format of apt's source lists. Sources of other vendors and the security
# archive are passed over: they name another suite or component.
debian_uri() {
    local release uri
    # shellcheck source=/dev/null
    release=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-sid}")
    uri=$(
        shopt -s nullglob
        set -- /etc/apt/sources.list.d/*.sources
        [ $# -gt 0 ] && awk -v release="$release" '
            function flush() {
                if (types ~ / deb / && suites ~ " (" release "|stable|testing|unstable|sid) " \
                    && components ~ / main / && enabled !~ /no/ && uri != "") { print uri; done = 1; exit }
                types = suites = components = enabled = uri = ""
            }
            done { exit }
            /^[ \t]*$/ { flush(); next }
            { key = tolower($1); line = $0; sub(/^[^:]*:/, "", line); gsub(/[ \t]+/, " ", line); line = line " " }
            key == "types:" { types = line }
            key == "suites:" { suites = line }
            key == "components:" { components = line }
            key == "enabled:" { enabled = line }
            key == "uris:" { uri = $2 }
            END { if (!done) flush() }' "$@"
        set -- /etc/apt/sources.list /etc/apt/sources.list.d/*.list
        awk -v release="$release" '
            $1 == "deb" {
                sub(/\[[^]]*\]/, "")
                if ($3 ~ "^(" release "|stable|testing|unstable|sid)$" && / main( |$)/) { print $2; exit }
            }' "$@" 2>/dev/null
    ) || true
    uri=${uri%%$'\n'*}
    [ -n "$uri" ] || die "no Debian source found in /etc/apt: cannot tell where Debian unstable is"
    printf '%s' "$uri"
}

# Downloads packages of Debian unstable with all their libraries and unpacks
# them: unstable_unpack FOLDER PROVIDED PACKAGE...
# PROVIDED lists the packages (comma separated) that are not to be fetched,
# because the machine's own do. FOLDER must not exist yet.
unstable_unpack() {
    local folder=$1 provided=$2 tree name
    shift 2
    tree=$folder/apt
    mkdir -p "$tree/lists/partial" "$tree/cache/archives/partial" "$folder/root"
    : >"$tree/status"
    for name in ${provided//,/ }; do
        printf 'Package: %s\nStatus: install ok installed\nArchitecture: %s\nMulti-Arch: foreign\nVersion: 9999:1\nMaintainer: none\nDescription: provided by the machine\n\n' \
            "$name" "$(dpkg --print-architecture)" >>"$tree/status"
    done
    printf 'deb %s sid main\n' "$(debian_uri)" >"$tree/sources.list"
    local apt=(
        apt-get -qq
        "-oDir::Etc::sourcelist=$tree/sources.list" -oDir::Etc::sourceparts=/dev/null
        -oDir::Etc::preferences=/dev/null -oDir::Etc::preferencesparts=/dev/null
        "-oDir::State::lists=$tree/lists" "-oDir::State::status=$tree/status"
        "-oDir::Cache=$tree/cache" -oAPT::Sandbox::User=root
        # Only the package index: translations and descriptions are as large again.
        -oAcquire::Languages=none -oAcquire::IndexTargets::deb::DEP-11::DefaultEnabled=false
        -oAcquire::Retries=3 -oAPT::Update::Post-Invoke::=true
    )
    "${apt[@]}" update >&2
    "${apt[@]}" --no-install-recommends -d -y install "$@" >&2
    local deb
    for deb in "$tree"/cache/archives/*.deb; do
        dpkg -x "$deb" "$folder/root"
    done
    rm -rf "$tree"
}

# Writes a wrapper that runs a program of an unpacked folder through the loader
# that came with it: loader_wrapper FOLDER NAME PROGRAM PRELUDE ARGUMENTS
# PRELUDE is shell code before the call; PRELUDE and ARGUMENTS may use $root, the
# unpacked folder. The wrapper execs, so its process id is the program's own. It is
# bash: dash drops variables that are no names of its own (CARGO_BIN_EXE_a-b).
loader_wrapper() {
    local folder=$1 name=$2 program=$3 prelude=$4 arguments=$5 loader
    loader=$(cd "$folder/root" && ls usr/lib/*/ld-linux*.so.*)
    mkdir -p "$folder/bin"
    # A program that looks for its companions beside /proc/self/exe finds the
    # loader there: a copy among the wrappers makes it find the wrappers.
    cp "$folder/root/$loader" "$folder/bin/loader"
    cat >"$folder/bin/$name" <<EOF
#!/bin/bash
root=\$(cd "\${0%/*}/../root" && pwd) || exit 127
$prelude
exec "\$root/../bin/loader" --argv0 "\$0" --library-path "\$root/${loader%/*}" "\$root/$program" $arguments
EOF
    chmod +x "$folder/bin/$name"
}
