# make demo: environment, then the demonstration.
# make docs: environment, then the documents as a site, in build/site.
# make lint: environment, then the style, format and type checks.
# make test: environment, then the whole test suite.
# Needs Python 3.11 or newer (make demo PYTHON=python3.12) and nothing else.

PYTHON ?= python3
BIN = .venv/bin

.PHONY: demo docs lint format test test-environment

demo: .venv/demo
	$(BIN)/python demo.py

docs: .venv/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

lint: .venv/lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# What the checks ask for and a program can do.
format: .venv/lint
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# A file's tests stay together, for what they share, and the files in the order of tests/conftest.py.
test: test-environment
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadscope --no-loadscope-reorder

test-environment: .venv/test

# The stamps are files, so that the installation is repeated when what it installs changes.
.venv/demo: setup.cfg
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

# With the package itself, of which the keys of a configuration are read.
.venv/docs: setup.cfg
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	touch $@

# With the package itself, so that the types of its libraries are known.
.venv/lint: setup.cfg
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[lint]'
	touch $@

.venv/test: setup.cfg
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[test,tensorflow]'
	touch $@
