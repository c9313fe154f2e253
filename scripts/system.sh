#!/usr/bin/env bash
# What the tests need from the system beside Python: Chromium for the page. Installed where that is possible,
# else said; a test that lacks it skips and says so. With CI set, a lack is an error: CI skips nothing.
set -euo pipefail

have() { command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1; }

have && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "Installing Chromium for the page's tests …"
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-noto-core fonts-thai-tlwg; } >/dev/null 2>&1 || true
fi
if ! have; then
  echo "Chromium is missing; on Debian:  apt-get install chromium  — the page's tests are skipped without it." >&2
  [ -z "${CI:-}" ] || exit 1
fi
