# Two commands matter: `make run` and `make test`. Both install everything they need into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: help run test check sdks bench soak agents docs conformance corpora faults fuzz lock clean

# Ctrl-C ends the gateway with status 0, and make with it: `set -m` gives the gateway the terminal's signals to
# itself. Only in the foreground (`+`), because a shell in the background would wait for the terminal.
run: $(VENV)/.run ## the gateway up on a local model, a real answered request shown; ARGS="--port 9000"
	@case "$$(ps -o stat= -p $$$$ 2>/dev/null)" in *+*) set -m;; esac; \
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

sdks: $(VENV)/.dev ## every SDK, unmodified, over the whole matrix; writes docs/sdks.md
	$(BIN)/python scripts/prepare_tests.py
	$(BIN)/python -m tests.contract --page docs/sdks.md $(ARGS)

bench: $(VENV)/.dev ## the harness of docs/performance.md: us and peers in one run
	$(BIN)/python -m bench $(ARGS)

soak: $(VENV)/.dev ## long runs: 500 kill -9, and what else is too long for every change
	$(BIN)/python -m pytest -m soak --timeout 7200 $(ARGS)

agents: $(VENV)/.dev ## every agent CLI through the gateway with every provider dialect behind (tests/agents)
	$(BIN)/python scripts/prepare_tests.py
	$(BIN)/python -m pytest tests/agents -m "soak or not soak" --timeout 300 $(ARGS)

docs: $(VENV)/.dev ## write the generated pages anew: docs/providers/, the tables of docs/dialects.md
	$(BIN)/python scripts/provider_pages.py
	$(BIN)/python scripts/dialect_tables.py

conformance: $(VENV)/.dev ## try every dialect with every provider, and write docs/conformance.md
	$(BIN)/python -m tests.conformance.page

corpora: $(VENV)/.dev ## write docs/corpora.md anew from other gateways' test material, where it is at hand
	$(BIN)/python scripts/corpora.py

faults: $(VENV)/.dev ## play 31 faults of providers, and write what came of them into docs/resilience.md
	$(BIN)/python -m tests.faults.page

fuzz: $(VENV)/.dev ## feed every decoder with bytes nobody would send; ARGS="--seconds 3600 --found FOLDER"
	$(BIN)/python -c 'import atheris' 2>/dev/null || $(PIP) install --quiet --require-hashes -r locks/fuzz.txt
	$(BIN)/python scripts/fuzz.py $(ARGS)

lock: ## write the hashed lock files anew from pyproject.toml
	$(BIN)/python scripts/lock.py

clean: ## remove the environment and the data of `make run`
	rm -rf $(VENV) .passerelle

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

# A stamp is newer than the lock it was installed from, so a changed lock installs again.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Passerelle needs Python 3.11 or newer: make PYTHON=python3.12 …")'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  { echo "$(PYTHON) comes without venv and pip; on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.run: locks/run.txt pyproject.toml | $(BIN)/python
	@echo "Installing $$(grep -c == locks/run.txt) packages, each checked against its hash (half a minute the first time)"
	@$(PIP) install --quiet --no-compile --require-hashes -r locks/run.txt
	@$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: locks/dev.txt pyproject.toml | $(BIN)/python
	@echo "Installing $$(grep -c == locks/dev.txt) packages, each checked against its hash (a minute the first time)"
	@$(PIP) install --quiet --require-hashes -r locks/dev.txt
	@$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.run
