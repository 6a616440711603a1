# make demo: environment, then the demonstration.
# make docs: environment, then the documents as a site, in build/site.
# make lint: environment, then the style, format and type checks.
# make test: environment, then the whole test suite.
# make lock: environment, then the versions and hashes of all dependencies anew, in requirements/.
# make audit: environment, then a look for known vulnerabilities of them.
# make licences: environment, then docs/reference/licences.md anew.
# Needs Python 3.11 or newer (make demo PYTHON=python3.12) and nothing else.

PYTHON ?= python3
BIN = .venv/bin

.PHONY: demo docs lint format test test-environment lock audit licences

demo: .venv/base
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

lock: .venv/supply
	$(BIN)/python requirements/lock.py

audit: .venv/supply
	$(BIN)/pip-audit --strict --disable-pip $(addprefix --requirement ,$(wildcard requirements/*.txt))

licences: .venv/base .venv/docs .venv/lint .venv/supply .venv/test
	$(BIN)/python -m requirements.licences

# What the files of requirements/ pin, each by its hash, and then the package itself, which has none.
# What builds sources comes first, for pip would fetch it without looking at hashes. The stamps are
# files, so that the installation is repeated when what it installs changes.
install = $(BIN)/python -m pip install --quiet --no-build-isolation
.venv/%: requirements/%.txt requirements/base.txt requirements/build.txt setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv
	$(install) --require-hashes --requirement requirements/build.txt
	$(install) --require-hashes --requirement $<
	$(install) --no-deps --editable .
	touch $@
