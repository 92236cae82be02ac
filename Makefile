# `make test` is the whole gate; CI runs little else. It sets itself up and counts what it cannot run here (infra/setup).
# Tests against real servers stand in `tests/servers/` of their crates and start what they need with the scripts in `infra/`.

# Build outside the clone, so that the next clone is quick.
export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/gallop/target

.PHONY: deny test test-fast fmt clippy docs book reference small simulation kills failed-syncs repairs lives kafka-faults engine-faults hostile-sql fuzz night infra

test:
	MAKE="$(MAKE)" CLIENTS="$(CLIENTS)" infra/setup/test.sh

# Without servers and clients of others, for quick rounds.
test-fast: fmt clippy
	cargo test --workspace --lib --bins --test it --test adhoc -- --skip foreign:: --skip libraries::
	@echo "left out: tests/servers (Kafka, S3 and DynamoDB servers) and clients in other languages; make test runs them too"

# A night's work: all of these, and ten minutes of made-up bytes a target.
night: simulation kills failed-syncs repairs lives kafka-faults engine-faults hostile-sql
	$(MAKE) fuzz FUZZ_SECONDS=600

# A whole server in so many simulated worlds of so many steps: docs/ARCHITECTURE.md. `SEED=7` runs one world.
SEEDS ?= 10000
STEPS ?= 300
simulation:
	SEEDS=$(SEEDS) STEPS=$(STEPS) cargo test --profile simulation --workspace --bin gallop -- --nocapture simulation::

# The server is killed so many times under load, with splits and merges going on.
KILLS ?= 1000
kills:
	KILLS=$(KILLS) cargo test -p pipeline --test it --test servers -- --nocapture by_kills

# A sync fails so many times, on a file system without a journal that goes on as if nothing had been. Needs root.
SYNC_ROUNDS ?= 200
failed-syncs:
	SYNC_ROUNDS=$(SYNC_ROUNDS) cargo test -p pipeline --test it -- --nocapture failed_syncs::

# Files of streams are damaged so many times, and repaired.
REPAIRS ?= 10000
repairs:
	REPAIRS=$(REPAIRS) cargo test -p ingest --test it -- --nocapture repair::whatever

# A stream is deleted and created again so many times under queries and deliveries, and a data folder is replaced by an
# older copy of itself.
LIVES ?= 1000
RESTORES ?= 100
lives:
	LIVES=$(LIVES) RESTORES=$(RESTORES) cargo test -p pipeline --test it --test servers -- --nocapture lives::

# And brokers of Kafka killed, paused and started again so many times.
KAFKA_FAULTS ?= 200
kafka-faults:
	KAFKA_FAULTS=$(KAFKA_FAULTS) cargo test -p ingest --test servers -- --nocapture faults::

# And all of it together: the whole job on Kafka, S3 and DynamoDB, brokers and servers killed and paused, calls failing.
ENGINE_ROUNDS ?= 200
engine-faults:
	ROUNDS=$(ENGINE_ROUNDS) cargo test --workspace --test servers -- --nocapture engines::

# Queries that once ended the server: chains, nests, functions with large arguments, products. `make test` runs some of them.
HOSTILE_SQL ?= 1000
hostile-sql:
	HOSTILE_SQL=$(HOSTILE_SQL) cargo test -p pipeline --test it -- --nocapture hostile::

# Bytes from outside, made up by libFuzzer, for so many seconds a target. `make test` replays what it found before.
FUZZ_SECONDS ?= 60
fuzz:
	FUZZ_SECONDS=$(FUZZ_SECONDS) fuzz/run

fmt:
	cargo fmt --all --check

clippy:
	cargo clippy --workspace --all-targets -- -D warnings

# Licences, sources and versions of what is linked in. Building cargo-deny takes minutes, so it runs where it is
# installed: `cargo install cargo-deny --locked`.
deny:
	@if cargo deny --version >/dev/null 2>&1; then cargo deny check licenses bans sources; \
	else echo "left out: licences and versions of dependencies; cargo-deny is not installed"; fi

docs:
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet

# HTML of docs/ below the build folder, as far as mdBook judges it: `cargo test -p pipeline --test it book::` follows the pages. A first
# run builds mdBook, a minute of a processor's time, unless the machine has it.
mdbook_version := 0.5.4
mdbook := $(or $(shell command -v mdbook),$(CARGO_TARGET_DIR)/mdbook-$(mdbook_version)/bin/mdbook)
book: $(mdbook)
	$(mdbook) build docs --dest-dir $(abspath $(CARGO_TARGET_DIR))/book
$(CARGO_TARGET_DIR)/mdbook-$(mdbook_version)/bin/mdbook:
	cargo install mdbook --version $(mdbook_version) --locked --debug --no-default-features --quiet --root $(CARGO_TARGET_DIR)/mdbook-$(mdbook_version)

# Pages that are made from the code: command line, settings, REST API. Tests hold them to it.
reference:
	UPDATE=1 cargo test --workspace --bin gallop --test it -- reference::

# A build without clients of servers elsewhere compiles, and refuses settings that name them.
small:
	cargo test --workspace --bin gallop --no-default-features -- config::

# Definitions for running it elsewhere, checked offline.
infra:
	infra/check/check.sh

include pipeline/tests/clients/install.mk
