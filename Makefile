# The commands people type; meson does the work. Each installs what it needs first and is safe to run twice.
BUILD ?= build
CCACHE := $(shell command -v ccache)
export CC ?= gcc

.PHONY: all check
all: $(BUILD)/build.ninja
	ninja -C $(BUILD)

$(BUILD)/build.ninja:
	tools/bootstrap
	meson setup $(BUILD)

check: all
	tools/run_tests.py $(BUILD)
