# `make` alone lists the targets. The only thing they need beforehand is Python 3.11 or later with venv.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
PYTEST_ARGS ?=
BENCH_ARGS ?=
DEMO_HOME ?= .demo

.PHONY: help demo setup test test-fast services soak check format bench bench-accuracy bench-peers serve lock clean base

help: ## List the targets
	@echo "Student Mastery Score Engine"; echo
	@[[ -t 1 ]] && bold=$$'\033[1m' plain=$$'\033[0m' || bold= plain=; awk -v on="$$bold" -v off="$$plain" -F ':.*## ' \
		'/^[a-z-]+:.*## / { printf "  %smake %-15s%s %s\n", on, $$1, off, $$2 }' $(MAKEFILE_LIST)
	@echo; echo "  PYTHON=/path/to/python3.12   another Python for the .venv"
	@echo "  PYTEST_ARGS='-k bkt'         arguments for pytest"

demo: base ## Compute and explain the mastery of a small simulated school
	@$(BIN)/mastery --home $(DEMO_HOME) demo

setup: ## Make the .venv with every extra (API, dashboard, tests, tools)
	@scripts/setup all

base:
	@scripts/setup base

# Two processes at most: each holds compiled kernels and, in some tests, a data set of its own. A file stays in one
# process, so what its tests share is made once.
WORKERS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN); echo $$((n < 2 ? n : 2)))
PARALLEL = -n $(WORKERS) --dist loadfile
# The cheapest way to trace, which Python has from 3.12 on.
TRACER = $(shell $(BIN)/python -c 'import sys; print("sysmon" if sys.version_info >= (3, 12) else "ctrace")')

test: setup ## Run all tests, and print their coverage
	@echo "All tests: about a quarter of an hour on two cores, more the first time, when kernels are compiled. The quick ones, in less than two minutes: make test-fast"
	@COVERAGE_CORE=$(TRACER) $(BIN)/python -m pytest -m "not soak" $(PARALLEL) --cov --cov-report= $(PYTEST_ARGS) \
		&& $(BIN)/python scripts/coverage_by_folder.py

test-fast: setup ## Run the quick tests (less than two minutes)
	@echo "The quick tests: less than two minutes on two cores, more the first time, when kernels are compiled."
	@HYPOTHESIS_PROFILE=$${HYPOTHESIS_PROFILE:-quick} $(BIN)/python -m pytest -m "not slow and not soak" $(PARALLEL) $(PYTEST_ARGS)

services: setup ## Start PostgreSQL, Redis, Kafka and S3 for tests, where they can run, until Ctrl-C
	@PYTHONPATH=tests $(BIN)/python -m services

soak: setup ## Run what shows only after many repetitions: kills, crashes, random histories (an evening)
	@HYPOTHESIS_PROFILE=long $(BIN)/python -m pytest -m soak $(PYTEST_ARGS)

check: setup ## Lint, types, layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	PYTHONPATH=src $(BIN)/lint-imports --no-cache

format: setup ## Format the code and fix what can be fixed without thinking
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

bench: setup ## Run the benchmarks and print their table
	@$(BIN)/python -m benchmarks $(BENCH_ARGS)

bench-accuracy: setup ## Predict answers on public data and print how well
	@$(BIN)/python -m benchmarks.accuracy $(BENCH_ARGS)

bench-peers: setup ## Install the peers that benchmarks compare with, into .venv-peers and .venv-peers-streams
	@scripts/peers

serve: setup ## Start the API and the dashboard on this machine
	@$(BIN)/mastery serve

lock: setup ## Write requirements/*.lock again from pyproject.toml
	@scripts/lock $(LOCK_ARGS)

clean: ## Remove what was built, installed or computed here; your data in .mastery stays
	rm -rf .venv $(DEMO_HOME) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
