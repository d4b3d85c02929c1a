# What serve, test and get-model share. Sourced, never run; the caller has set -euo pipefail.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE_DIR=${ATTENDANT_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/attendant}
# ccache refuses precompiled headers without these.
export CCACHE_SLOPPINESS=${CCACHE_SLOPPINESS:-pch_defines,time_macros,include_file_mtime,include_file_ctime}

log() { echo "scripts/$(basename "$0"): $*" >&2; }
die() {
  log "error: $*"
  exit 1
}

# The comment that opens a script is its help: from line 2 to the first line that is none.
usage() { sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0"; }

package_list() { sed 's/#.*//; /^[[:space:]]*$/d' "$ROOT/scripts/$1"; }

missing_packages() {
  local package
  for package in "$@"; do
    if [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" != installed ]; then
      echo "$package"
    fi
  done
}

require_debian_12() {
  local id version
  id=$(. /etc/os-release 2>/dev/null && echo "${ID:-unknown}")
  version=$(. /etc/os-release 2>/dev/null && echo "${VERSION_ID:-unknown}")
  if [ "$id $version" != "debian 12" ]; then
    die "this is '$id $version'; Attendant is built on Debian 12. Use the Dockerfile, or install the equivalents of" \
      "scripts/packages*.txt yourself and set ATTENDANT_SKIP_SETUP=1."
  fi
}

# setup [LIST...]: installs what is missing of scripts/packages.txt and the lists named.
setup() {
  [ -z "${ATTENDANT_SKIP_SETUP:-}" ] || return 0
  require_debian_12
  local list packages=() missing=() as_root=()
  for list in packages.txt "$@"; do mapfile -t -O "${#packages[@]}" packages < <(package_list "$list"); done
  mapfile -t missing < <(missing_packages "${packages[@]}")
  [ "${#missing[@]}" -gt 0 ] || return 0
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "neither root nor sudo here; as root: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  log "installing ${missing[*]}"
  "${as_root[@]}" apt-get update -q >&2 || die "apt-get update failed"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" >&2 ||
    die "apt-get install failed"
}

# build PRESET TARGET...: configures when needed (CMake itself notices changes later) and builds.
build() {
  local preset=$1
  shift
  if [ ! -f "$ROOT/build/$preset/build.ninja" ]; then
    (cd "$ROOT" && cmake --preset "$preset") >&2
  fi
  (cd "$ROOT" && cmake --build --preset "$preset" --parallel "$(nproc)" --target "$@") >&2
}

# python_env NAME REQUIREMENTS: prints the folder of a virtual environment in the cache that has just these packages;
# made anew when the requirements change.
python_env() {
  local dir
  dir=$CACHE_DIR/venv/$1-$(sha256sum "$2" | cut -c1-12)
  if [ ! -f "$dir/complete" ]; then
    rm -rf "$dir"
    log "installing the Python packages of ${2#"$ROOT"/}"
    python3 -m venv "$dir" >&2
    "$dir/bin/python" -m pip install -q -r "$2" >&2
    touch "$dir/complete"
  fi
  echo "$dir"
}
