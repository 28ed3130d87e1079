// Function, hook and quiet boundaries, and pg::call itself, driven from SQL. Runs in backends.
#include "failures.hpp"

#include "core/error.hpp"
#include "pg/spi.hpp"

#include <stdexcept>

extern "C" {
HC_EXPORT const Pg_magic_struct *Pg_magic_func(void);
PG_MODULE_MAGIC;
}

using namespace hc;

HC_FUNCTION(hc_test_live) { return pg::make_int32(static_cast<std::int32_t>(test::live())); }
HC_FUNCTION(hc_test_made) { return pg::make_int32(static_cast<std::int32_t>(test::made())); }

// ---------------------------------------------------------------- function boundary

HC_FUNCTION(hc_test_fail) {
    const std::string kind = args.text(0, "kind");
    const test::Probe probe;
    test::fail(kind);
    return pg::make_text("did not fail");
}

// The same in the middle of a set.
HC_FUNCTION(hc_test_fail_set) {
    const std::string kind = args.text(0, "kind");
    pg::ResultSet rows(args);
    for (std::int32_t i = 1; i <= 3; ++i) {
        const test::Probe probe;
        rows.add(i);
        if (i == 2) {
            test::fail(kind);
        }
    }
    return rows.done();
}

// fail_text(place, text): an error with `text` as its message, detail or hint, or as what() of a standard exception.
HC_FUNCTION(hc_test_fail_text) {
    const std::string place = args.text(0, "place");
    const std::string content = args.text(1, "text");
    if (place == "std") {
        throw std::runtime_error(content);
    }
    throw Error("WF001", place == "message" ? content : "short", place == "detail" ? content : "",
                place == "hint" ? content : "");
}

// The error cannot be copied: its home has no memory left.
HC_FUNCTION(hc_test_fail_uncopyable) {
    const test::Probe probe;
    const pg::error_home_scope home(test::make_starved_context());
    pg::call(test::raise_planned);
    return pg::make_void();
}

// ---------------------------------------------------------------- pg::call

namespace {

void on_error_context(void * /*arg*/) { errcontext("of the test's callback"); }

void raise_under_callback() {
    ErrorContextCallback callback;
    callback.previous = error_context_stack;
    callback.callback = on_error_context;
    callback.arg = nullptr;
    error_context_stack = &callback;
    test::raise_planned();
}

// By number: reading a text argument would be a pg::call before the stacks are looked at.
void use_call(std::int32_t mode) {
    switch (mode) {
    case 0: // returns
        pg::call([] {});
        break;
    case 1: // meets a PostgreSQL error
        pg::call(test::raise_planned);
        break;
    case 2: // meets one below an error context callback
        pg::call(raise_under_callback);
        break;
    case 3: // is passed by a C++ exception
        pg::call([] { throw 42; });
        break;
    case 4: // meets one from a boundary inside this one
        test::fail("spi");
        break;
    default:
        throw Error(sqlstate::invalid_parameter, "no such mode");
    }
}

struct Stacks {
    sigjmp_buf *exceptions = PG_exception_stack;
    ErrorContextCallback *contexts = error_context_stack;
};

// Puts everything right by itself, so that a broken pg::call is a failed test and not a crash.
template <class Body>
bool keeps_stacks(Body body) {
    const Stacks before;
    try {
        body();
    } catch (...) { // only the stacks are looked at; the caller's statement ends soon
    }
    const Stacks after;
    PG_exception_stack = before.exceptions;
    error_context_stack = before.contexts;
    return before.exceptions == after.exceptions && before.contexts == after.contexts;
}

bool error_stack_is_empty() {
    bool empty = false;
    try {
        pg::call([] { geterrcode(); }); // raises when there is no error to tell the code of
    } catch (const pg::error &e) {
        empty = std::string_view(e.what()) == "errstart was not called";
    }
    FlushErrorState();
    return empty;
}

} // namespace

HC_FUNCTION(hc_test_keeps_stacks) {
    const std::int32_t mode = args.integer(0, "mode");
    return pg::make_bool(keeps_stacks([&] { use_call(mode); }));
}

HC_FUNCTION(hc_test_empties_error_stack) {
    const std::int32_t mode = args.integer(0, "mode");
    keeps_stacks([&] { use_call(mode); });
    return pg::make_bool(error_stack_is_empty());
}

// Where PostgreSQL stands after an error was caught: in the context of the boundary, whatever was current when it
// arose.
HC_FUNCTION(hc_test_returns_home) {
    MemoryContext home = CurrentMemoryContext;
    bool same = false;
    keeps_stacks([&] {
        try {
            pg::call([] {
                MemoryContextSwitchTo(TopMemoryContext);
                test::raise_planned();
            });
        } catch (const pg::error &) {
            same = CurrentMemoryContext == home;
            throw;
        }
    });
    MemoryContextSwitchTo(home);
    return pg::make_bool(same);
}

// What C++ sees of a PostgreSQL error: sqlstate|message|detail|hint|context, all of it readable after the error state
// went.
HC_FUNCTION(hc_test_seen_error) {
    std::string seen;
    keeps_stacks([&] {
        try {
            pg::call(raise_under_callback);
        } catch (const pg::error &e) {
            const ErrorData *d = e.data();
            seen = fmt::format("{}|{}|{}|{}|{}", unpack_sql_state(e.sqlerrcode()), e.what(), d->detail, d->hint,
                               d->context);
        }
    });
    return pg::make_text(seen);
}

HC_FUNCTION(hc_test_call_result) {
    const std::int32_t value =
        pg::call([] { return DatumGetInt32(DirectFunctionCall1(int4in, CStringGetDatum("17"))); });
    return pg::make_int32(value);
}

// ---------------------------------------------------------------- hook boundary

namespace {

ProcessUtility_hook_type g_next_utility = nullptr;

// LISTEN fail_<kind> fails in that way inside a hook boundary.
void on_utility(PlannedStmt *statement, const char *text, bool read_only_tree, ProcessUtilityContext context,
                ParamListInfo params, QueryEnvironment *environment, DestReceiver *receiver,
                QueryCompletion *completion) {
    if (IsA(statement->utilityStmt, ListenStmt)) {
        const char *channel = reinterpret_cast<ListenStmt *>(statement->utilityStmt)->conditionname;
        if (std::strncmp(channel, "fail_", 5) == 0) {
            pg::hook_boundary([channel] {
                const test::Probe probe;
                test::fail(channel + 5);
            });
            return;
        }
    }
    auto *next = g_next_utility != nullptr ? g_next_utility : standard_ProcessUtility;
    next(statement, text, read_only_tree, context, params, environment, receiver, completion);
}

} // namespace

HC_FUNCTION(hc_test_install_hook) {
    if (ProcessUtility_hook != on_utility) {
        g_next_utility = ProcessUtility_hook;
        ProcessUtility_hook = on_utility;
    }
    return pg::make_void();
}

// ---------------------------------------------------------------- quiet boundary

namespace {

char g_commit_kind[32]; // how the callbacks of the next transaction end fail; empty: they do nothing
char g_commit_event[32];
int g_commit_runs = 0;
bool g_commit_kept_stacks = true;
bool g_commit_kept_context = true;
bool g_commit_kept_interrupts = true;

const char *event_name(XactEvent event) {
    switch (event) {
    case XACT_EVENT_PRE_COMMIT:
        return "pre-commit";
    case XACT_EVENT_COMMIT:
        return "commit";
    case XACT_EVENT_ABORT:
        return "abort";
    default:
        return "";
    }
}

void on_transaction_end(XactEvent event, void * /*arg*/) {
    if (g_commit_kind[0] == '\0' || std::strcmp(event_name(event), g_commit_event) != 0) {
        return;
    }
    const Stacks before;
    MemoryContext context = CurrentMemoryContext;
    const uint32 holds = InterruptHoldoffCount;
    pg::quiet_boundary([] {
        const test::Probe probe;
        const std::string kind = g_commit_kind;
        g_commit_kind[0] = '\0';
        ++g_commit_runs;
        test::fail(kind);
    });
    const Stacks after;
    g_commit_kept_stacks = before.exceptions == after.exceptions && before.contexts == after.contexts;
    g_commit_kept_context = context == CurrentMemoryContext;
    g_commit_kept_interrupts = holds == InterruptHoldoffCount;
    InterruptHoldoffCount = holds; // the session must go on to tell of it
    MemoryContextSwitchTo(context);
}

} // namespace

// fail_at(event, kind): the end of this transaction meets that failure inside a quiet boundary.
HC_FUNCTION(hc_test_fail_at) {
    static bool registered = false;
    const std::string event = args.text(0, "event");
    const std::string kind = args.text(1, "kind");
    strlcpy(g_commit_event, event.c_str(), sizeof g_commit_event);
    strlcpy(g_commit_kind, kind.c_str(), sizeof g_commit_kind);
    g_commit_runs = 0;
    if (!registered) {
        registered = true;
        pg::call([] { RegisterXactCallback(on_transaction_end, nullptr); });
    }
    return pg::make_void();
}

// What the callback left behind, as text; `ran` when everything is as it was.
HC_FUNCTION(hc_test_after_end) {
    std::string result = g_commit_runs == 1 ? "ran" : "did not run";
    result += g_commit_kept_stacks ? "" : ", lost the error stacks";
    result += g_commit_kept_context ? "" : ", left another memory context";
    result += g_commit_kept_interrupts ? "" : ", changed the interrupt hold";
    return pg::make_text(result);
}
