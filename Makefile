# Everything a newcomer needs: make run, make test, make check. Needs Python 3.11 or 3.12 and GNU make.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup run test check lint types templates boundaries migrations docker-lint words docs-check docs docs-pictures bench images lock clean

VENV ?= .venv
PY := $(VENV)/bin/python
PACKAGES := glmr_server annotation models_ml worker
RUN_READY := $(VENV)/.ready-run
DEV_READY := $(VENV)/.ready-dev
BENCH_READY := $(VENV)/.ready-bench
TESTS ?= tests --ignore=tests/benchmarks
# Tests run in this many processes, each with its own services, and those of the browser after the others. A file's tests stay together, because they share
# fixtures. One thread for sums in each, because the other processes use the other cores.
TEST_PROCESSES ?= $(shell n=$$(nproc); echo $$((n < 4 ? n : 4)))
# The help pages, which the server shows at /help/, and what they are made of.
HELP := docs/_build/html/index.html
HELP_SOURCES := $(shell find docs -path docs/_build -prune -o -type f -print) CHANGELOG.md glmr_server/__init__.py \
	$(wildcard annotation/static/annotation/*.css annotation/static/annotation/*.svg)
SPHINX := $(PY) -m sphinx --quiet --builder html --doctree-dir docs/_build/doctrees

help:
	@echo 'make run     the whole server on this machine: database, queue, web, worker (data in ./data, GLMR_DATA_DIR)'
	@echo 'make test    all tests, against real services (make test TESTS=tests/embedded for a part)'
	@echo 'make check   lint, types, templates, boundaries, migrations, container files, words, help pages'
	@echo 'make docs    build the help pages, which the server shows at /help/'
	@echo 'make bench   measure the speed of annotation, and of generation beside Hugging Face (installs transformers)'
	@echo 'make images  build the container images without Docker and try them as a facility does (root on Debian 12)'
	@echo 'make setup   only the virtual environment (.venv) with everything for development'
	@echo 'make lock    write requirements/*.lock from what is installed'
	@echo 'make clean   remove caches; data and .venv stay'

$(RUN_READY): requirements/worker.lock requirements/embedded.lock requirements/docs.lock
	@requirements/setup.sh $(VENV) worker embedded docs
	@touch $@

$(DEV_READY): requirements/worker.lock requirements/dev.lock requirements/docs.lock
	@requirements/setup.sh $(VENV) worker dev docs
	@touch $@ $(RUN_READY)

$(BENCH_READY): $(DEV_READY) requirements/bench.lock
	@requirements/setup.sh $(VENV) worker dev docs bench
	@touch $@

setup: $(DEV_READY)

# A server without help pages is still useful, so a failed build does not stop it: /help/ names the command.
run: $(RUN_READY)
	-@$(MAKE) --no-print-directory --silent $(HELP)
	@exec $(PY) -m glmr_server.up $(ARGS)

test: $(DEV_READY)
	OMP_NUM_THREADS=1 $(PY) -m pytest -n $(TEST_PROCESSES) --dist loadfile -m 'not browser' $(TESTS) $(ARGS) || [ $$? -eq 5 ]
	@# 5: there is no such test in what was asked for.
	OMP_NUM_THREADS=1 $(PY) -m pytest -n $(TEST_PROCESSES) --dist loadfile -m browser $(TESTS) $(ARGS) || [ $$? -eq 5 ]

check: lint types templates boundaries migrations docker-lint words docs-check
	@echo 'All checks passed.'

lint: $(DEV_READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: $(DEV_READY)
	$(VENV)/bin/mypy

templates: $(DEV_READY)
	$(VENV)/bin/djlint annotation/templates --check --lint

boundaries: $(DEV_READY)
	$(VENV)/bin/lint-imports --no-logo

migrations: $(DEV_READY)
	@# Compares models with migrations; the warning that no database runs does not matter here.
	$(PY) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run

docker-lint: $(DEV_READY)
	$(VENV)/bin/hadolint docker/*.Dockerfile docker/try/*.Dockerfile

words: $(DEV_READY)
	$(PY) -m tools.words

# Every warning is an error here: dead links and anchors, pages that no list of contents names.
docs-check: $(DEV_READY)
	$(SPHINX) --fresh-env --nitpicky --fail-on-warning docs docs/_build/html
	$(PY) -m tools.links

docs: $(RUN_READY) $(HELP)
	@echo 'Open docs/_build/html/index.html, or /help/ of a running server.'

$(HELP): $(HELP_SOURCES)
	$(SPHINX) docs docs/_build/html
	@touch $@

# Needs Chromium. Starts a server on a temporary data directory and writes docs/pictures/*.png.
docs-pictures: $(DEV_READY)
	$(PY) -m tools.pictures

bench: $(BENCH_READY)
	$(PY) -m pytest tests/benchmarks -q $(ARGS)

# Needs root on Debian 12: apt-get install buildah mmdebstrap podman crun iproute2
images: $(DEV_READY)
	docker/build.sh
	docker/try.sh

lock: $(BENCH_READY)
	$(PY) requirements/write_locks.py

clean:
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache docs/_build
	find $(PACKAGES) tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
