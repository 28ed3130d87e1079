// Subtransactions, statements and the scopes of user and search_path. Runs in backends.
#include "failures.hpp"

#include "core/error.hpp"
#include "pg/bgworker.hpp"

using namespace hc;

namespace {

struct NumberRow {
    std::int32_t value;
    auto fields() { return std::tie(value); }
};
struct TwoRow {
    std::int32_t first;
    std::int32_t second;
    auto fields() { return std::tie(first, second); }
};

// What must be as it was after a subtransaction, a scope or an error.
struct Surroundings {
    MemoryContext context = CurrentMemoryContext;
    ResourceOwner owner = CurrentResourceOwner;
    Oid user = InvalidOid;
    int security = 0;
    std::string path = namespace_search_path;
    int level = pg::nesting_level();
    sigjmp_buf *exceptions = PG_exception_stack;
    ErrorContextCallback *contexts = error_context_stack;
    std::int64_t live = test::live();

    Surroundings() { GetUserIdAndSecContext(&user, &security); }
};

std::string differences(const Surroundings &was) {
    const Surroundings is;
    std::string result;
    const auto check = [&result](bool same, const char *what) {
        if (!same) {
            result += std::string(" ") + what;
        }
    };
    check(is.context == was.context, "memory-context");
    check(is.owner == was.owner, "resource-owner");
    check(is.user == was.user && is.security == was.security, "user");
    check(is.path == was.path, "search_path");
    check(is.level == was.level, "nesting-level");
    check(is.exceptions == was.exceptions && is.contexts == was.contexts, "error-stacks");
    check(is.live == was.live, "live-objects");
    MemoryContextSwitchTo(was.context); // a broken one is told of, not stumbled over
    CurrentResourceOwner = was.owner;
    PG_exception_stack = was.exceptions;
    error_context_stack = was.contexts;
    return result.empty() ? "same" : "changed:" + result;
}

bool planner_settings_are_on() {
    return pg::call([] {
        for (const char *name : {"enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin"}) {
            if (std::strcmp(GetConfigOption(name, false, false), "on") != 0) {
                return false;
            }
        }
        return true;
    });
}

void insert(const char *note) {
    static pg::statement<void(std::string_view)> statement("INSERT INTO boundary_test.notes VALUES ($1)");
    statement.execute(std::string_view(note));
}

// Work inside the subtransaction: another user, a pinned path, a private context with a container, SPI, an open
// statement.
void work_and_fail(const std::string &kind, Oid other) {
    const test::Probe probe;
    pg::search_path_scope path;
    const pg::user_scope user(other);
    pg::context_scope memory("hermes boundary test");
    pg::vector<test::Probe> probes(5, memory.resource());
    pg::spi_scope spi;
    insert("inner");
    test::fail(kind);
    spi.finish();
    path.finish();
}

} // namespace

// run_subtransaction(kind, role): what the failure was and what differs afterwards.
HC_FUNCTION(hc_test_run_subtransaction) {
    const std::string kind = args.text(0, "kind");
    const auto other = static_cast<Oid>(args.bigint(1, "role"));
    const test::Probe probe;
    pg::spi_scope spi;
    insert("before");
    const Surroundings was;
    pg::Failure failure;
    const bool good = pg::subtransaction::run([&] { work_and_fail(kind, other); }, failure);
    const std::string after = differences(was);
    insert("after");
    spi.finish();
    return pg::make_text(good ? "stands, " + after
                              : fmt::format("{} {}, {}", test::sqlstate_of(failure), test::message_of(failure), after));
}

// Subtransactions in subtransactions: each level fails after the one inside it was swallowed. Returns how many did.
namespace {

int nest(int depth, const std::string &kind) {
    int failed = 0;
    pg::Failure failure;
    const bool good = pg::subtransaction::run(
        [&] {
            const test::Probe probe;
            if (depth > 1) {
                failed = nest(depth - 1, kind);
            }
            test::fail(kind);
        },
        failure);
    return good ? failed : failed + 1;
}

} // namespace

HC_FUNCTION(hc_test_nested_subtransactions) {
    const std::int32_t depth = args.integer(0, "depth");
    const std::string kind = args.text(1, "kind");
    const Surroundings was;
    const int failed = nest(depth, kind);
    return pg::make_text(fmt::format("{} failed, {}", failed, differences(was)));
}

// catch_many(count, kind): that many failures swallowed in one transaction. Returns how many were.
HC_FUNCTION(hc_test_catch_many) {
    const std::int32_t count = args.integer(0, "count");
    const std::string kind = args.text(1, "kind");
    std::int32_t caught = 0;
    pg::Failure failure;
    for (std::int32_t i = 0; i < count; ++i) {
        pg::context_scope memory("hermes boundary test"); // errors of one round go with it
        const pg::error_home_scope home;
        if (!pg::subtransaction::run([&] { test::fail(kind); }, failure)) {
            ++caught;
        }
    }
    return pg::make_int32(caught);
}

// A record used for several failures in turn: nothing of an earlier one shows in a later one.
HC_FUNCTION(hc_test_reused_failure) {
    const std::string kind = args.text(0, "kind");
    pg::Failure failure;
    pg::subtransaction::run([] { test::fail("hc"); }, failure);
    pg::subtransaction::run([&] { test::fail(kind); }, failure);
    return pg::make_text(fmt::format("{}|{}|{}", test::message_of(failure), failure.detail, failure.hint));
}

// Interrupts are held over a failure that is swallowed, and served afterwards.
HC_FUNCTION(hc_test_held_interrupts) {
    const std::string kind = args.text(0, "kind");
    const test::Probe probe;
    {
        const test::InterruptHold hold;
        pg::call([] { DirectFunctionCall1(pg_cancel_backend, Int32GetDatum(MyProcPid)); });
        while (!QueryCancelPending) { // the signal comes within an instant
        }
        pg::Failure failure;
        pg::subtransaction::run([&] { test::fail(kind); }, failure);
        pg::check_interrupts();
        if (!QueryCancelPending) {
            throw Error(sqlstate::internal_error, "the cancel was lost");
        }
    }
    pg::check_interrupts();
    return pg::make_text("not interrupted");
}

// The hold count after an error passed a hold: none may be left, and none resumed twice.
HC_FUNCTION(hc_test_holds_after_error) {
    std::int32_t count = 0;
    try {
        const test::InterruptHold hold;
        const test::Probe probe;
        pg::call(test::raise_planned);
    } catch (const pg::error &) { // a bare error: nothing to abort
        count = static_cast<std::int32_t>(InterruptHoldoffCount);
        InterruptHoldoffCount = 0;
    }
    return pg::make_int32(count);
}

HC_FUNCTION(hc_test_interrupt_holds) { return pg::make_int32(static_cast<std::int32_t>(InterruptHoldoffCount)); }

// ---------------------------------------------------------------- statements

HC_FUNCTION(hc_test_statement) {
    const std::string mode = args.text(0, "mode");
    static pg::statement<NumberRow()> syntax("SELEC 1");
    static pg::statement<NumberRow()> missing("SELECT x FROM boundary_test.there_is_no_such_table");
    static pg::statement<NumberRow()> columns("SELECT 1, 2");
    static pg::statement<NumberRow()> null("SELECT NULL::int4");
    static pg::statement<NumberRow(std::int32_t)> zero("SELECT 1 / $1");
    static pg::statement<void()> unique("INSERT INTO boundary_test.keys VALUES (1), (1)");
    static pg::statement<void()> null_key("INSERT INTO boundary_test.keys VALUES (NULL)");
    static pg::statement<NumberRow()> late("SELECT 1 / (3 - i)::int4 FROM generate_series(1, 5) i");
    const test::Probe probe;
    pg::spi_scope spi;
    std::size_t rows = 0;
    if (mode == "syntax") {
        rows = syntax.query().size();
    } else if (mode == "missing") {
        rows = missing.query().size();
    } else if (mode == "columns") {
        rows = columns.query().size();
    } else if (mode == "null") {
        rows = null.query().size();
    } else if (mode == "zero") {
        rows = zero.query(0).size();
    } else if (mode == "unique") {
        rows = unique.execute();
    } else if (mode == "null_key") {
        rows = null_key.execute();
    } else if (mode == "late") {
        rows = late.query().size();
    } else {
        rows = zero.query(1).size();
    }
    spi.finish();
    return pg::make_int32(static_cast<std::int32_t>(rows));
}

// The settings for planning are put back, also when planning or the first run fails.
HC_FUNCTION(hc_test_planner_settings) {
    static pg::statement<NumberRow(std::int32_t)> statement("SELECT 2 / $1");
    pg::spi_scope spi;
    pg::Failure failure;
    const bool first = pg::subtransaction::run([] { statement.query(0); }, failure);
    const bool restored = planner_settings_are_on();
    const std::size_t rows = statement.query(1).size();
    spi.finish();
    return pg::make_bool(!first && restored && planner_settings_are_on() && rows == 1);
}

// A statement used inside another's rows: the outer result was taken before the inner one overwrote the globals.
HC_FUNCTION(hc_test_nested_statements) {
    static pg::statement<TwoRow()> outer(
        "SELECT i::int4, boundary_test.count_rows(i::int4) FROM generate_series(1, 4) i");
    pg::spi_scope spi;
    const std::vector<TwoRow> rows = outer.query();
    spi.finish();
    std::string list;
    for (const TwoRow &row : rows) {
        list += fmt::format("{}:{} ", row.first, row.second);
    }
    return pg::make_text(list);
}

HC_FUNCTION(hc_test_count_rows) {
    static pg::statement<NumberRow(std::int32_t)> inner("SELECT i::int4 FROM generate_series(1, $1) i");
    const std::int32_t n = args.integer(0, "n");
    pg::spi_scope spi;
    const std::vector<NumberRow> rows = inner.query(n);
    spi.finish();
    return pg::make_int32(static_cast<std::int32_t>(rows.size()));
}

// ---------------------------------------------------------------- scopes without a subtransaction

// scopes(mode, role): what differs after the scopes were left by `finish`, or by an exception of C++.
HC_FUNCTION(hc_test_scopes) {
    const std::string mode = args.text(0, "mode");
    const auto other = static_cast<Oid>(args.bigint(1, "role"));
    const Surroundings was;
    bool entered = false;
    try {
        pg::search_path_scope path;
        pg::search_path_scope again; // pinned already: does nothing
        const pg::user_scope user(other);
        const pg::context_scope memory("hermes boundary test");
        entered = GetUserId() == other && CurrentMemoryContext == memory.context() &&
                  std::strcmp(namespace_search_path, "pg_catalog, pg_temp") == 0;
        again.finish();
        entered = entered && std::strcmp(namespace_search_path, "pg_catalog, pg_temp") == 0;
        path.finish();
        if (mode == "throw") {
            throw 42;
        }
    } catch (int) {
    }
    return pg::make_text((entered ? "entered, " : "not entered, ") + differences(was));
}

// Fails with all scopes open; the abort of the (sub)transaction has to put things right.
HC_FUNCTION(hc_test_fail_in_scopes) {
    const std::string kind = args.text(0, "kind");
    const auto other = static_cast<Oid>(args.bigint(1, "role"));
    work_and_fail(kind, other);
    return pg::make_void();
}

// ---------------------------------------------------------------- commits

namespace {

long g_delay_ms = 0;

void delay_invalidations(ResourceReleasePhase phase, bool commit, bool top_level, void * /*arg*/) {
    if (phase == RESOURCE_RELEASE_BEFORE_LOCKS && top_level) { // what transactions release first
        pg_usleep(commit ? 1000 * g_delay_ms : 0);
        g_delay_ms = 0;
    }
}

} // namespace

// delay_invalidations(ms): once the commit of this transaction can be seen, others hear so much later of what it
// invalidates.
HC_FUNCTION(hc_test_delay_invalidations) {
    static bool registered = false;
    if (!registered) {
        pg::call([] { RegisterResourceReleaseCallback(delay_invalidations, nullptr); });
        registered = true;
    }
    g_delay_ms = args.integer(0, "ms");
    return pg::make_void();
}
