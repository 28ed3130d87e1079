// See failures.hpp.
#include "failures.hpp"

#include "core/error.hpp"
#include "pg/spi.hpp"

#include <map>
#include <memory>
#include <new>
#include <stdexcept>

extern "C" {
#include "nodes/memnodes.h"
#if PG_VERSION_NUM >= 170000
#include "utils/memutils_internal.h"
#endif
}

namespace hc::test {

namespace {

std::int64_t g_made = 0;
std::int64_t g_destroyed = 0;

constexpr const char *kLong = "a text too long for the small string optimization";

struct TextRow {
    std::string value;
    auto fields() { return std::tie(value); }
};

void fail_in_spi(const char *kind) {
    static pg::statement<TextRow(std::string_view)> statement("SELECT boundary_test.fail($1)");
    pg::spi_scope spi;
    const Probe probe;
    statement.query(std::string_view(kind));
    spi.finish();
}

void raise_builtin() {
    pg::call([] { DirectFunctionCall1(int4in, CStringGetDatum("not a number")); });
}

void fail_twice(bool own) {
    try {
        const Probe probe;
        pg::call(raise_planned);
    } catch (const pg::error &first) {
        const Probe probe;
        if (own) {
            throw Error(sqlstate::object_in_use, std::string("second failure after: ") + first.what());
        }
        pg::call([] { ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("second failure"))); });
    }
}

class Troubled { // its destructor meets an error while another one travels
public:
    Troubled() = default;
    Troubled(const Troubled &) = delete;
    Troubled &operator=(const Troubled &) = delete;
    ~Troubled() {
        try {
            const Probe probe;
            raise_builtin();
        } catch (const pg::error &) { // the one that travels is the one to report
        }
    }
};

void fail_in_destructor() {
    const Troubled troubled;
    const Probe probe;
    pg::call(raise_planned);
}

void sleep_on() {
    pg::call([] { DirectFunctionCall1(pg_sleep, Float8GetDatum(600.0)); });
}

[[noreturn]] void spin() {
    for (;;) {
        const Probe probe;
        pg::check_interrupts();
    }
}

[[noreturn]] void exhaust(MemoryContext context, std::size_t bytes) {
    pg::memory_resource resource(context);
    const Probe probe;
    resource.allocate(bytes, 8);
    throw Error(sqlstate::internal_error, "an impossible allocation succeeded");
}

using Action = void (*)();

Action find_action(const std::string &kind) {
    static constexpr std::pair<std::string_view, Action> kActions[] = {
        {"none", [] {}},
        {"postgres", [] { pg::call(raise_planned); }},
        {"builtin", raise_builtin},
        {"canceled",
         [] { pg::call([] { ereport(ERROR, (errcode(ERRCODE_QUERY_CANCELED), errmsg("planned cancel"))); }); }},
        {"hc", [] { throw Error("WF001", "own failure", "Own detail, 100%s.", "Own hint."); }},
        {"std", [] { throw std::runtime_error("standard failure, 100%s"); }},
        {"unknown", [] { throw 42; }},
        {"bad_alloc", [] { throw std::bad_alloc(); }},
        {"huge", [] { exhaust(CurrentMemoryContext, SIZE_MAX - 64); }},
        {"starved", [] { exhaust(make_starved_context(), 100); }},
        {"spi", [] { fail_in_spi("postgres"); }},
        {"spi_hc", [] { fail_in_spi("hc"); }},
        {"second", [] { fail_twice(false); }},
        {"second_hc", [] { fail_twice(true); }},
        {"in_destructor", fail_in_destructor},
        {"sleep", sleep_on},
        {"spin", spin},
    };
    for (const auto &[name, action] : kActions) {
        if (name == kind) {
            return action;
        }
    }
    throw Error(sqlstate::invalid_parameter, "no such failure: " + kind);
}

void descend(int frames, Action action) {
    const Probe probe;
    const auto shared = std::make_shared<Probe>();
    const std::map<int, Probe> map{{1, Probe()}, {2, Probe()}};
    if (frames == 0) {
        action();
        return;
    }
    descend(frames - 1, action);
}

#if PG_VERSION_NUM >= 170000
void *no_memory(MemoryContext context, Size size, int flags) {
    return MemoryContextAllocationFailure(context, size, flags);
}
#else
void *no_memory(MemoryContext, Size) { return nullptr; }
#endif

} // namespace

Probe::Probe() noexcept : owned_(kLong) { ++g_made; }
Probe::Probe(const Probe &other) noexcept : owned_(other.owned_) { ++g_made; }
Probe::~Probe() { ++g_destroyed; }

std::int64_t made() noexcept { return g_made; }
std::int64_t live() noexcept { return g_made - g_destroyed; }

void raise_planned() {
    ereport(ERROR, (errcode(MAKE_SQLSTATE('H', 'C', 'T', '0', '1')), errmsg("planned failure"),
                    errdetail("Planned detail, 100%%s."), errhint("Planned hint."), errcontext("planned context")));
}

void fail(const std::string &kind) {
    const std::vector<Probe> several(3);
    descend(4, find_action(kind));
}

MemoryContext make_starved_context() {
    return pg::call([]() -> MemoryContext {
        static MemoryContextMethods methods;
        MemoryContext context = AllocSetContextCreateInternal(CurrentMemoryContext, "starved", ALLOCSET_SMALL_SIZES);
        methods = *context->methods;
        methods.alloc = no_memory;
        context->methods = &methods;
        return context;
    });
}

std::string sqlstate_of(const pg::Failure &failure) {
    const bool postgres = failure.kind == pg::Failure::Kind::postgres && failure.data != nullptr;
    return postgres ? unpack_sql_state(failure.data->sqlerrcode) : failure.sqlstate;
}

std::string message_of(const pg::Failure &failure) {
    const bool postgres = failure.kind == pg::Failure::Kind::postgres && failure.data != nullptr;
    return postgres ? failure.data->message : failure.message;
}

} // namespace hc::test
