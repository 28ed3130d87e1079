# Shared by the scripts of this folder and by tests/run; sourced, never run.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export ROOT

say() { printf '%s\n' "$*"; }
warn() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() {
    warn "$@"
    exit 1
}

am_root() { [ "$(id -u)" -eq 0 ]; }

# Runs a command as root, through sudo when need be.
as_root() {
    if am_root; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "'$1' needs root: run it as root or install sudo"
    fi
}

# The server refuses to run as root, so root hands it to this account.
server_user() {
    if ! am_root; then
        id -un
    elif id postgres >/dev/null 2>&1; then
        echo postgres
    else
        echo nobody
    fi
}

# Runs a command as that account, from a folder that it can enter.
as_server_user() {
    if am_root; then
        (cd / && exec setpriv --reuid="$(server_user)" --regid="$(id -g "$(server_user)")" --init-groups \
            env HOME=/tmp USER="$(server_user)" LOGNAME="$(server_user)" "$@")
    else
        "$@"
    fi
}

# The pg_config in force: PG_CONFIG, or that of PG_MAJOR, or the first in the path.
find_pg_config() {
    local candidate
    for candidate in "${PG_CONFIG:-}" "/usr/lib/postgresql/${PG_MAJOR:-none}/bin/pg_config" pg_config; do
        if [ -n "$candidate" ] && command -v "$candidate" >/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    die "pg_config not found: run 'make setup', or set PG_CONFIG"
}

# Version of the extension: the control file is its only place.
extension_version() { sed -n "s/^default_version *= *'\([^']*\)'.*/\1/p" "$ROOT/hermes_cascade.control"; }

jobs_count() { echo "${JOBS:-$(nproc 2>/dev/null || echo 2)}"; }
