#!/usr/bin/env bash
# What the tests need from the system beside Python: Chromium for the page, a PostgreSQL server for the store. Installed where that is
# possible, else said; a test that lacks it skips and says so. With CI set, a lack is an error: CI skips nothing.
set -euo pipefail

have_chromium() { command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1; }
have_postgresql() { command -v initdb >/dev/null 2>&1 || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; }

# need NAME TEST PACKAGES…: install what TEST does not find, or say what is skipped without it
need() {
  local name=$1 have=$2; shift 2
  "$have" && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing $name for the tests …"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } >/dev/null 2>&1 || true
  fi
  if ! "$have"; then
    echo "$name is missing; on Debian:  apt-get install $1  — the tests that need it are skipped." >&2
    [ -z "${CI:-}" ] || exit 1
  fi
}

need Chromium have_chromium chromium fonts-noto-core fonts-thai-tlwg
need PostgreSQL have_postgresql postgresql
