# Everything a newcomer needs: make run, make test, make check. Needs Python 3.11 or 3.12 and GNU make.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup run test check lint types boundaries migrations docker-lint bench lock clean

VENV ?= .venv
PY := $(VENV)/bin/python
PACKAGES := glmr_server annotation models_ml worker
RUN_READY := $(VENV)/.ready-run
DEV_READY := $(VENV)/.ready-dev
BENCH_READY := $(VENV)/.ready-bench
TESTS ?= tests --ignore=tests/benchmarks

help:
	@echo 'make run     the whole server on this machine: database, queue, web, worker (data in ./data, GLMR_DATA_DIR)'
	@echo 'make test    all tests, against real services (make test TESTS=tests/embedded for a part)'
	@echo 'make check   lint, types, boundaries, migrations, container files'
	@echo 'make bench   measure the speed of annotation, and of generation beside Hugging Face (installs transformers)'
	@echo 'make setup   only the virtual environment (.venv) with everything for development'
	@echo 'make lock    write requirements/*.lock from what is installed'
	@echo 'make clean   remove caches; data and .venv stay'

$(RUN_READY): requirements/worker.lock requirements/embedded.lock
	@requirements/setup.sh $(VENV) worker embedded
	@touch $@

$(DEV_READY): requirements/worker.lock requirements/dev.lock
	@requirements/setup.sh $(VENV) worker dev
	@touch $@ $(RUN_READY)

$(BENCH_READY): $(DEV_READY) requirements/bench.lock
	@requirements/setup.sh $(VENV) worker dev bench
	@touch $@

setup: $(DEV_READY)

run: $(RUN_READY)
	@exec $(PY) -m glmr_server.up $(ARGS)

test: $(DEV_READY)
	$(PY) -m pytest $(TESTS) $(ARGS)

check: lint types boundaries migrations docker-lint
	@echo 'All checks passed.'

lint: $(DEV_READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: $(DEV_READY)
	$(VENV)/bin/mypy

boundaries: $(DEV_READY)
	$(VENV)/bin/lint-imports --no-logo

migrations: $(DEV_READY)
	@# Compares models with migrations; the warning that no database runs does not matter here.
	$(PY) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run

docker-lint: $(DEV_READY)
	$(VENV)/bin/hadolint docker/*.Dockerfile

bench: $(BENCH_READY)
	$(PY) -m pytest tests/benchmarks -q $(ARGS)

lock: $(BENCH_READY)
	$(PY) requirements/write_locks.py

clean:
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find $(PACKAGES) tests -name __pycache__ -type d -prune -exec rm -rf {} +
