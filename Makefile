# Two commands matter: `make run` and `make test`. Both install everything they need into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: run test check bench soak lock clean

run: $(VENV)/.run ## the gateway up on a local model, a real answered request shown
	$(BIN)/passerelle quickstart --data .passerelle $(ARGS)

test: $(VENV)/.dev ## every check and every test
	$(BIN)/python scripts/prepare_tests.py
	$(MAKE) check
	$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

check: $(VENV)/.dev ## formatting, lint, types, floors
	$(BIN)/ruff format --check .
	$(BIN)/ruff check --output-format concise .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: $(VENV)/.dev ## the harness of docs/performance.md: us and peers in one run
	$(BIN)/python -m bench $(ARGS)

soak: $(VENV)/.dev ## long runs: 500 kill -9, and what else is too long for every change
	$(BIN)/python -m pytest -m soak --timeout 7200 $(ARGS)

lock: ## write the hashed lock files anew from pyproject.toml
	$(BIN)/python scripts/lock.py

clean:
	rm -rf $(VENV) .passerelle

# A stamp is newer than the lock it was installed from, so a changed lock installs again.
$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Passerelle needs Python 3.11 or newer; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: locks/run.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --require-hashes -r locks/run.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

$(VENV)/.dev: locks/dev.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --require-hashes -r locks/dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@ $(VENV)/.run
