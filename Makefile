# One command for each thing; `make` alone lists them. Needs Python 3.11 or newer with pip, nothing else.

PYTHON ?= python3
# Extra words for pip, such as the index that has torch's CPU build for your platform.
PIP_ARGS ?=
# Which script of benchmarks/ `make bench` runs.
BENCH ?= cifar10_resnet56

VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c constraints.txt
# An installation is repeated when one of these has changed; the marks under .venv tell what is installed.
VERSIONS := pyproject.toml constraints.txt

# Two cores are in mind; more threads than cores make small networks slower and timings unsteady. Tests run in two
# processes of one thread each, which is quicker than one process of two.
bench: export OMP_NUM_THREADS ?= 2
test: export OMP_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help demo test check bench docs clean

help: ## List what can be made
	@sed -n 's/^\([a-z]*\):.*## /make \1	/p' $(MAKEFILE_LIST) | expand -t 14

demo: $(VENV)/installed-for-use ## Install, then compress the embedded network and prove it on two engines
	$(BIN)/lissome demo --out demo/

test: check ## Install, then run every check and every test
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal

check: $(VENV)/installed-for-tests ## Lint, format, types, import contracts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: $(VENV)/installed-for-tests ## Run one of benchmarks/ (BENCH=name), which may take an hour and can be resumed
	$(INSTALL) -r benchmarks/requirements.txt
	$(BIN)/python benchmarks/$(BENCH).py

docs: $(VENV)/installed-for-docs ## Build the documentation into site/
	$(BIN)/zensical build --clean

clean: ## Remove the environment and what was made
	rm -rf $(VENV) demo site build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "lissome needs Python 3.11 or newer; give one: make PYTHON=python3.11 …" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/installed-for-use: $(VERSIONS) | $(VENV)/created
	$(INSTALL) -e .
	@touch $@

# What tests need includes what use needs.
$(VENV)/installed-for-tests: $(VERSIONS) | $(VENV)/created
	$(INSTALL) -e ".[test,check]"
	@touch $@ $(VENV)/installed-for-use

$(VENV)/installed-for-docs: $(VERSIONS) | $(VENV)/created
	$(INSTALL) -e ".[docs]"
	@touch $@ $(VENV)/installed-for-use
