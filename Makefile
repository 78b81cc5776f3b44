# The menu of verbs, the same for people and for CI. `make help` lists them.
MODEL ?= models/demo
REVISION ?=
NAME ?= bert_mlm
VERSION ?= 1
# make run: a classifier to serve beside it, trained on models/NAME/train.tsv, such as genre
CLASSIFIER ?=
# make run: onnx runs the light engine in the gateway's process, without a server
ENGINE ?=
PRECISION ?= fp32
GRPC_PORT ?= 8500
REST_PORT ?= 8501
GATEWAY_PORT ?= 8000
PYTHON ?= python3

# make load: address, number of users, duration; RATE is requests a second over all users, 0 is without pause
HOST ?= 127.0.0.1
USERS ?= 16
RUN_TIME ?= 30s
RATE ?= 0
P95_MS ?= 1000
PROCESSES ?= 1

# make up: LOGS=1 adds Filebeat, Elasticsearch and Kibana; make verify-logs: about how many lines
PROFILES = $(if $(LOGS),--profile logs)
LINES ?= 100000
# make dashboards: the compiler needs Python 3.12 or newer
KIBANA_PYTHON ?= python3.12
KB_DASHBOARD := 0.4.1

# make torch: more pip arguments for PyTorch itself, such as --index-url with the CPU index of pytorch.org
TORCH_PIP_ARGS ?=
# make test: two more processes than cores, since tests wait for servers and pages a third of their time
TEST_PROCESSES ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 2)

# make lock: names of packages to upgrade
UPGRADE ?=
GROUPS = $(shell $(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"])')

UV_VERSION := 0.13.9
UV := build/uv-$(UV_VERSION)/bin/uv
BIN := .venv/bin
TORCH_BIN := .venv-torch/bin
# Progress bars only on a terminal. No compilation at install, because only a third of the modules is ever imported.
PIP_INSTALL := -m pip install $(shell test -t 2 || echo --quiet) --no-compile --disable-pip-version-check --constraint constraints.txt
PIP := $(BIN)/python $(PIP_INSTALL)
TORCH_PIP := $(TORCH_BIN)/python $(PIP_INSTALL)
COMPOSE ?= docker compose
CHECKPOINT = --model "$(MODEL)" $(if $(REVISION),--revision "$(REVISION)")

# If it were set, Python would compile TensorFlow at every start.
export PYTHONDONTWRITEBYTECODE :=
# Labels of the images.
export BERT_MLM_VERSION ?= $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' client/bert_mlm_client/__init__.py)
export BERT_MLM_REVISION ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)

.DEFAULT_GOAL := help
.PHONY: help run test lint format export verify torch ray up down passwords log-tools verify-logs verify-kubernetes dashboards load bench clean lock protos

help: ## list the verbs
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: .venv/.run $(if $(CLASSIFIER),.venv-torch/.torch) ## export a checkpoint, serve it on 8500 and 8501, its workbench on 8000, fill a few sentences (MODEL=… REVISION=… CLASSIFIER=genre ENGINE=onnx GRPC_PORT=… REST_PORT=… GATEWAY_PORT=…)
	@exec $(BIN)/python -m deploy.local $(CHECKPOINT) --name "$(NAME)" $(if $(CLASSIFIER),--classifier "$(CLASSIFIER)") $(if $(ENGINE),--engine "$(ENGINE)") \
		--grpc-port "$(GRPC_PORT)" --rest-port "$(REST_PORT)" --gateway-port "$(GATEWAY_PORT)"

test: .venv/.test ## run the tests in parallel (TESTS=… for some of them, TEST_PROCESSES=0 for one process)
	@$(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --maxprocesses 8 --dist loadfile $(TESTS)

lint: .venv/.test ## check style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy .

format: .venv/.test ## fix and format the code
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

export: .venv/.run ## export a checkpoint as models/NAME/VERSION (MODEL=… REVISION=… PRECISION=fp32|bf16|fp16)
	@$(BIN)/python -m export $(CHECKPOINT) --name "$(NAME)" --version "$(VERSION)" --precision "$(PRECISION)"

verify: .venv/.run .venv-torch/.torch ## compare models/NAME/VERSION with Hugging Face's own model (exports it first if missing)
	@test -d "models/$(NAME)/$(VERSION)" || $(MAKE) --no-print-directory export
	@$(BIN)/python -m export.verify "models/$(NAME)/$(VERSION)"

torch: .venv-torch/.torch ## install PyTorch and transformers in .venv-torch, for verify, bench and models/demo (TORCH_PIP_ARGS=… for another build)

ray: .venv/.batch ## install Ray in .venv, for python -m deploy.batch and its tests

up: $(if $(LOGS),passwords) ## start the containers and wait until they are healthy (COMPOSE_FILE chooses the variant, LOGS=1 adds Filebeat, Elasticsearch and Kibana)
	$(COMPOSE) $(PROFILES) up --detach --wait

down: ## stop and remove the containers; the data stay
	$(COMPOSE) --profile logs down

passwords: ## make the missing passwords of Elasticsearch and Kibana in .env
	@$(PYTHON) -m deploy.elasticsearch.passwords

log-tools: .venv/.test ## fetch Elasticsearch and Filebeat for the tests of the logs into build/ (needs Maven and a JDK 17 or newer)
	@$(BIN)/python -m loadtest.log_pipeline.tools

verify-logs: .venv/.test ## check the way from the gateway's log to Elasticsearch (LINES=… ELASTICSEARCH_URL=… ELASTIC_PASSWORD=… FILEBEAT=…)
	@test -d "models/$(NAME)/$(VERSION)" || $(MAKE) --no-print-directory export
	@$(BIN)/python -m loadtest.log_pipeline --lines "$(LINES)" --servable "models/$(NAME)"

verify-kubernetes: .venv/.test ## apply deploy/kubernetes to a cluster for tests, roll out and back, drain a node, scale (KUBECONFIG=… PROBES=1)
	@$(BIN)/python -m loadtest.kubernetes --kubeconfig "$(KUBECONFIG)" $(if $(PROBES),--probes)

dashboards: .venv-kibana/.$(KB_DASHBOARD) ## compile Kibana's dashboards (KIBANA_PYTHON=… is a Python 3.12)
	@.venv-kibana/bin/kb-dashboard compile --input-dir deploy/kibana/dashboards --output-dir build/dashboards
	@cp build/dashboards/compiled_dashboards.ndjson deploy/kibana/dashboards.ndjson

load: .venv/.load ## load a running server and gateway with Locust (HOST=… GATEWAY_PORT=… USERS=… RUN_TIME=… RATE=… P95_MS=… PROCESSES=…), report in build/load.html
	@mkdir -p build
	@$(BIN)/python -m locust -f loadtest/locustfile.py --headless --only-summary --reset-stats --html build/load.html --model "$(NAME)" \
		--host "http://$(HOST):$(REST_PORT)" --grpc "grpc://$(HOST):$(GRPC_PORT)" \
		$(if $(GATEWAY_PORT),--gateway "http://$(HOST):$(GATEWAY_PORT)") --users $(USERS) --spawn-rate $(USERS) \
		--run-time $(RUN_TIME) --rate $(RATE) --p95-ms $(P95_MS) $(if $(filter-out 1,$(PROCESSES)),--processes $(PROCESSES) --master-bind-host 127.0.0.1) $(LOAD)

bench: .venv/.bench .venv-torch/.torch ## compare with the usual designs, side by side (QUICK=1 for a short run on models/demo, BENCH=… for more options)
	@$(BIN)/python -m loadtest.bench $(if $(QUICK),--quick --output build/bench/quick,--report loadtest) $(BENCH)

clean: ## remove the virtual environments, caches and exported versions
	rm -rf .venv .venv-kibana .venv-torch build .mypy_cache .pytest_cache .ruff_cache .hypothesis models/*/[0-9]* models/*/.tmp-*
	find . -name __pycache__ -prune -exec rm -rf {} +

# Without hashes: with them, pip rejects the local client, which has no single file to hash.
lock: $(UV) ## pin the dependencies of all groups in constraints.txt, keeping its versions (UPGRADE="name …" for the newest of some)
	@$(UV) pip compile --quiet --universal --python-version 3.11 --no-annotate --custom-compile-command "make lock" \
		$(GROUPS:%=--group %) --extra onnx client/pyproject.toml $(UPGRADE:%=--upgrade-package %) --output-file constraints.txt

$(UV):
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --target build/uv-$(UV_VERSION) uv==$(UV_VERSION)

protos: .venv/.test ## generate the protobuf messages from their .proto files
	@$(BIN)/python -m pip install --quiet --target build/protoc grpcio-tools==1.75.1
	@PYTHONPATH=build/protoc $(PYTHON) -m grpc_tools.protoc -Iclient --python_out=client --pyi_out=client client/bert_mlm_client/wire/serving.proto
	@PYTHONPATH=build/protoc $(PYTHON) -m grpc_tools.protoc -Iclient -I. --python_out=. --pyi_out=. deploy/embedded/proto/*.proto

# Each group is installed when its source files change; a stamp file in the environment records the last time.
CHECK_PYTHON := $(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11) and "Python 3.11 or newer is needed; this is " + sys.version.split()[0])'

# Earlier versions installed PyTorch in .venv, where it and TensorFlow crash.
.venv/.pip: constraints.txt
	@$(CHECK_PYTHON)
	@$(if $(wildcard .venv/lib/python*/site-packages/torch),echo "Removing .venv because it contains PyTorch; that is installed in .venv-torch now." && rm -rf .venv)
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(PIP) pip
	@touch $@

.venv/.run: .venv/.pip pyproject.toml client/pyproject.toml
	@echo "Installing TensorFlow and the other dependencies of export, server and gateway in $(CURDIR)/.venv (once)."
	@echo "It downloads 0.4 GB, which pip also keeps in its cache, and takes 1.4 GB of disk there."
	@$(PIP) --group export --group serve --group gateway --editable client
	@rm -rf .venv/lib/python*/site-packages/tensorflow/include .venv/lib/python*/site-packages/clang # only needed to compile extensions
	@touch $@

.venv/.test: .venv/.run
	@echo "Installing the tests' dependencies (once)."
	@$(PIP) --group test
	@$(PIP) --no-deps tensorflow-serving-api # the official stubs, without their own TensorFlow dependency
	@touch $@

.venv-kibana/.$(KB_DASHBOARD):
	@$(KIBANA_PYTHON) -m venv .venv-kibana
	@.venv-kibana/bin/python -m pip install --quiet --disable-pip-version-check kb-dashboard-cli==$(KB_DASHBOARD)
	@touch $@

.venv/.load: .venv/.run
	@echo "Installing Locust (once)."
	@$(PIP) --group load
	@touch $@

.venv/.bench: .venv/.run
	@echo "Installing the plotting library (once)."
	@$(PIP) --group bench
	@touch $@

# Not in .venv/.test: it would add a third to the disk space of an installation. Compiled, because Ray starts ten processes
# at once, which would all compile the same modules.
.venv/.batch: .venv/.run
	@echo "Installing Ray, PyArrow and pandas (once). They take 0.5 GB of disk."
	@$(subst --no-compile ,,$(PIP)) --group batch
	@touch $@

# PyTorch has its own environment, because its default build and TensorFlow crash in one process.
# pip keeps an installed torch of the pinned version, of any build.
define TORCH_SIZE
echo "On Linux with the default build of PyTorch it takes 5 GB, 4 of them for CUDA. For the CPU build, interrupt this and run"; \
echo '    make torch TORCH_PIP_ARGS="--index-url URL"    # the URL that pytorch.org/get-started/locally shows for Pip and CPU'
endef

.venv-torch/.torch: constraints.txt pyproject.toml
	@$(CHECK_PYTHON)
	@echo "Installing PyTorch, transformers and the rivals of the benchmark in .venv-torch, apart from the servers (once)."
	@$(if $(TORCH_PIP_ARGS)$(wildcard .venv-torch/lib/python*/site-packages/torch),,$(TORCH_SIZE))
	@test -x $(TORCH_BIN)/python || $(PYTHON) -m venv .venv-torch
	@$(TORCH_PIP) pip
	@$(if $(TORCH_PIP_ARGS),$(TORCH_PIP) --no-deps $(TORCH_PIP_ARGS) torch)
	@$(TORCH_PIP) --group torch
	@touch $@
