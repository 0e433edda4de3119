# SPDX-License-Identifier: ISC
# lib.sh: what the scripts share. Sourced, from the top of the repository.
# shellcheck shell=sh

step() { printf '\n==> %s\n' "$*" >&2; }
say() { printf '    %s\n' "$*" >&2; }
die() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# Runs a command as root.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1; then
        sudo "$@"
    else
        die "needs root or sudo for: $*"
    fi
}

# Configures a build folder once; later calls only compile.
#   build_in FOLDER [MESON-OPTION…]
build_in() {
    folder=$1
    shift
    if [ ! -f "$folder/build.ninja" ]; then
        # What is left of a configuration that failed would be taken for a good one.
        rm -rf "$folder/meson-private" "$folder/meson-info"
        # Two hundred test programs are linked, twice: the quicker linker of binutils saves minutes.
        if [ -z "${CC_LD:-}" ] && command -v ld.gold >/dev/null; then export CC_LD=gold; fi
        meson setup "$folder" "$@" >"/tmp/holdfast-setup.$$" 2>&1 || {
            cat "/tmp/holdfast-setup.$$" >&2
            rm -f "/tmp/holdfast-setup.$$"
            return 1
        }
        rm -f "/tmp/holdfast-setup.$$"
    fi
    meson compile -C "$folder" >"$folder/compile.log" 2>&1 || {
        tail -n 60 "$folder/compile.log" >&2
        return 1
    }
    # Warnings are shown, not hidden in the log.
    grep -E ': (warning|error):' "$folder/compile.log" >&2 || true
}

sanitizer_options() {
    # With sanitizers gcc sees null format strings where there are none. -O1 compiles in two thirds
    # of the time of -O2.
    echo "-Db_sanitize=address,undefined -Db_lundef=false -Doptimization=1 -Dc_args=-Wno-format-truncation"
}
