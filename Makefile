# hermes_cascade: PGXS build.
#
#   make                build hermes_cascade.so and the install script
#   make install        install both (make test, demo and bench do it themselves)
#   make demo           from a clean clone: install packages, build, install, run cascades over real HTTP
#   make test           the same, then every test suite (fuzzers: seconds each); the last line is "N passed, N failed"
#   make bench          the same, then the benchmark table
#   make bench-compare REV=<revision>   two revisions in turn, ratios pair by pair
#   make lint           formatting, static analysis, layer rule, exports, shell scripts, Dockerfile
#   make test-matrix    build and test against PostgreSQL 17 in a folder (root only)
#   make test-crash     only the kill -9, standby and shutdown tests, at every point
#   make regress        only pg_regress;  make sanitize: ASan/UBSan build;  make fuzz: fuzzers for FUZZ_SECONDS
#
# Variables: PG_CONFIG, PG_MAJOR, WERROR=0 (warnings stay warnings), SANITIZE=1 (make = make sanitize), JOBS, V.

EXTENSION  := hermes_cascade
EXTVERSION := $(shell sed -n "s/^default_version *= *'\([^']*\)'.*/\1/p" $(EXTENSION).control)
BUILD      := build
WERROR     ?= 1
SANITIZE   ?= 0
JOBS       ?= $(shell nproc 2>/dev/null || echo 2)
FUZZ_SECONDS ?= 60

# A chosen major version names its own pg_config; without one, the first in the path.
ifdef PG_MAJOR
PG_CONFIG  ?= $(firstword $(wildcard /usr/lib/postgresql/$(PG_MAJOR)/bin/pg_config) pg_config)
else
PG_CONFIG  ?= pg_config
endif
PGXS       := $(wildcard $(shell $(PG_CONFIG) --pgxs 2>/dev/null))

# ---------------------------------------------------------------- sources, flags, objects
SOURCES      := $(shell awk '!/^\#/ && NF >= 2 { print $$2 }' src/sources.txt 2>/dev/null)
FLAGS        := $(shell sed 's/\#.*//' src/flags.txt)
TEST_SOURCES := $(wildcard tests/pg_boundary/*.cpp tests/isolation/*.cpp)

OBJ        := $(BUILD)/release
SAN        := $(BUILD)/sanitize
OBJS       := $(SOURCES:%.cpp=$(OBJ)/%.o)
TEST_OBJS  := $(TEST_SOURCES:%.cpp=$(OBJ)/%.o)
SAN_OBJS   := $(SOURCES:%.cpp=$(SAN)/%.o)
SAN_TEST_OBJS := $(TEST_SOURCES:%.cpp=$(SAN)/%.o)
INSTALL_SQL := $(sort $(wildcard sql/install/*.sql))
CONNECTORS  := $(sort $(wildcard sql/connectors/*.json))

ifneq ($(PGXS),)

MODULE_big   := $(EXTENSION)
DATA_built   := $(BUILD)/$(EXTENSION)--$(EXTVERSION).sql $(patsubst sql/upgrade/%,$(BUILD)/$(EXTENSION)--%,$(wildcard sql/upgrade/*.sql))
EXTRA_CLEAN  := $(BUILD)
PG_CPPFLAGS  := -Isrc -isystem $(shell $(PG_CONFIG) --includedir-server) -DHC_VERSION='"$(EXTVERSION)"'
PG_CXXFLAGS  := $(FLAGS) $(if $(filter 1,$(WERROR)),-Werror)
SHLIB_LINK   := -Wl,--version-script=src/exports.map -Wl,--as-needed -lcurl -lfmt -lboost_container -lcrypto -lstdc++
# One compiler for all: no bitcode of C++ sources for the server's JIT.
override with_llvm = no

# PGXS would make its own 'all' the first target.
.DEFAULT_GOAL := $(if $(filter 1,$(SANITIZE)),sanitize,all)
include $(PGXS)

# A compiler cache where there is one, unless the caller chose a compiler.
ifeq ($(origin CXX),file)
CXX := $(strip $(shell command -v ccache 2>/dev/null) $(CXX))
endif

# The sources that the list names must be there; cleaning and set-up work without them.
ifneq ($(filter-out clean setup distclean,$(or $(MAKECMDGOALS),all)),)
ifeq ($(strip $(SOURCES)),)
$(error src/sources.txt is missing or empty: one "layer path" line per source file)
endif
MISSING := $(filter-out $(wildcard $(SOURCES)),$(SOURCES))
ifneq ($(MISSING),)
$(error src/sources.txt names files that do not exist: $(MISSING))
endif
endif

LINK_COMMAND := $(LINK.shared)
LINK.shared = $(if $(V),,@echo "  LINK     $@" && )$(LINK_COMMAND)

# ---------------------------------------------------------------- compile
# Objects stand apart by kind of build; they are rebuilt when flags, compiler or server version change.
SANFLAGS := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -O1 -U_FORTIFY_SOURCE
FLAGS_KEY := $(CXX) $(CXXFLAGS) $(CPPFLAGS) $(VERSION)
QUIET := $(if $(V),,@)

$(BUILD)/flags.key: FORCE
	@mkdir -p $(@D)
	@echo '$(subst ','\'',$(FLAGS_KEY))' | cmp -s - $@ || echo '$(subst ','\'',$(FLAGS_KEY))' > $@

$(OBJ)/%.o: %.cpp $(BUILD)/flags.key
	@mkdir -p $(@D)
	$(if $(V),,@echo "  CXX      $<")
	$(QUIET)$(CXX) $(CXXFLAGS) $(CFLAGS_SL) $(CPPFLAGS) -MMD -MP -c -o $@ $<

# The sanitizers make the optimizer see uninitialized values that are not there: warnings stay warnings here.
$(SAN)/%.o: %.cpp $(BUILD)/flags.key
	@mkdir -p $(@D)
	$(if $(V),,@echo "  CXX(san) $<")
	$(QUIET)$(CXX) $(CXXFLAGS) -Wno-error $(CFLAGS_SL) $(CPPFLAGS) $(SANFLAGS) -MMD -MP -c -o $@ $<

-include $(wildcard $(OBJS:.o=.d) $(TEST_OBJS:.o=.d) $(SAN_OBJS:.o=.d) $(SAN_TEST_OBJS:.o=.d))

$(EXTENSION)$(DLSUFFIX): src/exports.map

# ---------------------------------------------------------------- install script
# The shipped connectors follow their tables.
SHIP_CONNECTORS = for c in $(CONNECTORS); do echo "SELECT hermes.ship_connector(\$$connector\$$"; cat "$$c"; \
    echo "\$$connector\$$);"; done

$(BUILD)/$(EXTENSION)--$(EXTVERSION).sql: $(INSTALL_SQL) $(CONNECTORS) $(EXTENSION).control Makefile
	@mkdir -p $(@D)
	@test -n "$(INSTALL_SQL)" || { echo "sql/install has no .sql files" >&2; exit 1; }
	@{ printf '%s\n' '\echo Use "CREATE EXTENSION $(EXTENSION)" to load this file. \quit'; \
	   for f in $(INSTALL_SQL); do echo "-- $$f"; cat "$$f"; echo; \
	       case $$f in */35_connectors.sql) $(SHIP_CONNECTORS);; esac; done; } > $@.tmp && mv $@.tmp $@

$(BUILD)/$(EXTENSION)--%.sql: sql/upgrade/%.sql Makefile
	@mkdir -p $(@D)
	@{ printf '%s\n' '\echo Use "ALTER EXTENSION $(EXTENSION) UPDATE" to load this file. \quit'; cat $<; } > $@

# ---------------------------------------------------------------- modules for tests only
# hermes_cascade_test.so holds everything but the entry point, so that it loads beside the real module.
MODULE_OBJ := src/module.o
LINK_MODULE = $(LINK.shared) -o $@ $(filter %.o,$^) $(LDFLAGS) $(LDFLAGS_SL) $(SHLIB_LINK)

$(BUILD)/$(EXTENSION)_test$(DLSUFFIX): $(filter-out %/$(MODULE_OBJ),$(OBJS)) $(TEST_OBJS) src/exports.map
	$(LINK_MODULE)

$(SAN)/$(EXTENSION)$(DLSUFFIX): $(SAN_OBJS) src/exports.map
	$(LINK_MODULE) $(SANFLAGS)

$(SAN)/$(EXTENSION)_test$(DLSUFFIX): $(filter-out %/$(MODULE_OBJ),$(SAN_OBJS)) $(SAN_TEST_OBJS) src/exports.map
	$(LINK_MODULE) $(SANFLAGS)

.PHONY: test-module install-test-module sanitize
ifeq ($(strip $(TEST_SOURCES)),)
test-module: ; @echo "no test sources, no test module"
install-test-module: test-module
sanitize: $(SAN)/$(EXTENSION)$(DLSUFFIX)
else
test-module: $(BUILD)/$(EXTENSION)_test$(DLSUFFIX)
install-test-module: test-module
	$(INSTALL_SHLIB) $(BUILD)/$(EXTENSION)_test$(DLSUFFIX) '$(DESTDIR)$(pkglibdir)/'
sanitize: $(SAN)/$(EXTENSION)$(DLSUFFIX) $(SAN)/$(EXTENSION)_test$(DLSUFFIX)
endif

else # no PGXS: only what needs no server headers works

.DEFAULT_GOAL := all
.PHONY: all install sanitize test-module install-test-module
all install sanitize test-module install-test-module:
	@echo "$(PG_CONFIG) with server headers (pgxs) not found: run 'make setup', or set PG_CONFIG" >&2; exit 1
clean:
	rm -rf $(BUILD) $(EXTENSION).so

endif

# ---------------------------------------------------------------- everything else is scripts
# Each of these works from a clean clone: packages first, then a make that sees them.
RUN_ENV := PG_CONFIG='$(PG_CONFIG)' PG_MAJOR='$(PG_MAJOR)'

.PHONY: FORCE setup ready-test demo test bench bench-compare lint format regress test-matrix test-crash fuzz clean

setup:
	@$(RUN_ENV) scripts/setup all

ready-test:
	@$(RUN_ENV) scripts/setup test
	@$(RUN_ENV) JOBS=$(JOBS) scripts/install --with-tests

demo:
	@$(RUN_ENV) scripts/setup demo
	@$(RUN_ENV) JOBS=$(JOBS) scripts/install
	@$(RUN_ENV) demo/run --no-build $(DEMO_ARGS)

test: ready-test
	@$(RUN_ENV) JOBS=$(JOBS) tests/run $(SUITES)

regress: ready-test
	@$(RUN_ENV) JOBS=$(JOBS) tests/run regress isolation

test-crash: ready-test
	@$(RUN_ENV) JOBS=$(JOBS) HC_CRASH_POINTS=all tests/run tap e2e:crash

# REV=... [BENCH_ARGS="--pairs 3 --only waiting,cascades"]
bench-compare:
	@$(RUN_ENV) scripts/setup bench
	@$(RUN_ENV) bench/compare $(REV) $(BENCH_ARGS)

bench:
	@$(RUN_ENV) scripts/setup bench
	@$(RUN_ENV) JOBS=$(JOBS) scripts/install
	@$(RUN_ENV) bench/run $(BENCH_ARGS)

lint:
	@$(RUN_ENV) scripts/setup lint
	@$(RUN_ENV) JOBS=$(JOBS) tests/lint/run $(LINT_ARGS)

# clang-format in place.
format:
	@find src workers tests -name '*.cpp' -o -name '*.hpp' | xargs clang-format -i --style=file

fuzz:
	@$(RUN_ENV) scripts/setup test
	@$(RUN_ENV) JOBS=$(JOBS) FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/fuzz

test-matrix:
	@$(RUN_ENV) JOBS=$(JOBS) scripts/matrix $(MATRIX_ARGS)
