VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test check lint types docs docs-check bench soak clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

demo: $(READY)  ## the main job in ten seconds, on a stand-in for WhatsApp
	@PATH=$(CURDIR)/$(BIN):$$PATH sh docs/demo.sh

test: $(READY)  ## all tests
	@$(BIN)/python -m pytest -q -n 2

lint: $(READY)  ## ruff and codespell
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell wa tests docs README.md

types: $(READY)  ## mypy, strict
	$(BIN)/mypy --strict wa

docs: $(READY)  ## write the help texts into docs/commands.md
	$(BIN)/cog -r docs/commands.md

docs-check: $(READY)  ## are the help texts in the docs those of the commands?
	$(BIN)/cog --check docs/commands.md

check: lint types docs-check test  ## what CI runs

bench: $(READY)  ## speed and memory beside their floors
	@$(BIN)/python -m tests.bench

soak: $(READY)  ## long runs, with more kills than a commit needs
	@$(BIN)/python -m pytest -q -m soak --timeout 3600

clean:  ## remove what make made
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
