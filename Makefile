# The verbs a contributor needs. `make demo` and `make test` are the two that matter.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BINARY := target/debug/millrace
DUCKDB_LIB_DIR ?= $(CURDIR)/.cache/libduckdb
export DUCKDB_LIB_DIR

.PHONY: mysql test-mysql help demo torture fuzz bench test test-rust test-web test-browser test-deps lint build web libduckdb preflight bless clean

help: ## say what there is
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /\1|/' | while IFS='|' read -r verb what; do printf '  make %-14s %s\n' "$$verb" "$$what"; done

demo: build ## build everything and serve a shop's dashboard
	$(BINARY) demo

test: preflight test-deps lint test-rust test-web test-browser fuzz ## install what tests need, run every test
	@echo "make test: all parts ran"

test-rust: libduckdb mysql web ## Rust tests, also against real servers
	cargo test --workspace

test-web: web ## TypeScript: types and unit tests
	cd web && npm run check && npm test

test-browser: test-rust ## headless Chromium against the real binary, which the Rust tests have built
	cargo xtask browser-test

lint: libduckdb web ## formatting, lints, and the figures of the house style
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo xtask house

build: preflight web libduckdb ## the binary, target/debug/millrace
	cargo build --package millrace

web: web/dist/index.html ## the front end, web/dist

web/node_modules/.package-lock.json: web/package.json web/package-lock.json
	cd web && npm ci --no-audit --no-fund

WEB_SOURCES := $(shell find web/src web/index.html web/vite.config.ts web/svelte.config.js web/tsconfig.json web/public -type f 2>/dev/null)
web/dist/index.html: web/node_modules/.package-lock.json $(WEB_SOURCES)
	cd web && npm run build

libduckdb: ## fetch the engine, by checksum
	@test -n "$$(ls $(DUCKDB_LIB_DIR)/libduckdb.* 2>/dev/null)" || cargo xtask libduckdb

mysql: ## fetch MySQL 5.6 for the tests, by checksum
	@test -x .cache/mysql-5.6/mysqld || cargo xtask mysql

test-mysql: libduckdb ## tests against MySQL 9 too, from Debian sid (apt and dpkg-deb are needed)
	@test -x .cache/mysql-9/usr/sbin/mysqld || cargo xtask mysql-9
	cargo test --package millrace-connectors --features test-mysql-9 --test it -- new_server

test-deps: ## install what the tests need
	@cargo xtask test-deps

torture: libduckdb web ## fifty kills at random of runs over 200,000 orders, and connections that break at random, in both warehouses
	MILLRACE_TORTURE_KILLS=50 MILLRACE_TORTURE_ORDERS=200000 cargo test --package millrace --test it -- --nocapture --test-threads 1 killed_at_random
	MILLRACE_TORTURE_ROUNDS=20 cargo test --package millrace --test it -- --nocapture --test-threads 1 faults::

SECONDS ?= 30
fuzz: ## each fuzz target for half a minute, or SECONDS=…; TARGETS="json csv" for some
	cargo xtask fuzz --seconds $(SECONDS) $(TARGETS)

bench: libduckdb web ## the figures of docs/reference/performance.md
	cargo build --release --package millrace
	cargo run --package millrace-bench

bless: libduckdb ## rewrite golden files and generated pages
	MILLRACE_BLESS=1 cargo test --workspace

preflight:
	@command -v cargo >/dev/null || { echo "cargo is missing: install a current Rust with rustup (https://rustup.rs)"; exit 1; }
	@command -v node >/dev/null || { echo "node is missing: install Node.js 20.19 or later"; exit 1; }
	@command -v cc >/dev/null || { echo "cc is missing: install a C compiler (Debian: apt install gcc libc6-dev)"; exit 1; }
	@node -e 'const [a, b] = process.versions.node.split(".").map(Number); if (a < 20 || (a === 20 && b < 19)) { console.error("Node.js " + process.versions.node + " is too old: 20.19 or later is needed"); process.exit(1); }'

clean: ## remove what was built (not what was fetched)
	cargo clean
	rm -rf web/dist demo fuzz/target
