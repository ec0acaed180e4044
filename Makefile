VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3

.DEFAULT_GOAL := help
.PHONY: help demo demo-web test check lint types docs docs-check assets bench soak clean
# The tests come last in `make check`, also with -j.
.NOTPARALLEL:
# Without compiled files each of the tests' processes would compile wa, and each worker all tests.
unexport PYTHONDONTWRITEBYTECODE

help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --no-color
LOG := $(VENV)/install.log
# of what pip says, the names of the packages; all of it is in the log
SHOW := 2>&1 | tee $(LOG) | sed -n -e 's/^Collecting \([A-Za-z0-9._-]*\).*/  \1/p' \
  -e 's/^Installing collected.*/  unpacking them/p'

PIP := $(BIN)/pip
$(PIP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "$(PYTHON) is older than 3.10; try: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
	  { echo "$(PYTHON) has no venv; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

# wa alone, which is all that the demo needs
INSTALLED := $(VENV)/.installed
$(INSTALLED): pyproject.toml | $(PIP)
	@echo "installing wa and the packages it needs into $(VENV): once, up to a minute"
	@rm -f $@
	@{ $(INSTALL) --editable . && touch $@; } $(SHOW)
	@test -e $@ || { tail -n 20 $(LOG) >&2; exit 1; }

# and what works on it; what of it is not used need not be compiled
READY := $(VENV)/.ready
$(READY): pyproject.toml | $(PIP)
	@echo "installing wa and what tests and checks need into $(VENV): once, some minutes"
	@rm -f $@
	@{ $(INSTALL) --no-compile --editable '.[dev]' && touch $(INSTALLED) $@; } $(SHOW)
	@test -e $@ || { tail -n 20 $(LOG) >&2; exit 1; }

demo: $(INSTALLED)  ## the main job in ten seconds, on a stand-in for WhatsApp
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh docs/demo.sh

WEB := $(VENV)/.web
$(WEB): $(INSTALLED)
	@rm -f $@
	@{ $(INSTALL) --editable '.[web]' && touch $@; } $(SHOW)
	@test -e $@ || { tail -n 20 $(LOG) >&2; exit 1; }

demo-web: $(WEB)  ## the web page on the stand-in, with somebody who writes, until Ctrl-C
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh docs/demo_web.sh

# Many tests wait for half of their time: seven processes keep two cores busy.
test: $(READY)  ## all tests but the long ones
	@$(BIN)/python -m pytest -q -n 7

lint: $(READY)  ## ruff and codespell
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell wa tests docs README.md Makefile

types: $(READY)  ## mypy, strict; on the other core, the tests are compiled meanwhile
	@$(BIN)/python -m pytest -q --collect-only >$(VENV)/collected.log 2>&1 & \
	  echo "$(BIN)/mypy --strict wa tests/relay tests/support/relay_fixture.py"; \
	  $(BIN)/mypy --strict wa tests/relay tests/support/relay_fixture.py; found=$$?; wait; exit $$found

docs: $(READY)  ## write the help texts into docs/commands.md
	$(BIN)/cog -r docs/commands.md

docs-check: $(READY)  ## are the help texts in the docs those of the commands?
	$(BIN)/cog --check --diff docs/commands.md

check: lint types docs-check test  ## what CI runs

assets:  ## copy what the web page takes from npm, in the versions that docs/web_assets.py names
	@$(PYTHON) docs/web_assets.py

bench: $(READY)  ## speed and memory beside their floors: docs/speed.md
	@PYTHONPATH=tests:tests/support $(BIN)/python -m bench $(if $(ONLY),--only $(ONLY)) $(if $(JSON),--json) \
	  $(if $(BESIDE),--beside $(BESIDE)) $(if $(MESSAGES),--messages $(MESSAGES)) $(if $(QUICK),--quick)

soak: $(READY)  ## long runs, with more kills and examples than a commit needs
	@EXAMPLES=all $(BIN)/python -m pytest -q -m "soak or hypothesis" --timeout 3600

clean:  ## remove what make made
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
