# `make test` is the whole gate; CI runs nothing else. Tests against real servers stand in `tests/servers/` of their
# crates and start what they need with the scripts in `infra/`.

# Build outside the clone, so that the next clone is quick.
export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/gallop/target

# Python with the AWS SDK, for the tests that speak to us as Python users do.
PYTHON := $(CARGO_TARGET_DIR)/python/bin/python3
BOTO3 := boto3==1.40.0

.PHONY: test test-fast fmt clippy docs

test: fmt clippy $(PYTHON)
	cargo test --workspace
	$(MAKE) docs

# Without the servers, for quick rounds.
test-fast: fmt clippy $(PYTHON)
	cargo test --workspace --lib --bins --test it --test adhoc
	@echo "left out: tests/servers (S3 and DynamoDB servers); make test runs them too"

fmt:
	cargo fmt --all --check

clippy:
	cargo clippy --workspace --all-targets -- -D warnings

docs:
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet

$(PYTHON):
	python3 -m venv $(CARGO_TARGET_DIR)/python
	$(CARGO_TARGET_DIR)/python/bin/pip install --quiet --disable-pip-version-check $(BOTO3) || { rm -rf $(CARGO_TARGET_DIR)/python; exit 1; }
