# make demo: everything from nothing to two clusters. make test: everything that CI runs. make help: the rest.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
DEMO := examples/01-local

# Debian packages: local hosts (podman and what it runs on, mmdebstrap) and builds from source (gcc, libc6-dev).
PACKAGES := podman runc netavark iptables nftables iproute2 mmdebstrap openssh-server openssh-client \
	gcc libc6-dev libseccomp-dev pkg-config python3-venv ca-certificates make bzip2

.PHONY: help setup demo clean-demo test lint unit contract e2e long bench bundle conformance

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

setup: $(VENV)/.stamp ## Debian packages that are missing, and the Python environment
	@missing=$$(dpkg-query -W -f '$${Package} $${Status}\n' $(PACKAGES) 2>/dev/null | awk '/install ok installed/ {print $$1}' \
		| sort | comm -13 - <(tr ' ' '\n' <<<'$(PACKAGES)' | sort)); \
	if [ -n "$$missing" ]; then echo "installing" $$missing; apt-get update -qq; \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; fi

$(VENV)/.stamp: pyproject.toml
	python3 -m venv $(VENV)
	$(BIN)/python -m pip install -q 'pip>=25.1'
	$(BIN)/python -m pip install -q -e '.[controller,aws,azure,gcp,s3]' --group dev
	@touch $@

bundle: setup ## the demo's bundle, built or fetched once
	$(BIN)/moorage bundle build -f $(DEMO)

demo: setup ## three managers, two workers, two clusters on this machine
	$(BIN)/moorage bundle build -f $(DEMO)
	$(BIN)/moorage up -f $(DEMO) --yes
	@$(BIN)/moorage status -f $(DEMO)
	@for cluster in team-a team-b; do echo; $(BIN)/moorage cluster describe $$cluster -f $(DEMO); done
	@printf '\nTry next:\n  %s\n  %s\n  %s\n' \
		'$(BIN)/moorage cluster create team-c -f $(DEMO)' \
		'$(BIN)/moorage cluster kubeconfig team-a --merge -f $(DEMO)   # then: kubectl --context harbor-team-a get pods -A' \
		'$(BIN)/moorage preview -f $(DEMO)                             # after a change of its platform.yaml'

clean-demo: setup ## takes the demo down and leaves the machine as it was
	$(BIN)/moorage destroy -f $(DEMO) --yes
	@rm -rf $(DEMO)/.moorage

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: setup
	$(BIN)/pytest -q -n 2 tests/unit tests/stacks

contract: setup
	$(BIN)/pytest -q tests/contract -m 'not e2e'

# Upgrades begin at the release before.
e2e: setup bundle
	$(BIN)/moorage bundle build 2026.10 -f $(DEMO)
	$(BIN)/pytest -q --durations=12 tests/e2e tests/contract -m 'e2e and not long'

long: setup bundle ## more journeys on real hosts: the other clouds, regions that are cut off
	$(BIN)/pytest -q --durations=12 tests/e2e -m long

test: lint unit contract e2e ## the whole suite, end to end on real hosts included

bench: setup bundle ## figures beside peers, printed, never asserted
	$(BIN)/python -m tests.bench

conformance: setup bundle ## half an hour of Kubernetes' own conformance suite on a hosted cluster; SELECTION=full: all of it
	$(BIN)/python -m tests.conformance $(or $(SELECTION),half-hour)
