# Short names for the scripts, which do the work and say what they do. `make help` lists them.
.DEFAULT_GOAL := help
# The scripts share engines and the build directory.
.NOTPARALLEL:
.PHONY: help run demo clean-demo test fuzz bench build console screenshots lint fmt

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## install what is missing, build, start everything, launch a first session; Ctrl-C stops the server
	@scripts/run.sh

demo: ## the story of one session without a person, checked step by step
	@scripts/demo.sh

clean-demo: ## remove everything that run and demo made
	@scripts/clean-demo.sh

test: ## every test, on SQLite, PostgreSQL and the real Docker Engine
	@scripts/test.sh

fuzz: ## fuzz the API for longer than the tests do (BERTH_FUZZ_EXAMPLES per operation)
	@scripts/fuzz.sh

bench: ## measure against the bare Docker Engine; writes target/bench/report.json
	@scripts/bench.sh

build: ## build the console and the release binary that holds it
	@scripts/install-deps.sh build
	@scripts/console.sh build
	cargo build --release --locked --bin berth

console: ## build the console alone, into console/dist
	@scripts/install-deps.sh build
	@scripts/console.sh build

screenshots: ## take the pictures of the documentation from a running console
	@scripts/screenshots.sh

lint: ## formatting, clippy and shellcheck, without changing anything
	@scripts/lint.sh

fmt: ## format the code
	cargo fmt --all
