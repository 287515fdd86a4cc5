# Every target builds .venv itself when it is missing or older than the files that describe it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test quick lint types agents full-disk long-journal every-step every-kind bench clean

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
REPORT := build/pytest.txt
AGENTS := @aaif/goose@0.20.1 opencode-ai@1.18.33
PROGRAMS := $(CURDIR)/build/agents/node_modules/.bin

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

help:
	@echo "make demo       a scripted lead runs a team on a sample repository"
	@echo "make test       lint, types, import rules, the whole suite with branch coverage"
	@echo "make quick      the suite without its slow tests"
	@echo "make lint       ruff, formatting, import rules"
	@echo "make types      pyright, strict"
	@echo "make agents     real agents from npm, driven by protocol with a scripted model"
	@echo "make full-disk  the disk full at every single write, as root (long)"
	@echo "make long-journal a journal of a million lines (minutes)"
	@echo "make every-step the engine killed at every single step of what it does (hours)"
	@echo "make every-kind the whole suite, each test for every kind of team, with all its rounds (an hour)"
	@echo "make bench      the figures, each beside its floor"
	@echo "make clean      remove what the other targets wrote (.venv stays)"

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(READY)
	$(BIN)/ao demo

# `patch = subprocess` in pyproject.toml measures the xdist workers and the processes they start.
test: lint types
	@mkdir -p build
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n 2 --dist loadgroup | tee $(REPORT)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --skip-covered --skip-empty
	@tail -n 1 $(REPORT)

quick: $(READY)
	$(BIN)/pytest -q -n 2 --dist loadgroup -m 'not slow'

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-cache

types: $(READY)
	$(BIN)/pyright

# Real agents come from npm (Node needed) into build/agents; `make test` skips them where they are missing.
agents: $(READY)
	@command -v npm >/dev/null || { echo "make agents: npm is missing; install Node.js" >&2; exit 1; }
	npm install --no-audit --no-fund --prefix build/agents $(AGENTS)
	@for program in goose opencode; do test -x $(PROGRAMS)/$$program || \
	  { echo "make agents: npm brought no $$program for this machine" >&2; exit 1; }; done
	AO_REAL_AGENTS=$(PROGRAMS) $(BIN)/pytest -q -rs tests/e2e/test_real_agents.py

full-disk: $(READY)
	@test $$(id -u) = 0 || { echo "make full-disk: only root can mount a small disk" >&2; exit 1; }
	EVERY_WRITE=1 $(BIN)/pytest -q -rs -n 2 tests/e2e/test_full_disk.py

long-journal: $(READY)
	EVERY_KIND=1 LONG_JOURNAL=1000000 $(BIN)/pytest -q -rs tests/e2e/test_long_journal.py

every-step: $(READY)
	@rm -f build/every-step.txt
	EVERY_STEP=all $(BIN)/pytest -q -rs -n 2 tests/e2e/test_every_step.py

every-kind: $(READY)
	EVERY_KIND=1 $(BIN)/pytest -q -rs -n 2 --dist loadgroup

bench: $(READY)
	$(BIN)/python tests/bench/run.py

clean:
	rm -rf build dist .coverage .coverage.* .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find ao_mcp core plugins prompts tests -name __pycache__ -prune -exec rm -rf {} +
