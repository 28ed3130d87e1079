// Errors that leave an assignment of PL/pgSQL, which is evaluated again afterwards. Runs in backends.
#include "failures.hpp"

#include "core/error.hpp"
#include "pg/plpgsql.hpp"

using namespace hc;

namespace {

std::int32_t g_depth = 0;

} // namespace

// leave(value, fails, tells): the value, or WF001; `tells`: by way of end_assignment. With SPI between PL/pgSQL and the
// call there is one more context than without.
HC_FUNCTION(hc_test_leave) {
    const std::string value = args.text(0, "value");
    g_depth = 0;
    for (const ErrorContextCallback *context = error_context_stack; context != nullptr; context = context->previous) {
        ++g_depth;
    }
    if (args.boolean(1, "fails")) {
        if (args.boolean(2, "tells")) {
            pg::end_assignment();
        }
        throw Error("WF001", "left");
    }
    return pg::make_text(value);
}

HC_FUNCTION(hc_test_left_depth) { return pg::make_int32(g_depth); }
