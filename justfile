# `just` lists the recipes; each is one command that also works without just. `setup` is the only one that installs.

default:
    @just --list --unsorted

# install Rust components, and the Debian packages of the tests
setup:
    rustup component add clippy rustfmt
    ./scripts/test setup

# tests that need no server, about ten minutes after the first build
quick:
    ./scripts/test quick

# everything, on real ensembles
test:
    ./scripts/test

# a long part, for example: just long fuzz
long part:
    ./scripts/test long {{part}}

# rewrite the generated files that ship; look at the difference
gen:
    cargo xtask gen

# rewrite golden files of tests; look at the difference
golden *filter:
    UPDATE_GOLDEN=1 cargo test --quiet --locked --test quick -- --skip every_way_to_break {{filter}}

# format, then lint as the tests do
lint:
    cargo fmt --all
    cargo clippy --quiet --locked --workspace --all-targets -- -D warnings

# a real ensemble, the exporter, Prometheus and Alertmanager on this machine
demo:
    ./scripts/demo
