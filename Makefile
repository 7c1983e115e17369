# Kargah. `make help` lists what there is to make.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= $(or $(shell command -v python3.11),python3)
CORES ?= 2
PIP := .venv/bin/python -m pip install --quiet --disable-pip-version-check --use-pep517
SNAKEMAKE := PATH="$(CURDIR)/.venv/bin:$$PATH" .venv/bin/snakemake --cores $(CORES)
QUIET := --quiet host reason --show-failed-logs

.PHONY: help demo smoke test test-system soak bench bench-scale lock check reruns clean-models clean-downloads

help: ## list the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

.venv/.installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and f"error: {sys.executable} is Python {sys.version.split()[0]}; expected 3.11; install it, or name one: make PYTHON=/path/to/python3.11")'
	@echo "Installing the pinned packages into .venv (once; some minutes, and several GB where the index's torch brings CUDA: see README)"
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv
	@$(PIP) -r requirements.txt
	@touch $@

.venv/.tested: .venv/.installed requirements-test.txt
	@$(PIP) -r requirements-test.txt
	@touch $@

demo: .venv/.installed ## run the demo end to end and say where its report is
	@$(SNAKEMAKE) --configfile presets/demo.yaml $(QUIET)
	@printf '\nThe report:\n  %s\n  %s\n' results/demo/report/report.en.html results/demo/report/report.fa.html

smoke: .venv/.installed ## run every step on a handful of rows with random models
	@$(SNAKEMAKE) --configfile presets/smoke.yaml $(QUIET)

ONE_CORE := OMP_NUM_THREADS=1 .venv/bin/python -m pytest -n $(CORES) --dist loadfile # tests that use one core, as many at once as there are
WHOLE_RUNS := $(addprefix tests/workflow/test_,smoke.py third_language.py)
test: .venv/.tested ## the unit tests, and the smoke preset as a whole workflow
	@PATH="$(CURDIR)/.venv/bin:$$PATH" $(ONE_CORE) tests/unit
	@PATH="$(CURDIR)/.venv/bin:$$PATH" $(ONE_CORE) $(filter-out $(WHOLE_RUNS),$(wildcard tests/workflow/test_*.py))
	@PATH="$(CURDIR)/.venv/bin:$$PATH" .venv/bin/python -m pytest $(WHOLE_RUNS)

AXE := tests/system/node_modules/.package-lock.json
$(AXE): tests/system/package-lock.json
	@command -v npm >/dev/null || { echo "error: npm: no such command; test-system installs axe-core with it; install it (Debian: apt-get install npm)" >&2; exit 1; }
	@npm ci --prefix tests/system --silent --no-audit --no-fund
	@touch $@

# what shows most comes first; the report in a browser and the hub, each on one core, at the same time
SYSTEM := -m pytest -rs --no-fold-skipped
BESIDE := $(addprefix tests/system/test_,report_in_browser.py hub.py)
FIRST := $(addprefix tests/system/test_,conda.py determinism.py reads.py reruns.py slurm.py kills.py)
LATER := $(filter-out tests/system/test_demo.py $(BESIDE) $(FIRST),$(wildcard tests/system/test_*.py))
test-system: .venv/.tested $(AXE) ## what needs minutes: the demo from a clean clone and its report in a browser, real test data, a hub on loopback, 20 kills, reruns, two runs alike, a run under conda, Slurm (as root)
	@export PATH="$(CURDIR)/.venv/bin:$$PATH"; failed=; \
	python $(SYSTEM) tests/system/test_demo.py || failed=1; \
	python $(SYSTEM) -n $(CORES) --dist loadfile $(BESIDE) || failed=1; \
	python $(SYSTEM) $(FIRST) $(LATER) || failed=1; \
	test -z "$$failed"

SOAKED := smoke benchmarks demo_again demo_kills demo_conda
.PHONY: $(SOAKED:%=soak-%)
PROOFS_OF_SMOKE := $(FIRST) tests/system/test_hub.py tests/unit/test_bad_input.py
soak-smoke: PROOFS = $(PROOFS_OF_SMOKE)
soak-%: PROOFS = tests/soak/test_$*.py
soak: $(SOAKED:%=soak-%) ## the long proofs, hours: the smoke run's, and the demo twice, its trainings killed, under conda, with the study (docs/reliability.md)
$(SOAKED:%=soak-%): soak-%: .venv/.tested
	@PATH="$(CURDIR)/.venv/bin:$$PATH" .venv/bin/python -m pytest $(PROOFS) --junitxml results/soak/$*.xml
	@.venv/bin/python tools/reliability.py results/soak/$*.xml

.PHONY: soak-age
soak-age: .venv/.tested ## say how old the page of the long proofs is, and which of them it lacks
	@.venv/bin/python tools/reliability.py --age $(sort $(PROOFS_OF_SMOKE) $(wildcard tests/soak/test_*.py))

SIZE ?= quarter
bench: .venv/.installed ## measure Kargah against the notebook it replaces, stage by stage, and what the workflow itself costs; SIZE=demo for the demo's sizes (results/bench)
	@PATH="$(CURDIR)/.venv/bin:$$PATH" .venv/bin/python bench/overheads.py --size $(SIZE)
	@PATH="$(CURDIR)/.venv/bin:$$PATH" .venv/bin/python bench/against_notebook.py --size $(SIZE)

bench-scale: .venv/.installed ## measure how time and memory grow with the work, an hour and more (results/bench/scale.md)
	@PATH="$(CURDIR)/.venv/bin:$$PATH" .venv/bin/python bench/scale.py

reruns: .venv/.tested ## write docs/reruns.md again: what each edit runs again
	@PATH="$(CURDIR)/.venv/bin:$$PATH" .venv/bin/python tools/reruns.py

clean-models: ## delete the models of a finished run (RUN=demo); its report stays, and nothing runs again for that
	@test -d "results/$(RUN)/report" || { echo "error: RUN: found '$(RUN)'; expected a finished run in results/; name one: make clean-models RUN=demo" >&2; exit 1; }
	@find "results/$(RUN)/" -name model.json -execdir rm -rf model \; -o -name model.bitmask.safetensors -delete

clean-downloads: ## delete what fetches keep in case they are cut off; fetched assets stay
	@rm -rf assets/.cache

check: .venv/.tested ## formatting, imports, lint
	@.venv/bin/ruff check . && .venv/bin/ruff format --check .
	@PATH="$(CURDIR)/.venv/bin:$$PATH" snakefmt --check Snakefile rules
	@.venv/bin/snakemake --lint

lock: .venv/.installed ## resolve requirements*.in and envs/*.in again
	@.venv/bin/python tools/lock.py
