// SQL functions for tests of users.
#include "engine/fakes.hpp"
#include "engine/test_clock.hpp"
#include "engine/verb.hpp"
#include "pg/function.hpp"

using namespace hc;

HC_FUNCTION(hc_test_mode) {
    const bool marked = args.boolean(0, "marked");
    engine::Verb verb;
    engine::set_test_mode(marked);
    verb.finish();
    return pg::make_void();
}

HC_FUNCTION(hc_test_advance) {
    const core::Duration by = args.interval(0, "by"), timeout = args.interval(1, "timeout");
    engine::Verb verb;
    const core::Time now = engine::test_advance(by, timeout);
    verb.finish();
    return pg::make_timestamptz(now);
}

HC_FUNCTION(hc_test_settle) {
    const core::Duration timeout = args.interval(0, "timeout");
    engine::Verb verb;
    const bool settled = engine::test_settle(timeout);
    verb.finish();
    return pg::make_bool(settled);
}

HC_FUNCTION(hc_fake_activity) {
    const std::string name = args.text(0, "name"), answers = args.json(1, "answers");
    engine::Verb verb;
    engine::fake_activity(name, answers, verb.user());
    verb.finish();
    return pg::make_void();
}

HC_FUNCTION(hc_drop_fake_activity) {
    const std::string name = args.text(0, "name");
    engine::Verb verb;
    engine::drop_fake_activity(name);
    verb.finish();
    return pg::make_void();
}
