# Plumbline. A thin front: Meson builds, tools/ and tests/ do the rest. `make help` lists targets.

DIR          ?= ./plumbline-data
FUZZ_SECONDS ?= 60
B            ?=
DATA         ?= ../shared/data
# prefix: where `make install` installs; /usr/local unless given.
export prefix

asan_options = -Db_sanitize=address,undefined -Db_lundef=false -Dtests=true
tsan_options = -Db_sanitize=thread -Db_lundef=false -Dtests=true -Dnginx_module=false

.PHONY: all run test check nightly asan tsan fuzz bench lint cover install deb clean help deps console tested \
        model names accuracy
all: deps console ## install build dependencies, build everything, stage it in build/stage
	@tools/stage build

deps:
	@tools/install-deps build

console: deps
	@tools/build-console

tested: deps console
	@tools/install-deps test
	@tools/stage build -Dtests=true
	@ninja -C build test-programs >build/test-programs.log || { cat build/test-programs.log; exit 1; }

run: all ## build, then run the whole system: DIR=./plumbline-data ARGS='--upstream URL'
	@exec build/stage/bin/plumbline up --dir "$(DIR)" $(ARGS)

test: tested ## every test (CI=true: no unexpected skips)
	@tests/run

check: tested ## the quick ones: unit, store on SQLite, tools
	@tests/run --no-postgres unit store tools

nightly: tested ## the long searches for crashes that lose something
	@tools/nightly build

asan: deps console ## unit, store and gateway tests under address and undefined-behaviour sanitizers
	@tools/install-deps test
	@tools/stage build/asan $(asan_options)
	@ninja -C build/asan test-programs >build/asan/test-programs.log || { cat build/asan/test-programs.log; exit 1; }
	@PL_SANITIZE=asan tests/run --build build/asan unit store gateway

tsan: deps ## unit and store tests under the thread sanitizer
	@tools/install-deps test
	@tools/stage build/tsan $(tsan_options)
	@ninja -C build/tsan test-programs >build/tsan/test-programs.log || { cat build/tsan/test-programs.log; exit 1; }
	@PL_SANITIZE=tsan tests/run --build build/tsan unit store

fuzz: deps ## each fuzz target for FUZZ_SECONDS; corpora grow in build/corpus
	@tools/install-deps fuzz
	@tools/fuzz build/fuzz $(FUZZ_SECONDS)

bench: all ## benchmarks next to rivals: B=group; results in bench/out
	@tools/install-deps bench
	@bench/run $(B)

model: all ## train the default classifier again: DATA=../shared/data
	@build/stage/bin/plumbline model train packs/model-default/recipe.yaml --data "$(DATA)" -o packs/model-default

names: all ## train the default model of names and addresses again: DATA=../shared/data
	@build/stage/bin/plumbline model train packs/names-default/recipe.yaml --data "$(DATA)" -o packs/names-default

accuracy: all ## evaluations of docs/accuracy on real data: DATA=../shared/data; B=group runs one
	@tools/install-deps bench
	@ninja -C build bench/accuracy-keywords >/dev/null
	@DATA="$(DATA)" bench/accuracy/run $(B)

lint: deps ## clang-tidy, cppcheck, shellcheck, gcc -fanalyzer, longest functions
	@tools/install-deps lint
	@tools/lint build/lint

cover: deps ## line coverage of the C tests: build/cover/index.html
	@tools/install-deps test cover
	@tools/cover build/cover

install: all ## install below DESTDIR and prefix
	@meson install -C build --no-rebuild $(if $(DESTDIR),--destdir "$(abspath $(DESTDIR))")

deb: deps console ## Debian packages in build/deb
	@tools/install-deps deb
	@tools/deb build/deb

clean: ## remove everything made here
	rm -rf build bench/out

help:
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-8s %s\n", $$1, $$2 }' Makefile
