# Every target installs what it needs. STACK chooses Pulumi.<stack>.yaml, CONTEXT a cluster of yours,
# YES=1 agrees beforehand to what Pulumi would ask there.
STACK ?= dev
CONTEXT ?=
YES ?=
MODEL ?=
REVISION ?=
GPU ?=
ARGS ?=
MEASURED ?= -
BASE_URL ?=
FILE ?=
KEY_FILE ?=
export STACK CONTEXT YES MODEL REVISION GPU MEASURED BASE_URL FILE KEY_FILE
PYTHON := .venv/bin/python
STACKS := $(PYTHON) -m tools.stacks

.PHONY: help install up preview down status kubeconfig propose-length schema test test-unit test-engine \
        test-cluster test-serving lint format plan bench bench-planner bench-gateway lock lock-images lock-flags tools \
        smoke conformance gateway-diff
.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: ## Python dependencies into .venv, from uv.lock
	@python3 tools/bootstrap.py

up: install ## deploy STACK under the policy pack; without CONTEXT on an embedded control plane
	@$(STACKS) up --stack "$$STACK" --context "$$CONTEXT" --yes="$$YES"

preview: install ## what `make up` would change, judged by the policy pack
	@$(STACKS) preview --stack "$$STACK" --context "$$CONTEXT"

down: install ## remove every embedded control plane; with CONTEXT, the stack from your cluster
	@$(STACKS) down --stack "$(if $(filter file,$(origin STACK)),,$$STACK)" --context "$$CONTEXT" --yes="$$YES"

status: install ## what runs of STACK's embedded control plane
	@$(PYTHON) -m tools.control_plane status --home ".run/$$STACK/control-plane"

kubeconfig: install ## how kubectl sees STACK's embedded control plane
	@$(PYTHON) -m tools.control_plane kubeconfig --home ".run/$$STACK/control-plane"

plan: install ## will it start, for how many, at what cost; MODEL=org/name [GPU=...] asks the catalogue
	@$(PYTHON) -m tools.planner $(if $(MODEL),--model "$$MODEL" $(if $(GPU),--gpu "$$GPU"),--stack "$$STACK" --gpu "$$GPU") $(ARGS)

propose-length: install ## which max_model_len traffic needs; MEASURED=<file or -> [STACK=... MODEL=<alias>]
	@$(PYTHON) -m tools.planner.propose_length "$$MEASURED" $(if $(filter file,$(origin STACK)),,--stack "$$STACK") $(if $(MODEL),--model "$$MODEL") $(ARGS)

smoke: install ## one request of each kind to a deployment; BASE_URL=http://host:4000/v1 [MODEL=<alias>]
	@$(PYTHON) -m tools.smoke "$$BASE_URL" $(if $(MODEL),--model "$$MODEL") $(ARGS)

conformance: install ## does it keep the contract? BASE_URL=... [FILE=Pulumi.<stack>.yaml] [MODEL=<alias>]
	@$(PYTHON) -m tools.conformance "$$BASE_URL" $(if $(MODEL),--model "$$MODEL") $(if $(FILE),--file "$$FILE") $(ARGS)

gateway-diff: install ## what STACK would change in the gateway's teams and keys; LITELLM_MASTER_KEY, ARGS="--base-url ..."
	@$(PYTHON) -m tools.gateway_state --stack "$$STACK" $(ARGS)

schema: install ## JSON Schema of the stack document, for editors
	@$(PYTHON) -m tools.schema

test: test-unit test-engine test-cluster ## unit, engine and cluster tests

test-unit: install ## pure code and rendered objects
	@$(PYTHON) -m pytest tests/unit

test-engine: tools ## previews through the real Pulumi CLI, provider and policy process
	@$(PYTHON) -m pytest tests/engine

test-cluster: tools ## both stacks on the embedded control plane
	@$(PYTHON) -m pytest tests/cluster

test-serving: install ## rendered pods on real vLLM (CPU), LiteLLM and Ollama; several GB
	@$(PYTHON) -m tools.install serving || echo "without Ollama its tests say that they are skipped, and why"
	@$(PYTHON) -m tests.serving.environments && $(PYTHON) -m tests.serving.stores
	@$(PYTHON) -m pytest tests/serving

lint: install ## ruff and pyright
	@$(PYTHON) -m ruff format --check . && $(PYTHON) -m ruff check . && $(PYTHON) -m pyright

format: install ## let ruff format
	@$(PYTHON) -m ruff format . && $(PYTHON) -m ruff check --fix .

bench: tools bench-gateway ## the numbers that README quotes, as ratios of one run
	@$(PYTHON) -m tools.bench

bench-gateway: install ## what the gateway adds to an engine's answers, and settings of it, tried
	@$(PYTHON) -m tests.serving.environments && $(PYTHON) -m tests.serving.stores
	@$(PYTHON) -m tests.serving.bench_gateway

lock: install ## what a model holds, into models/; MODEL=org/name REVISION=<branch, tag or commit>
	@$(PYTHON) -m tools.model_lock "$$MODEL" --revision "$$REVISION"

bench-planner: install ## the plan beside published start-up logs
	@$(PYTHON) -m tools.planner.bench

lock-images: install ## resolve image tags to digests; NAMES="vllm=v0.32.0 ..." to move one
	@$(PYTHON) -m tools.lock_images $(NAMES)

lock-flags: install ## vLLM's flags, read from the pinned and the tested engine's own parsers
	@$(PYTHON) -m tests.serving.parsers

tools: install ## build every tool that tests need, where it is missing
	@$(PYTHON) -m tools.install --all
