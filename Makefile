# The two commands of the README, and the parts of the second.
CARGO ?= cargo
LABCTL = target/debug/labctl
TOOLS = $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/labctl-dev
DENY_VERSION = 0.20.2

.PHONY: demo test build compiler crates host-packages test-packages fmt clippy unit doc deny workflows

# Grades the bundled solution of exercise-b in a real guest, on Debian's packaged kernel. What can be done side by side is, unless
# sudo might ask for a password in between. A build that is done once gains nothing from being incremental.
demo: export CARGO_INCREMENTAL = 0
demo: BESIDE = $(MAKE) --no-print-directory --jobs=$$(if [ "$$(id -u)" = 0 ]; then echo 2; else echo 1; fi)
demo:
	@$(BESIDE) compiler crates
	@$(BESIDE) host-packages build
	$(LABCTL) check exercise-b --reference --kernel debian-6.12

test: test-packages fmt clippy unit doc deny workflows

compiler:
	@scripts/host-packages --compiler

crates:
	@$(CARGO) fetch --locked --target "$$($(CARGO) -vV | sed -n 's/^host: //p')"

host-packages:
	@scripts/host-packages

test-packages:
	@scripts/host-packages --tests

build:
	$(CARGO) build --locked --package labctl

fmt:
	$(CARGO) fmt --all --check

clippy:
	$(CARGO) clippy --locked --workspace --all-targets --all-features -- -D warnings

# Pure tests, recorded corpora, fakes, command-line transcripts, and real guests under TCG; and no process or file of
# theirs that stays.
unit:
	@scripts/leaves-nothing $(CARGO) test --locked --workspace --all-features

doc:
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --workspace --no-deps --document-private-items

# Unoptimised: it runs for a second, and its making would take longer than labctl's.
$(TOOLS)/bin/cargo-deny:
	$(CARGO) install --locked --debug --root $(TOOLS) --version $(DENY_VERSION) cargo-deny

# The advisory database cannot be had everywhere; licences, bans and sources can be checked offline.
deny: $(TOOLS)/bin/cargo-deny
	$(TOOLS)/bin/cargo-deny --offline --locked check bans licenses sources

# actionlint, shellcheck, and the schemas of workflows and actions, each by name and version.
workflows:
	@scripts/lint-workflows $(TOOLS)
