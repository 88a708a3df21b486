# Everything a contributor runs. The first target that needs .venv makes it.
# Works with GNU make 3.81 and a POSIX sh; safe with -j.

.DEFAULT_GOAL := help
SHELL := /bin/sh
.DELETE_ON_ERROR:

VENV := .venv
VENV_PYTHON := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)/python
PYTHON ?= $(VENV_PYTHON)
RUN = "$(PYTHON)" -m
# shellcheck and zizmor are programs, not modules: they stand where that Python has its scripts.
BIN = $(shell "$(PYTHON)" -c 'import sysconfig; print(sysconfig.get_path("scripts"))')
READY := $(VENV)/.ready
# How many tests run at a time: JOBS, if it is given. Many wait, for ticks, leases and processes, so that two cores
# are enough for more: for most of them where all run, since the quick ones hardly wait.
JOBS ?=
TEST_JOBS = $(or $(JOBS),8)
QUICK_JOBS = $(or $(JOBS),6)
MINUTES ?= 1
SEEDS ?= 100
SEED ?=

# What the machine itself calls python3 comes first.
CANDIDATES := python3 python python3.15 python3.14 python3.13 python3.12 python3.11
SUITABLE := import sys, venv, ensurepip, sqlite3; sys.exit(sys.version_info < (3, 11))

.PHONY: help setup check lint types layers workflows docs package test test-quick torture simulate-faults coverage bench bench-quick bench-check bench-cluster bench-tabs demo picture screenshots audit release hooks clean

help:
	@echo 'make setup       make .venv with everything below (each target does it when needed)'
	@echo 'make check       lint, types, layers, workflows, documentation and the package; no tests'
	@echo 'make test        every test'
	@echo 'make test-quick  all but the slow ones, $(QUICK_JOBS) at a time: what to run after each edit'
	@echo 'make torture     $(MINUTES) minute(s) of kills, stops, locks and clock steps, then a check (MINUTES=, SEED=, POSTGRES=1, BOUNCER=1)'
	@echo 'make simulate-faults  kills, stops, locks and clock steps in simulated time, of many seeds (SEEDS=, SEED=, JOBS=, MUTANTS=1)'
	@echo 'make coverage    the quick tests with coverage by branch'
	@echo 'make bench-cluster  measure many processes on one database, beside others (QUICK=1: small, writes no page)'
	@echo 'make bench-tabs  measure how late a job is while 100 pages of the dashboard are open, and print it'
	@echo 'make bench       measure it beside its peers, into docs/performance.md (half an hour of a quiet machine)'
	@echo 'make bench-quick the smallest part of it, printed (two minutes)'
	@echo 'make bench-check count the instructions of a fixed amount of work beside what is kept (needs valgrind)'
	@echo 'make demo        render an application, install it, run three jobs for some seconds'
	@echo 'make picture     make the picture in the README from a real run'
	@echo 'make screenshots make the pictures of the dashboard, of an application that runs'
	@echo 'make docs        build the documentation into site/; a broken link fails'
	@echo 'make package     build the package into build/dist, and try it on the oldest and newest Python'
	@echo 'make audit       look for known vulnerabilities in what is installed'
	@echo 'make release     check, test, write the changelog, keep a copy and tag (VERSION=0.2.0)'
	@echo 'make hooks       install the git hooks'
	@echo 'make clean       remove what these targets made'

setup: $(READY)

ifeq ($(PYTHON),$(VENV_PYTHON))
$(READY): pyproject.toml
	@if ! "$(PYTHON)" -c '$(SUITABLE)' >/dev/null 2>&1; then \
		found=; \
		for candidate in $(CANDIDATES); do \
			if "$$candidate" -c '$(SUITABLE)' >/dev/null 2>&1; then found=$$candidate; break; fi; \
		done; \
		if [ -z "$$found" ]; then \
			echo 'No suitable Python found: 3.11 or newer is needed, with the venv and ensurepip' \
				'modules (on Debian and Ubuntu: apt install python3-venv).' >&2; \
			exit 1; \
		fi; \
		echo "Making $(VENV) with $$("$$found" --version)"; \
		rm -rf "$(VENV)" && "$$found" -m venv "$(VENV)" || exit 1; \
	fi
	@$(RUN) pip install --quiet --disable-pip-version-check --upgrade pip uv
	@# A new $(VENV) gets the newest releases; one that exists keeps those that fit (`make clean setup`). With --upgrade
	@# uv would fetch and unpack every package once more for each clone, which is 600 MB in its cache.
	@$(RUN) uv pip install --quiet --python "$(PYTHON)" --group dev --editable ".[alerts,dashboard,holidays,postgresql,tracing]" || { \
		echo 'uv could not install the tools; trying pip.' >&2; \
		$(RUN) pip install --quiet --upgrade --group dev --editable ".[alerts,dashboard,holidays,postgresql,tracing]"; \
	}
	@touch "$@"
else
# A Python of your own is taken as it is: it must have the dev group of pyproject.toml installed.
.PHONY: $(READY)
$(READY):
	@:
endif

check: lint types layers workflows docs package

lint: $(READY)
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	"$(BIN)/shellcheck" .ci/run

# Two runs, since test files of the template and of this repository may share a name.
types: $(READY)
	$(RUN) mypy --cache-dir .mypy_cache/template template/app template/tests template/.template/update.py
	$(RUN) mypy --cache-dir .mypy_cache/repository src tests scripts benchmarks

# Which room of the engine may import from which: the contracts stand in pyproject.toml.
layers: $(READY)
	"$(BIN)/lint-imports" --no-logo --cache-dir .mypy_cache/layers

# The workflows that users get are checked as they are rendered.
workflows: $(READY)
	@rm -rf build/ci
	"$(PYTHON)" scripts/render.py build/ci/github --data ci=github
	"$(PYTHON)" scripts/render.py build/ci/gitlab --data ci=gitlab
	$(RUN) check_jsonschema --builtin-schema vendor.github-workflows \
		.github/workflows/*.yml build/ci/github/.github/workflows/*.yml
	$(RUN) check_jsonschema --builtin-schema vendor.compose-spec build/ci/github/compose.yaml
	$(RUN) check_jsonschema --builtin-schema vendor.gitlab-ci --data-transform gitlab-ci \
		build/ci/gitlab/.gitlab-ci.yml
	"$(BIN)/zizmor" --offline --no-progress --config .github/zizmor.yml \
		.github/workflows/*.yml build/ci/github/.github/workflows/*.yml

docs: $(READY)
	@rm -rf site
	$(RUN) zensical build --strict --clean
	"$(PYTHON)" scripts/check_site.py site README.md CONTRIBUTING.md CHANGELOG.md SECURITY.md

# In environments of their own, whose packages come from an index or from uv's cache.
package: $(READY)
	PYTHONPATH=tests/support:tests/template:scripts "$(PYTHON)" scripts/package.py

# What is collected once is compiled: the workers, which begin together, would each do that.
test: $(READY)
	@"$(PYTHON)" -m pytest --collect-only --quiet >/dev/null 2>&1 & \
		"$(PYTHON)" scripts/browser.py && "$(PYTHON)" scripts/axe.py && "$(PYTHON)" scripts/database_server.py; \
		code=$$?; wait; exit $$code
	"$(PYTHON)" scripts/whole_suite.py -n $(TEST_JOBS) --dist worksteal --durations 30 --durations-min 5

test-quick: $(READY)
	$(RUN) pytest -m "not full" -n $(QUICK_JOBS)

# By PYTHONPATH and not by `cd tests`, where a relative PYTHON would not be found.
torture: $(READY)
	PYTHONPATH=tests/support:tests/system $(RUN) torture --minutes $(MINUTES)$(if $(SEED), --seed $(SEED))$(if $(POSTGRES), --postgres)$(if $(BOUNCER), --bouncer)

# Says which seeds these are; those of SEED=N begin with N.
simulate-faults: $(READY)
	PYTHONPATH=tests/support:tests/system $(RUN) simulation --seeds $(SEEDS)$(if $(SEED), --seed $(SEED))$(if $(JOBS), --jobs $(JOBS))$(if $(MUTANTS), --mutants)

coverage: $(READY)
	$(RUN) pytest -m "not full" -n $(QUICK_JOBS) --cov --cov-report term

# Some fifteen minutes on a machine that does nothing else; writes the tables of docs/explanation/a-thousand-machines.md.
bench-cluster: $(READY)
	@"$(PYTHON)" scripts/database_server.py
	PYTHONPATH=tests/support:tests/system:scripts:template:. $(RUN) benchmarks.cluster$(if $(QUICK), --quick)

# Two minutes; TABS='--path / --tabs 40' for other pages.
bench-tabs: $(READY)
	PYTHONPATH=tests/support:tests/system:. $(RUN) benchmarks.tabs $(TABS)

# Each peer is set up by it, in an environment of its own below build/benchmarks.
BENCHMARK = PYTHONPATH=tests/support:tests/template:scripts:template $(RUN) benchmarks

bench: $(READY)
	@"$(PYTHON)" scripts/database_server.py
	$(BENCHMARK)

bench-quick: $(READY)
	$(BENCHMARK) --quick

bench-check: $(READY)
	$(BENCHMARK) --check

demo: $(READY)
	@"$(PYTHON)" scripts/demo.py

picture: $(READY)
	"$(PYTHON)" scripts/picture.py docs/images/first-run.svg

screenshots: $(READY)
	@"$(PYTHON)" scripts/browser.py
	"$(PYTHON)" scripts/screenshots.py docs/images

audit: $(READY)
	@"$(PYTHON)" scripts/audit.py

# What is wrong with it is said before the tests, which take long.
release: $(READY)
	@"$(PYTHON)" scripts/release.py --check $(VERSION)
	WHOLE_MATRIX=1 $(MAKE) check test
	@"$(PYTHON)" scripts/release.py $(VERSION)

hooks: $(READY)
	$(RUN) pre_commit install --hook-type pre-commit --hook-type pre-push

clean:
	rm -rf "$(VENV)" build site .cache .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find scripts src template tests -type d -name __pycache__ -prune -exec rm -rf {} +
