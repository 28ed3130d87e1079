// Options and failures of activities: whatever the bytes, a result or hc::Error; what is read is normalised and judged
// without a fault, and stored options are read back as they were.
#include "core/activity.hpp"
#include "core/error.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    using namespace hc::core;
    const std::string_view text(reinterpret_cast<const char *>(data), size);
    const Time now = from_unix_micros(1'700'000'000'000'000LL);
    try {
        parse_activity_type(text);
    } catch (const hc::Error &) {
    }
    try {
        const ActivityOptions options = normalized(parse_activity_options(text), std::chrono::hours(1));
        const std::string stored = activity_options_json(options);
        if (activity_options_json(parse_activity_options(stored)) != stored) {
            __builtin_trap();
        }
        Activity activity;
        activity.scheduled = activity.due = now;
        activity.started = now;
        activity.state = ActivityState::started;
        deadline_of(options, activity);
        end_by_timeout(options, activity, ActivityTimeout::start_to_close, text, now + std::chrono::minutes(1));
        end_by_failure(options, activity, {}, now + std::chrono::minutes(1));
    } catch (const hc::Error &) {
    }
    try {
        ActivityOptions options;
        options.start_to_close = std::chrono::seconds(1);
        Activity activity;
        activity.started = now;
        end_by_failure(options, activity, parse_attempt_failure(text), now);
    } catch (const hc::Error &) {
    }
    return 0;
}
