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
# The lab made or fetched the cluster's own kubectl for its mirror; the machine uses the same file.
LINK_KUBECTL = install -m 0755 "$$($(BIN)/python -m tests.kubectl)" $(BIN)/kubectl
# Arguments for `lab up` of `make lab`, for instance UP="--hosts five.yml".
UP ?=

export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export LC_ALL := C.UTF-8
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help
help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: venv
venv: $(VENV)/.complete ## Make .venv with everything that the collection, the lab and the tests need

# Made again when pyproject.toml changes. The marker is written last, so an interrupted installation is taken up again.
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
lab: venv ## Boot three bare-metal hosts on this machine and make a cluster of them
	@lab up $(UP)
	ansible-playbook -i "$(INVENTORY)" baremetal.kubernetes.site
	$(LINK_KUBECTL)
	kubectl --kubeconfig "$(KUBECONFIG_FILE)" get nodes -o wide
	echo
	echo "To log in:"
	echo "  . $(BIN)/activate"
	echo "  export KUBECONFIG=$$(realpath $(KUBECONFIG_FILE))"
	echo "  kubectl get pods -A"
	echo "A shell on a host: lab ssh cp1. Everything away again: make down."

.PHONY: nodes
nodes: venv ## Show the nodes of the lab's cluster
	@$(LINK_KUBECTL)
	kubectl --kubeconfig "$(KUBECONFIG_FILE)" get nodes -o wide

.PHONY: down
down: venv ## Take the lab away; its cache of artifacts stays
	lab down

.PHONY: test
test: venv ## Everything: gates, unit tests, the matrix, the lab's own test, molecule's default scenario
	$(BIN)/python -m tests.run

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
molecule: venv ## The scenario `default` on fresh hosts of the lab
	$(BIN)/python -m tests.run molecule

# Arguments for the benchmark, for instance BENCH="--rounds 3".
BENCH ?=

.PHONY: bench
bench: venv ## Measure the site playbook against a shell script that does the bare minimum
	@$(BIN)/python -m tests.bench $(BENCH)

# Arguments for it, for instance BENCH="--hosts 1000".
.PHONY: bench-cis
bench-cis: venv ## Measure a report on the audits of 500 hosts
	@$(BIN)/python -m tests.bench.cis $(BENCH)

.PHONY: build
build: venv ## Build the collection, install it into a temporary folder and check what it holds
	ansible-galaxy collection build --force --output-path build
	$(BIN)/python -m pytest -q tests/gates/test_collection.py

.PHONY: docs
docs: venv ## Build the guides and the reference as HTML, in build/docs
	@$(BIN)/python -m tests.docs

.PHONY: format
format: venv ## Let ruff put the Python files in order
	ruff check --fix .
	ruff format .

.PHONY: clean
clean: down ## Take the lab and everything that make made in the checkout away
	rm -rf $(VENV) .ansible build tests/output .mypy_cache .pytest_cache .ruff_cache *.egg-info
