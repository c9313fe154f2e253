#!/usr/bin/env bash
# Rasa's own checks on the repository's root: the data without a warning, the rule graph by its stories.
set -euo pipefail
venv=$1
echo "rasa data validate …"
"$venv/bin/rasa" data validate -d domain --fail-on-warnings --max-history 5
echo "rasa test core …"
"$venv/bin/rasa" test core -m models --stories tests/stories --fail-on-prediction-errors --out var/rasa-test > var/rasa-test.log 2>&1 || { tail -n 20 var/rasa-test.log; exit 1; }
