# Every target that needs it sets up .venv by itself, once, from requirements.lock; see .ci/venv.
SHELL := /bin/sh
.DEFAULT_GOAL := help
PY := .venv/bin/python
FAST := -m "not slow and not crash and not served and not soak" -n 2
# Compiled once and kept: else each of the hundreds of processes that tests and demonstration start compiles everything anew.
unexport PYTHONDONTWRITEBYTECODE

# A copied or moved checkout carries a .venv that points to the old place: make it again.
ifneq ($(shell cat .venv/.place 2>/dev/null),$(CURDIR)/.venv)
STALE := moved
endif

.PHONY: help
help: ## List the targets (what `make` alone does).
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

.venv/.ready: requirements.lock pyproject.toml .ci/venv $(STALE)
	@.ci/venv .venv

.PHONY: moved
moved:

.PHONY: demo
demo: .venv/.ready ## Run the main job on this machine and check every promise (STAY=1 keeps it running).
	@$(PY) -m surefoot_simulators.demo $(if $(STAY),--stay)

.PHONY: test
test: .venv/.ready ## Run every test this machine can run, and say what it could not run and why.
	@mkdir -p build
	@echo "fast tests, side by side"
	@code=0; $(PY) -m pytest -q $(FAST) --junitxml=build/junit-fast.xml $(ARGS) || [ $$? = 5 ] || code=1; \
	 $(MAKE) --no-print-directory test-slow || code=1; exit $$code

.PHONY: test-slow
test-slow: .venv/.ready ## Run what `make test` runs after the fast tests: the end of the world at every write, the server with its database, and the slow tests.
	@mkdir -p build
	@echo "the world ends at every write, side by side"
	@code=0; $(PY) -m pytest -q -m crash -n 2 --dist worksteal --junitxml=build/junit-crash.xml $(or $(ARGS),tests/crash) || [ $$? = 5 ] || code=1; \
	 echo "the server with its database, and slow tests, side by side"; \
	 $(PY) -m pytest -q -m "(served or slow) and not power and not soak and not crash" -n 3 --dist worksteal --durations=40 --junitxml=build/junit-slow.xml $(ARGS) || [ $$? = 5 ] || code=1; exit $$code

.PHONY: test-power
test-power: .venv/.ready ## Boot real machines in an emulator and cut their power (ROUNDS=n cuts more, SEED=n the same ones).
	@mkdir -p build
	@SUREFOOT_POWER_ROUNDS=$(or $(ROUNDS),1) SUREFOOT_POWER_SEED=$(SEED) \
	  $(PY) -m pytest -m power -n 2 --dist worksteal --junitxml=build/junit-power.xml $(ARGS) tests/power

.PHONY: check
check: .venv/.ready ## Check format, lint, types and imports, and run the fast tests.
	@echo "format"
	@$(PY) -m ruff format --check --quiet . || { echo "make fmt puts them into shape"; exit 1; }
	@echo "lint"
	@$(PY) -m ruff check --quiet .
	@echo "types"
	@$(PY) -m mypy --no-error-summary
	@echo "imports"
	@.venv/bin/lint-imports --config pyproject.toml > .venv/lint-imports.log || { cat .venv/lint-imports.log; exit 1; }
	@mkdir -p build
	@echo "fast tests"
	@$(PY) -m pytest -q $(FAST) --junitxml=build/junit-fast.xml $(ARGS)

.PHONY: fast
fast: .venv/.ready ## Run the fast tests alone.
	@$(PY) -m pytest -q $(FAST) $(ARGS)

.PHONY: bench
bench: .venv/.ready ## Measure and write build/bench.json (ONLY=name for one benchmark, RECORD=1 to keep the figures).
	@$(PY) -m surefoot_simulators.bench $(ONLY) $(if $(RECORD),--record)

.PHONY: soak
soak: .venv/.ready ## A fleet of DEVICES on the wire through ROLLOUTS; updates for MINUTES; then KILLS; then every crash point.
	@$(PY) -m surefoot_simulators.bench.wire_soak --devices $(or $(DEVICES),1000) --rollouts $(or $(ROLLOUTS),30)
	@$(PY) -m surefoot_simulators.bench.soak --minutes $(or $(MINUTES),30)
	@SUREFOOT_TESTS_ON_DISK=1 $(PY) -m pytest -q -m soak -n 2 --dist worksteal
	@SUREFOOT_TESTS_ON_DISK=1 SUREFOOT_KILLS=$(or $(KILLS),1000) $(PY) -m pytest -q -s -m slow tests/scenarios/test_kills.py
	@SUREFOOT_TESTS_ON_DISK=1 SUREFOOT_CRASH_ALL=1 $(PY) -m pytest -q -m crash -n 2 --dist worksteal tests/crash

.PHONY: docs
docs: .venv/.ready ## Write the pages and diagrams that are made from the code, and build/man.
	@$(PY) docs/generate.py

.PHONY: fmt
fmt: .venv/.ready ## Format the code and apply the safe fixes.
	@$(PY) -m ruff check --fix --quiet . || true
	@$(PY) -m ruff format .

.PHONY: lock
lock: ## Write requirements.lock anew from pyproject.toml (needs uv and a package index).
	@command -v uv >/dev/null || { echo "surefoot: uv is needed to write the lock; install it with: pipx install uv" >&2; exit 1; }
	@uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --all-extras --upgrade \
	  --no-emit-index-url --no-header -o requirements.lock pyproject.toml

.PHONY: clean
clean: ## Remove build output, caches and the environments of other interpreters; .venv stays.
	@rm -rf build dist .venv-* .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find agent docs server shared simulators tests -name __pycache__ -type d -prune -exec rm -rf {} +
