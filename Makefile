# make demo: environment, then the demonstration.   make test: environment, then the whole test suite.
# Needs Python 3.11 or newer (make demo PYTHON=python3.12) and nothing else.

PYTHON ?= python3
BIN = .venv/bin

.PHONY: demo test test-environment

demo: .venv/demo
	$(BIN)/python demo.py

test: test-environment
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadscope

test-environment: .venv/test

# The stamps are files, so that the installation is repeated when what it installs changes.
.venv/demo: setup.cfg
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

.venv/test: setup.cfg
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[test,tensorflow]'
	touch $@
