# Everything a developer does with Grantway. `make run` and `make test` need Python ≥ 3.11 and a package index, no more.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST_ARGS ?=
# many tests wait for servers and browsers: three at once keep two cores busy
AT_ONCE ?= -n 3 --dist loadfile --no-loadscope-reorder
LONGEST_FIRST := tests/fault tests/e2e tests/contract tests/docs tests/bench tests/flow tests/unit
BENCH_ARGS ?=

# the tests start some hundred processes of Grantway: none of them shall compile it again
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test soak check format bench docs clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(VENV)/.run: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	$(BIN)/python -m pip install --quiet --group test --group check
	@touch $@

tests/e2e/node_modules/.done: tests/e2e/package.json
	cd tests/e2e && npm install --no-audit --no-fund --no-package-lock --loglevel=error
	@touch $@

run: $(VENV)/.run ## start a development server with demo clients and a demo user
	$(BIN)/grantway dev

test: $(VENV)/.dev ## run every test, browsers and outside clients included
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory tests/e2e/node_modules/.done; fi
	$(BIN)/python -m pytest $(AT_ONCE) tests/unit/protocol tests/property --cov=grantway.protocol --cov-branch \
	  --cov-fail-under=100 --cov-report=term-missing:skip-covered -q $(PYTEST_ARGS)
	$(BIN)/python -m pytest $(AT_ONCE) $(LONGEST_FIRST) --ignore=tests/unit/protocol -q $(PYTEST_ARGS)

soak: $(VENV)/.dev ## the long forms of the race and fault tests
	GRANTWAY_TEST_SOAK=1 $(BIN)/python -m pytest tests/fault tests/contract tests/property \
	  tests/e2e/test_separate_services.py $(PYTEST_ARGS)

check: $(VENV)/.dev ## lint, format, types, directions of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.dev ## write the generated pages of docs/reference again
	$(BIN)/python docs/generate.py

bench/peers/node_modules/.done: bench/peers/package.json
	cd bench/peers && npm install --no-audit --no-fund --no-package-lock --loglevel=error
	@touch $@

bench: $(VENV)/.dev ## measure; needs wrk, for the peers npm, and nothing else running
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory bench/peers/node_modules/.done; fi
	$(BIN)/python -m bench $(BENCH_ARGS)

clean: ## remove what the targets above made
	rm -rf $(VENV) .grantway .pytest_cache .mypy_cache .ruff_cache tests/e2e/node_modules bench/peers/node_modules .bench
