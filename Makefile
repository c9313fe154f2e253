# Two commands do everything on a fresh machine:  make run   and   make test
.DEFAULT_GOAL := help
SHELL := /bin/bash
VENV := .venv
PY := $(VENV)/bin/python
HELPLINE := $(VENV)/bin/helpline
export RASA_TELEMETRY_ENABLED := false
export TF_CPP_MIN_LOG_LEVEL := 3
export OMP_NUM_THREADS ?= 1

.PHONY: help setup run test lint train lock clean system

help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(VENV)/.installed: requirements.txt requirements-test.txt pyproject.toml scripts/environment.sh
	@bash scripts/environment.sh $(VENV)

setup: $(VENV)/.installed  ## environment, locked packages, encoder, trained model
	@$(HELPLINE) train

run: setup  ## set up on first use, then the helpline on http://127.0.0.1:8000
	@exec $(HELPLINE) run

system:
	@bash scripts/system.sh

lint: $(VENV)/.installed  ## types, style, the rooms' borders
	$(VENV)/bin/ruff check bot actions tests
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

test: system setup lint  ## set up, then every check and test
	@$(HELPLINE) check
	@bash scripts/rasa-checks.sh $(VENV)
	$(VENV)/bin/pytest -n 2 --dist loadfile

lock:  ## write the locked requirements anew from the .in files (needs uv)
	uv pip compile requirements.in --python-version 3.10 --generate-hashes --no-emit-index-url --no-header -q -o requirements.txt
	uv pip compile requirements-test.in --python-version 3.10 --generate-hashes --no-emit-index-url --no-header -q -o requirements-test.txt

clean:  ## remove the environment, the model and caches (keeps var/ with its database and keys)
	rm -rf $(VENV) models .pytest_cache .mypy_cache .ruff_cache
