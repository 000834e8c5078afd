# `make` alone lists the targets. The only thing they need beforehand is Python 3.11 or later with venv.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
PYTEST_ARGS ?=
BENCH_ARGS ?=
DEMO_HOME ?= .demo

.PHONY: help demo setup test check format bench bench-accuracy bench-peers serve lock clean base

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

test: setup ## Run all tests
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

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

bench-peers: setup ## Install the peers that benchmarks compare with, into .venv-peers
	@scripts/peers

serve: setup ## Start the API and the dashboard on this machine
	@$(BIN)/mastery serve

lock: setup ## Write requirements/*.lock again from pyproject.toml
	@scripts/lock $(LOCK_ARGS)

clean: ## Remove what was built, installed or computed here; your data in .mastery stays
	rm -rf .venv $(DEMO_HOME) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
