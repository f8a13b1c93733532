# What people do here. Every target makes .venv as needed; nothing has to be installed or activated first.

ASYNCFLOW := .venv/bin/asyncflow
PY := .venv/bin/python
EXAMPLES := hello digits_sweep wine_statistics train_until_good
KILLS ?= 1000
SEEDS ?= 10000
# Tests wait more than they work.
WORKERS ?= $(shell echo $$(( $$(getconf _NPROCESSORS_ONLN) * 2 )))

.DEFAULT_GOAL := help
.PHONY: help setup demo test proofs test-slurm services services-stop check format lint types imports chaos chaos-short simulate bench dashboard-kills gc-kills remote-kills kube-kills screenshots constraints clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

setup: ## Make .venv with everything a developer needs
	@scripts/setup dev

demo: ## Run the examples on real data and show what they found
	@scripts/setup examples
	@for name in $(EXAMPLES); do \
	    printf '\n=== asyncflow run examples/%s.py\n' $$name; \
	    $(ASYNCFLOW) run examples/$$name.py || exit 1; \
	done
	@printf '\n=== asyncflow runs\n'
	@$(ASYNCFLOW) runs

test: ## Run the test suite, WORKERS tests at a time (two a core)
	@scripts/setup dev
	@$(PY) -m pytest -n $(WORKERS) --dist loadfile

proofs: ## Run the tests that are left out there: a thousand pods or jobs, whole examples in containers, the contract of docs/backends.md
	@scripts/setup dev
	@$(PY) -m pytest -m wide

test-slurm: ## Run the tests of examples/backend-slurm on a Slurm cluster of two nodes (as root)
	@scripts/setup dev
	@$(PY) -m pip install -q --no-deps --upgrade --target build/backend-slurm ./examples/backend-slurm
	@PYTHONPATH=$(CURDIR)/build/backend-slurm $(PY) -m pytest examples/backend-slurm/tests

services: ## Start the real servers that tests speak with: Docker, S3, Slurm (as root; installs what is missing)
	@scripts/services start

services-stop: ## End them
	@scripts/services stop

check: format lint types imports test ## What CI runs: format, lint, types, imports, tests

format: ## Is the code formatted? (fix: .venv/bin/ruff format)
	@scripts/setup dev
	@.venv/bin/ruff format --check .

lint: ## Does ruff find fault?
	@scripts/setup dev
	@.venv/bin/ruff check .

types: ## Does pyright find fault?
	@scripts/setup dev
	@.venv/bin/pyright --pythonpath $(PY)
	@scripts/setup examples
	@.venv/bin/pyright --pythonpath $(PY) examples

imports: ## Do imports between rooms point downwards only?
	@scripts/setup dev
	@.venv/bin/lint-imports --no-cache

chaos: ## Kill schedulers, zygotes and tasks KILLS times (1000) and resume every run
	@scripts/setup dev
	@$(PY) -m tests.chaos --kills $(KILLS)

chaos-short: ## The same with 50 kills, as CI runs it
	@$(MAKE) --no-print-directory chaos KILLS=50

simulate: ## Simulate SEEDS random flows (10000) in every weather and check the machine's laws after every turn
	@scripts/setup dev
	@$(PY) -m tests.property --seeds $(SEEDS)

bench: ## Run the benchmarks (METAFLOW_PYTHON=/path/to/venv/bin/python compares with Metaflow)
	@scripts/setup dev
	@$(PY) -m benchmarks $(if $(METAFLOW_PYTHON),--metaflow-python $(METAFLOW_PYTHON)) $(BENCH_ARGS)

dashboard-kills: ## Kill the dashboards of 200 runs and see that no run notices
	@scripts/setup dev
	@$(PY) -m tests.integration.tui.kills --kills 200

gc-kills: ## Kill `asyncflow gc` 200 times beside running runs and see that nothing is lost
	@scripts/setup dev
	@$(PY) -m tests.cli.gc.kills --kills 200

kube-kills: ## Kill a scheduler with 200 pods in flight, resume here and on a clean machine; a thousand pods, with figures
	@scripts/setup dev
	@ASYNCFLOW_KILL_PODS=200 $(PY) -m pytest -s -m wide tests/elsewhere/test_pods_kills.py tests/elsewhere/test_pods_wide.py

remote-kills: ## Kill schedulers KILLS times with 200 jobs in flight, resume here or on a clean machine, count the jobs
	@scripts/setup dev
	@$(PY) -m tests.integration.remote.kills --kills $(if $(filter command line,$(origin KILLS)),$(KILLS),4)

screenshots: ## Take pictures of the dashboard's screens for docs/, from runs of the examples
	@scripts/setup examples
	@$(PY) scripts/screenshots.py docs/screenshots

constraints: ## Renew constraints.txt with the newest versions that work together
	@scripts/renew-constraints

clean: ## Remove .venv and caches; the store .asyncflow stays
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist
	find asyncflow tests benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} +
