# `make lab` and `make test` do all set-up themselves; `make help` lists the rest.
SHELL := /bin/bash
.ONESHELL:
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
COLLECTION := $(VENV)/collections/ansible_collections/baremetal/kubernetes
INVENTORY = $${BMK_LAB_INVENTORY:-inventories/lab}
KUBECONFIG_FILE = $(INVENTORY)/.credentials/kubernetes.kubeconfig
# The lab's mirror has the kubectl of the cluster's version; the machine uses the same file.
LINK_KUBECTL = install -m 0755 "$$($(BIN)/python -m tests.kubectl)" $(BIN)/kubectl
# Arguments for `lab up` of `make lab`, for instance UP="--hosts five.yml".
UP ?=

export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export LC_ALL := C.UTF-8
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help
help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: venv
venv: $(VENV)/.complete ## Make .venv with everything that the collection, the lab and the tests need

# Installed again when pyproject.toml changes. The marker is written last, so an interrupted installation is repeated.
$(VENV)/.complete: pyproject.toml
	@python=$$(.ci/python)
	if [ -e $(VENV) ] && ! $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then rm -rf $(VENV); fi
	if [ ! -x $(BIN)/pip ]; then "$$python" -m venv $(VENV); fi
	echo "Installing Python packages into $(VENV) ..."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input -e '.[dev,docs]'
	mkdir -p $(dir $(COLLECTION))
	ln -sfn "$(CURDIR)" $(COLLECTION)
	touch $@

.PHONY: lab
lab: venv ## Boot three bare-metal-like hosts on this machine and create a cluster on them
	@lab up $(UP)
	ansible-playbook -i "$(INVENTORY)" baremetal.kubernetes.site
	$(LINK_KUBECTL)
	kubectl --kubeconfig "$(KUBECONFIG_FILE)" get nodes -o wide
	echo
	echo "To log in:"
	echo "  . $(BIN)/activate"
	echo "  export KUBECONFIG=$$(realpath $(KUBECONFIG_FILE))"
	echo "  kubectl get pods -A"
	echo "A shell on a host: lab ssh cp1. To remove everything: make down."

.PHONY: nodes
nodes: venv ## Show the nodes of the lab's cluster
	@$(LINK_KUBECTL)
	kubectl --kubeconfig "$(KUBECONFIG_FILE)" get nodes -o wide

.PHONY: down
down: venv ## Remove the lab; its cache of artifacts stays
	lab down

# Scenarios to run instead of what fits into the budget, for instance SCENARIO="reset repair".
SCENARIO ?=
# The budget counts from here, so that it includes the virtual environment.
TEST_STARTED := $(shell date +%s)

.PHONY: test
test: venv ## Tests that fit into TEST_MINUTES (60), or SCENARIO="NAME..."; docs/lab.md has the table
	@TEST_STARTED=$(TEST_STARTED) $(BIN)/python -m tests.run $(SCENARIO)

.PHONY: test-all
test-all: venv ## All tests, whatever they take
	@$(BIN)/python -m tests.run --all

.PHONY: gates
gates: venv ## Linters, types, specifications, the built collection
	$(BIN)/python -m tests.run gates

.PHONY: unit
unit: venv ## Unit tests and templates
	$(BIN)/python -m tests.run unit

.PHONY: reports
reports: venv ## Reports of the CIS audit by published schemas, and in a browser
	$(BIN)/python -m tests.run reports

.PHONY: matrix
matrix: venv ## Unit tests and ansible-test sanity on the oldest and the newest ansible-core
	$(BIN)/python -m tests.run matrix

.PHONY: molecule
molecule: venv ## The scenario `default`: a cluster on fresh hosts of the lab
	$(BIN)/python -m tests.run default

# Arguments for the benchmark, for instance BENCH="--rounds 3".
BENCH ?=

.PHONY: bench
bench: venv ## Measure the site playbook against a shell script that does the bare minimum
	@$(BIN)/python -m tests.bench $(BENCH)

# Arguments for it, for instance BENCH="--sizes 3,1000".
.PHONY: bench-nodes
bench-nodes: venv ## Measure add_node and remove_node in clusters of 3, 200 and 1,000 nodes
	@$(BIN)/python -m tests.bench.nodes $(BENCH)

# Arguments for it, for instance BENCH="--hosts 1000".
.PHONY: bench-cis
bench-cis: venv ## Measure a report on the audits of 500 hosts
	@$(BIN)/python -m tests.bench.cis $(BENCH)

# Arguments for it, for instance BENCH="--nodes 1000".
.PHONY: bench-metrics
bench-metrics: venv ## Measure how metrics of 500 nodes are planned, written and verified
	@$(BIN)/python -m tests.bench.metrics $(BENCH)

# Arguments for it, for instance CONFORMANCE="--cluster site --focus DNS".
CONFORMANCE ?=

.PHONY: conformance
conformance: venv ## Run Kubernetes' conformance specs on a cluster by site and after its upgrade
	@$(BIN)/python -m tests.conformance $(CONFORMANCE)

.PHONY: build
build: venv ## Build the collection, install it into a temporary directory and check its content
	ansible-galaxy collection build --force --output-path build
	$(BIN)/python -m pytest -q tests/gates/test_collection.py

.PHONY: docs
docs: venv ## Build the guides and the reference as HTML, in build/docs
	@$(BIN)/python -m tests.docs

.PHONY: format
format: venv ## Format the Python files with ruff
	ruff check --fix .
	ruff format .

.PHONY: clean
clean: down ## Remove the lab and everything that make created in the checkout
	rm -rf $(VENV) .ansible build tests/output .mypy_cache .pytest_cache .ruff_cache *.egg-info
