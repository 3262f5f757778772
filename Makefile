# The commands people type; meson does the work. Each installs what it needs first (tools/bootstrap)
# and is safe to run twice.
CC ?= gcc
T ?= 60
# where `make install` puts things
PREFIX ?= /usr/local

.PHONY: all demo check lint asan tsan mutate fuzz bench interop attacks install clean

all: build/build.ninja
	ninja -C build

demo: all
	build/src/vouch demo

# Unit tests, end-to-end tests, both again under ASan and UBSan, and a smoke run of every fuzz target.
check: all build-asan/build.ninja build-fuzz/build.ninja
	ninja -C build-asan
	ninja -C build-fuzz
	tools/run_tests.py build build-asan build-fuzz

asan: build-asan/build.ninja
	ninja -C build-asan
	tools/run_tests.py build-asan

tsan: build-tsan/build.ninja
	ninja -C build-tsan
	tools/run_tests.py build-tsan --suite unit

# Delete one refusal at a time in what decides, and see whether a test notices; stop and continue as you like.
mutate: all
	tools/mutate.py

fuzz: build-fuzz/build.ninja
	ninja -C build-fuzz
	tools/fuzz.sh build-fuzz $(T)

lint: all
	tools/bootstrap lint
	tools/lint.sh

bench: all
	tools/bench.py build

interop: all
	tools/bootstrap interop
	tools/run_tests.py build --suite interop --jobs $$(nproc) # each keeps a processor busy

# Delete the defence against each known attack, one by one, and see its test fail.
attacks: all
	tools/attacks.py

install: all
	meson configure build --prefix=$(PREFIX)
	meson install -C build

clean:
	rm -rf build build-asan build-tsan build-fuzz build-mutate

build/build.ninja:
	tools/bootstrap
	meson setup build

build-asan/build.ninja:
	tools/bootstrap
	meson setup build-asan -Db_sanitize=address,undefined -Doptimization=1

build-tsan/build.ninja:
	tools/bootstrap
	meson setup build-tsan -Db_sanitize=thread -Doptimization=1

build-fuzz/build.ninja:
	tools/bootstrap lint
	CC=clang meson setup build-fuzz -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false -Doptimization=1
