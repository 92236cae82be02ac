# Installs the clients of other languages below the cargo target folder, from the lock files here; the next clone finds them there.

CLIENTS_ALL := python javascript go java browser
# Those that `make test` runs: `make test CLIENTS="python go"` leaves the others out.
CLIENTS ?= $(CLIENTS_ALL)

clients_from := pipeline/tests/clients
clients_to := $(CARGO_TARGET_DIR)/clients

.PHONY: clients kcl
clients: $(CLIENTS:%=$(clients_to)/%/installed)

# The Kinesis Producer and Client Libraries alone: two minutes, most of which the latter waits.
kcl: $(clients_to)/java/installed
	cargo test -p pipeline --test it -- libraries:: --nocapture

# $(call needs,command,package): says what is missing, before anything is built.
needs = @command -v $(1) >/dev/null || { echo "$(1) is missing, and with it a client that must be tested:" \
	'apt-get install $(2), or leave it out: make test CLIENTS="$(filter-out $(notdir $(@D)),$(CLIENTS))"' >&2; exit 1; }

$(clients_to)/python/installed: $(clients_from)/python/requirements.txt
	$(call needs,python3,python3-venv)
	python3 -m venv --clear $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check --no-deps --requirement $<
	@touch $@

$(clients_to)/javascript/installed: $(wildcard $(clients_from)/javascript/*)
	$(call needs,node,nodejs)
	$(call needs,npm,npm)
	@mkdir -p $(@D)
	cp $^ $(@D)
	cd $(@D) && npm ci --silent --cache $(clients_to)/npm
	@touch $@

# Libraries of the dashboard are kept as files: they must be what their packages make.
$(clients_to)/browser/installed: $(wildcard $(clients_from)/browser/*) dashboard/web/vendor/LOCK $(wildcard dashboard/vendor/*)
	$(call needs,node,nodejs)
	$(call needs,npm,npm)
	$(call needs,chromium,chromium fonts-dejavu-core)
	@mkdir -p $(@D)
	cp $(clients_from)/browser/* $(@D)
	cd $(@D) && npm ci --silent --ignore-scripts --cache $(clients_to)/npm
	npm_config_cache=$(clients_to)/npm dashboard/vendor/make.sh --check
	@touch $@

# A Go older than that of go.mod fetches the newer one by itself, from 1.21 on.
$(clients_to)/go/installed: $(wildcard $(clients_from)/go/*)
	$(call needs,go,golang-go)
	cd $(clients_from)/go && GOPATH=$(clients_to)/go/path GOCACHE=$(clients_to)/go/cache \
		go build -buildvcs=false -modcacherw -o $(@D)/kinesis .
	@touch $@

$(clients_to)/java/installed: $(clients_from)/java/pom.xml $(wildcard $(clients_from)/java/src/main/java/*)
	$(call needs,javac,openjdk-17-jdk-headless)
	$(call needs,mvn,maven)
	rm -rf $(@D)/lib
	mvn --batch-mode --quiet --file $< -Dmaven.repo.local=$(clients_to)/m2 -Doutput=$(@D) package
	@touch $@
