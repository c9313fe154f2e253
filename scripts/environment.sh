#!/usr/bin/env bash
# Makes the Python 3.10 environment with the locked packages. Usage: environment.sh FOLDER
set -euo pipefail
venv=$1

find_python() {
  local candidate
  for candidate in "${HELPLINE_PYTHON:-}" python3.10 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.10.*/bin/python3.10; do
    if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 10))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  if command -v uv >/dev/null 2>&1; then
    uv python find 3.10 2>/dev/null || { uv python install 3.10 >&2 && uv python find 3.10; }
  fi
}

python=$(find_python || true)
if [ -z "$python" ]; then
  cat >&2 <<'MESSAGE'
Python 3.10 was not found (Rasa 3.6 needs exactly 3.10).
Install it in one of these ways and run the command again:
  - your system's package python3.10 with python3.10-venv
  - pyenv:  pyenv install 3.10
  - uv:     uv python install 3.10
or name it:  HELPLINE_PYTHON=/path/to/python3.10 make setup
MESSAGE
  exit 1
fi

started=$(date +%s)
echo "Python: $("$python" --version)"
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
# uv installs the 250 packages in a minute instead of several; it comes from the locked list too.
if ! "$venv/bin/python" -m uv --version >/dev/null 2>&1; then
  grep -A 40 '^uv==' requirements-test.txt | awk 'NR>1 && /^[a-z]/ {exit} {print}' > "$venv/uv.txt"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$venv/uv.txt"
fi
echo "Installing the locked packages (about 2.7 GB unpacked, one to three minutes) …"
"$venv/bin/python" -m uv pip install --python "$venv/bin/python" --require-hashes -r requirements.txt -r requirements-test.txt --compile-bytecode
"$venv/bin/python" -m uv pip install --python "$venv/bin/python" --no-deps --no-build-isolation --quiet -e .
touch "$venv/.installed"
echo "Environment ready after $(( $(date +%s) - started )) s."
