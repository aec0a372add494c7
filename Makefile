# Heliogram. `make run` shows it, `make test` proves it. Nothing to install by hand but Python and make.

PYTHON ?= python3
SECONDS ?= 60
KILLS ?= 1000
RUNS ?= 2000
PYTEST ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install -qq
CODE := src tests $(wildcard bench examples tools)

.DEFAULT_GOAL := help
.PHONY: help run test check fix bench pictures fuzz chaos sim clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 16

run: $(VENV)/run ## four relays, your node, and Echo, who answers: talk, all on this machine
	@$(BIN)/python examples/run.py

test: $(VENV)/dev ## all tests (PYTEST="-n 4 -k welcome" is passed on)
	@$(BIN)/python -m pytest $(PYTEST)

check: $(VENV)/dev ## format, lint, types, import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy $(CODE)
	@$(BIN)/lint-imports --no-logo

fix: $(VENV)/dev ## format, and repair what can be repaired
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(VENV)/peers ## the table of speeds and sizes
	@$(BIN)/python -m bench
	@$(BIN)/python -m bench.relay
	@$(BIN)/python -m bench.node
	@$(BIN)/python -m bench.web

pictures: $(VENV)/dev ## the pictures of the app in docs/pictures, taken anew
	@HELIOGRAM_PICTURES=docs/pictures $(BIN)/python -m pytest -q tests/browser/test_pictures.py

fuzz: $(VENV)/dev ## broken input for every decoder, for SECONDS=60
	@$(BIN)/python -m tests.fuzz --seconds $(SECONDS)

chaos: $(VENV)/dev ## kill a loaded relay, and nodes that talk, and cut their power, KILLS=1000 times each
	@HELIOGRAM_KILLS=$(KILLS) $(BIN)/python -m pytest -s --timeout 0 tests/relay/test_crash.py
	@HELIOGRAM_CHAOS=all HELIOGRAM_NODE_KILLS=$(KILLS) $(BIN)/python -m pytest -s --timeout 0 -m "campaign or not campaign" tests/node/chaos tests/node/transfer/test_large.py

sim: $(VENV)/dev ## everything that can go wrong at random, RUNS=2000 times
	@HELIOGRAM_SIM_RUNS=$(RUNS) $(BIN)/python -m pytest -n auto --timeout 0 tests/sim/test_slots.py tests/sim/test_logs.py $(PYTEST)

clean: ## forget the environment and all caches
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

# An environment is complete when its stamp is newer than pyproject.toml: `run` has what the
# program needs, `dev` the tools as well. A stamp is touched last, so a failed install is repeated.
# Without an interpreter that runs (the system's may have moved on) the stamps mean nothing.

ifneq ($(shell test -x $(BIN)/python && echo there),there)
$(shell rm -f $(VENV)/run $(VENV)/dev)
endif

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo 'Heliogram needs Python 3.11 or newer; $(PYTHON) is not.'; \
	  echo 'Debian and Ubuntu: apt install python3 python3-venv'; \
	  echo 'Another interpreter: make PYTHON=/path/to/python3.12'; exit 1; } >&2
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo '$(PYTHON) cannot make virtual environments.'; \
	  echo 'Debian and Ubuntu: apt install python3-venv'; exit 1; } >&2
	@echo 'Making $(VENV), once.' >&2
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)

$(VENV)/run: pyproject.toml | $(BIN)/python
	@$(PIP) --editable .
	@touch $@

$(VENV)/dev: pyproject.toml | $(BIN)/python
	@$(PIP) --editable '.[dev]'
	@touch $(VENV)/run $@

$(VENV)/peers: $(VENV)/dev
	@$(PIP) --editable '.[dev,interop,bench]' || echo 'No peer can be installed here: its column stays empty.' >&2
	@touch $@
