# `make test` is the whole gate; CI runs nothing else.

# Build outside the clone, so that the next clone is quick.
export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/gallop/target

.PHONY: test fmt clippy docs

test: fmt clippy
	cargo test --workspace
	$(MAKE) docs

fmt:
	cargo fmt --all --check

clippy:
	cargo clippy --workspace --all-targets -- -D warnings

docs:
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet
