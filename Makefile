# badge-bridge: `make help` lists what there is.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet

# An environment whose Python is gone, or is not the one that PYTHON names, is made anew.
VERSION := -c 'import sys; print(sys.version_info[:2])' 2>/dev/null
ifneq ($(wildcard $(VENV)/.made),)
ifneq ($(shell $(BIN)/python $(VERSION)),$(shell $(PYTHON) $(VERSION)))
$(shell rm -f $(VENV)/.made)
endif
endif

CHECK_PYTHON = $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	{ echo "badge-bridge needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1). Try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }

.DEFAULT_GOAL := help
.PHONY: help install demo test lint types unit pythons infra bench costs fuzz chaos pictures format lock audit package clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

install: $(VENV)/.app ## make the environment with the command line, .venv/bin/badge-bridge

demo: $(VENV)/.app ## show the whole job on this machine; ONCE=1 ends by itself
	@$(BIN)/badge-bridge demo $(if $(ONCE),--once)

test: lint types unit pythons ## lint, types, all tests, and the fast tests on further Python versions

lint: $(VENV)/.dev ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev ## mypy --strict
	$(BIN)/mypy

# A file's tests stay in one process, with the servers that they share. Each process starts emulators of its own, which
# more than a few of them would not be worth.
SHARED_OUT := --numprocesses auto --maxprocesses 4 --dist loadfile

unit: $(VENV)/.dev ## all tests, on up to four cores at once
	$(BIN)/pytest $(SHARED_OUT)

pythons: $(VENV)/.dev ## the fast tests on Python 3.12 and 3.13, where present
	@$(BIN)/python tests/pythons.py 3.12 3.13 $(SHARED_OUT)

infra: $(VENV)/.dev .venv-checkov/.made ## the Terraform: format, its own tests, our policies, checkov
	$(BIN)/pytest tests/infra
	.venv-checkov/bin/checkov --directory infra --framework terraform --skip-download --compact --quiet

bench: $(VENV)/.dev ## how fast it is, beside what it is compared with; QUICK=1 in under two minutes
	@PYTHONPATH=$(CURDIR)/tests $(BIN)/python -m bench.speed $(if $(QUICK),--quick)

costs: $(VENV)/.dev ## print what single parts cost on this machine
	@for script in tests/bench/*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

fuzz: $(VENV)/.dev ## 200,000 requests over all sources, of which only the controls may be accepted
	$(BIN)/python tests/fuzz/deliveries.py $(REQUESTS)

chaos: $(VENV)/.dev ## a storm of deliveries, kills and faults, and an audit; ROUNDS=50 SEED=1, CLOUD=1, BROKEN=list
	@PYTHONPATH=tests $(BIN)/python -m chaos --seed $(or $(SEED),1) $(if $(ROUNDS),--rounds $(ROUNDS)) \
		$(if $(CLOUD),--cloud) $(if $(BROKEN),--broken "$(BROKEN)")

# Kept in the repository: made anew where the console looks different. REQUIRE_OPTIONAL, or old ones would be cut.
pictures: $(VENV)/.dev .venv-pictures/.made ## make the README's pictures of the console anew; needs chromium
	@REQUIRE_OPTIONAL=1 $(BIN)/pytest -q tests/acceptance/test_operator_story.py
	@.venv-pictures/bin/python tests/pictures.py

format: $(VENV)/.dev ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(VENV)/.lock ## compile the requirements files
	$(LOCK) pyproject.toml --output-file functions/requirements.txt
	$(LOCK) pyproject.toml --extra cli --group build --constraint functions/requirements.txt --output-file tests/requirements-cli.txt
	$(LOCK) pyproject.toml --extra cli --group dev --constraint tests/requirements-cli.txt --output-file tests/requirements.txt
	$(LOCK) tests/infra/requirements-checkov.in --output-file tests/infra/requirements-checkov.txt

# Strict: a package that could not be looked up is a failure, and not one without known vulnerabilities.
audit: .venv-audit/.made ## online: known vulnerabilities of the locked packages
	.venv-audit/bin/pip-audit --strict --disable-pip --require-hashes --requirement functions/requirements.txt
	.venv-audit/bin/pip-audit --strict --disable-pip --require-hashes --requirement tests/requirements.txt

LOCK = $(BIN)/uv --no-config pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-strip-extras --custom-compile-command "make lock"

# Needs Python and nothing else; to check a rules file takes the command line.
package: $(if $(RULES_FILE),$(VENV)/.app) ## make the zip that the functions are deployed from; RULES_FILE=rules.yaml puts yours in
	@$(CHECK_PYTHON)
	@$(if $(RULES_FILE),$(BIN)/badge-bridge check --no-secrets "$(RULES_FILE)")
	@$(PYTHON) infra/package.py $(if $(RULES_FILE),--rules "$(RULES_FILE)")

clean: ## remove environments and caches
	rm -rf .venv .venv-3.* .venv-functions .venv-checkov .venv-audit .venv-pictures .artifacts .hypothesis .mypy_cache .pytest_cache .ruff_cache

# Whole or not at all: the stamp is written last.
$(VENV)/.made:
	@$(CHECK_PYTHON)
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "Python's venv module is missing; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@touch $@

# The package is installed without its dependencies, which all come from a lock with hashes.
$(VENV)/.app: tests/requirements-cli.txt pyproject.toml $(VENV)/.made
	@echo "installing badge-bridge into $(VENV) ..."
	@$(PIP) --require-hashes --requirement tests/requirements-cli.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: tests/requirements.txt $(VENV)/.app
	@echo "installing what the tests need into $(VENV) ..."
	@$(PIP) --require-hashes --requirement tests/requirements.txt
	@touch $@

$(VENV)/.lock: $(VENV)/.made
	@$(PIP) uv
	@touch $@

# Apart, since checkov brings a reader of Terraform of its own under the name of the one that the tests use. By uv, which
# takes seconds for what takes pip minutes.
.venv-checkov/.made: tests/infra/requirements-checkov.txt $(VENV)/.lock
	@echo "installing checkov into .venv-checkov ..."
	@rm -rf .venv-checkov
	@$(BIN)/uv --no-config venv --quiet --python $(BIN)/python .venv-checkov
	@$(BIN)/uv --no-config pip sync --quiet --require-hashes --python .venv-checkov $<
	@touch $@

# The newest, since it is no part of what is built: an older one knows no more than what it asks does.
.venv-audit/.made:
	@$(CHECK_PYTHON)
	@echo "installing pip-audit into .venv-audit ..."
	@rm -rf .venv-audit
	@$(PYTHON) -m venv .venv-audit
	@.venv-audit/bin/python -m pip --disable-pip-version-check install --quiet pip-audit
	@touch $@

.venv-pictures/.made:
	@$(CHECK_PYTHON)
	@echo "installing pillow into .venv-pictures ..."
	@rm -rf .venv-pictures
	@$(PYTHON) -m venv .venv-pictures
	@.venv-pictures/bin/python -m pip --disable-pip-version-check install --quiet pillow
	@touch $@
