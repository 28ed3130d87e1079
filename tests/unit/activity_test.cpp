// Activities: options, deadlines, and what becomes of an attempt that has ended (core/activity.hpp).
#include "core/activity.hpp"
#include "core/error.hpp"
#include "core/workflow_options.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <random>

namespace hc::core {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

using Course = AttemptEnd::Course;
using State = ActivityState;

constexpr Time kStart = from_unix_micros(1'700'000'000'000'000LL);

ActivityOptions options_of(const char *json) { return normalized(parse_activity_options(json), std::nullopt); }

Activity scheduled() {
    Activity activity;
    activity.scheduled = activity.due = kStart;
    return activity;
}

Activity started(std::int32_t attempt = 1) {
    Activity activity = scheduled();
    activity.state = State::started;
    activity.started = kStart;
    activity.attempt = attempt;
    return activity;
}

AttemptFailure failure(const char *json = R"({"message": "no"})") { return parse_attempt_failure(json); }

template <class Body>
std::string error_of(Body body) {
    try {
        body();
    } catch (const hc::Error &e) {
        return std::string(e.sqlstate()) + " " + e.detail();
    }
    return "";
}

// ---- options ----

TEST(ActivityOptions, FollowFromWhatIsGiven) {
    struct Case {
        const char *json;
        std::optional<Duration> run_timeout;
        std::optional<Duration> schedule_to_start, start_to_close, schedule_to_close, heartbeat;
    };
    const Case cases[] = {
        {R"({"start_to_close": "10s"})", {}, {}, seconds(10), {}, {}},
        {R"({"start_to_close": "10s"})", minutes(1), minutes(1), seconds(10), minutes(1), {}},
        {R"({"schedule_to_close": "1m"})", {}, minutes(1), minutes(1), minutes(1), {}},
        {R"({"schedule_to_close": "1m", "start_to_close": "2m", "schedule_to_start": "3m"})",
         {},
         minutes(1),
         minutes(1),
         minutes(1),
         {}},
        {R"({"schedule_to_close": "1h"})", minutes(1), minutes(1), minutes(1), minutes(1), {}},
        {R"({"start_to_close": "10s", "heartbeat": "1m"})", {}, {}, seconds(10), {}, seconds(10)},
        {R"({"schedule_to_close": "40000d"})", {}, kLongestWait, kLongestWait, kLongestWait, {}},
    };
    for (const Case &c : cases) {
        const ActivityOptions options = normalized(parse_activity_options(c.json), c.run_timeout);
        EXPECT_EQ(options.schedule_to_start, c.schedule_to_start) << c.json;
        EXPECT_EQ(options.start_to_close, c.start_to_close) << c.json;
        EXPECT_EQ(options.schedule_to_close, c.schedule_to_close) << c.json;
        EXPECT_EQ(options.heartbeat, c.heartbeat) << c.json;
    }
}

TEST(ActivityOptions, AreThoseOfTheTypeUnlessTheActivitySaysOtherwise) {
    const ActivityTypeOptions type = parse_activity_type(
        R"({"queue": "payments", "start_to_close": "30s", "priority": 2, "retry": {"max_attempts": 4}})");
    const ActivityOptions options = parse_activity_options(R"({"priority": 5, "activity_id": "a"})", type);
    EXPECT_EQ(options.queue, "payments");
    EXPECT_EQ(options.start_to_close, seconds(30));
    EXPECT_EQ(options.priority, 5);
    EXPECT_EQ(options.retry.maximum_attempts, 4);
    EXPECT_EQ(options.activity_id, "a");
    EXPECT_EQ(parse_activity_options("{}").queue, "default");
}

TEST(ActivityOptions, AreReadBackAsTheyWere) {
    const char *json = R"({"start_to_close": "1.5s", "schedule_to_close": "2h", "heartbeat": "100ms", "priority": 1,
        "fairness_key": "t", "fairness_weight": 0.5, "queue": "q", "cancellation": "wait", "activity_id": "x",
        "retry": {"initial_interval": "250ms", "coefficient": 1.5, "max_attempts": 7, "non_retryable": ["CardError"]}})";
    const std::string stored = activity_options_json(options_of(json));
    EXPECT_EQ(activity_options_json(parse_activity_options(stored)), stored);
    EXPECT_EQ(activity_options_json(normalized(parse_activity_options(stored), std::nullopt)), stored);
}

TEST(ActivityOptions, RefuseWhatIsWrong) {
    const std::pair<const char *, const char *> cases[] = {
        {R"({"start_to_close": "0s"})", "$.start_to_close"},
        {R"({"start_to_close": "-1s"})", "$.start_to_close"},
        {R"({"priority": 0})", "$.priority"},
        {R"({"priority": 6})", "$.priority"},
        {R"({"fairness_weight": 0})", "$.fairness_weight"},
        {R"({"fairness_key": ""})", "$.fairness_key"},
        {R"({"cancellation": "never"})", "$.cancellation"},
        {R"({"retry": {"coefficient": 0.5}})", "$.retry.coefficient"},
        {R"({"kind": "http"})", "$.kind"},
        {R"({"queue": 7})", "$.queue"},
        {R"([])", "$:"},
    };
    for (const auto &[json, where] : cases) {
        const std::string error = error_of([&] { parse_activity_options(json); });
        EXPECT_TRUE(error.starts_with("22023 ") && error.find(where) != std::string::npos) << json << ": " << error;
    }
    EXPECT_TRUE(error_of([] { options_of("{}"); }).starts_with("22023 $ has neither"));
    EXPECT_TRUE(error_of([] { options_of(R"({"heartbeat": "1s"})"); }).starts_with("22023 $ has neither"));
    for (const char *json :
         {R"({"kind": "http"})", R"({"provider": "p"})", R"({"kind": "http", "provider": "p", "queue": "q"})",
          R"({"activity_id": "a"})", R"({"kind": "sql"})"})
        EXPECT_TRUE(error_of([&] { parse_activity_type(json); }).starts_with("22023 ")) << json;
}

TEST(ActivityOptions, AreUpdated) {
    const ActivityOptions options =
        options_of(R"({"start_to_close": "10s", "heartbeat": "1s", "retry": {"max_attempts": 2}})");
    const ActivityOptions updated =
        updated_options(options, R"({"heartbeat": null, "retry": null, "start_to_close": "20s"})");
    EXPECT_EQ(updated.heartbeat, std::nullopt);
    EXPECT_EQ(updated.retry.maximum_attempts, 0);
    EXPECT_EQ(updated.start_to_close, seconds(20));
    EXPECT_TRUE(error_of([&] { updated_options(options, R"({"activity_id": "b"})"); }).starts_with("22023 "));
}

// ---- deadlines ----

TEST(ActivityDeadline, IsTheEarliest) {
    const auto deadline = [](const char *json, const Activity &activity) {
        return deadline_of(options_of(json), activity);
    };
    using Deadline = ActivityDeadline;
    EXPECT_EQ(deadline(R"({"start_to_close": "10s"})", scheduled()), std::nullopt);
    EXPECT_EQ(deadline(R"({"start_to_close": "10s"})", started()),
              (Deadline{kStart + seconds(10), ActivityTimeout::start_to_close}));
    EXPECT_EQ(deadline(R"({"start_to_close": "10s", "schedule_to_start": "5s"})", scheduled()),
              (Deadline{kStart + seconds(5), ActivityTimeout::schedule_to_start}));
    // of two at one time the first in the order of the enum
    EXPECT_EQ(deadline(R"({"schedule_to_close": "5s"})", scheduled()),
              (Deadline{kStart + seconds(5), ActivityTimeout::schedule_to_start}));
    EXPECT_EQ(deadline(R"({"schedule_to_close": "5s"})", started()),
              (Deadline{kStart + seconds(5), ActivityTimeout::start_to_close}));

    // the wait of a later attempt counts from its own time, all of them from the first
    Activity backing_off = scheduled();
    backing_off.state = State::backing_off;
    backing_off.attempt = 2;
    backing_off.due = kStart + seconds(30);
    const char *both = R"({"start_to_close": "10s", "schedule_to_start": "20s", "schedule_to_close": "1m"})";
    EXPECT_EQ(deadline(both, backing_off), (Deadline{kStart + seconds(50), ActivityTimeout::schedule_to_start}));
    backing_off.due = kStart + seconds(50);
    EXPECT_EQ(deadline(both, backing_off), (Deadline{kStart + minutes(1), ActivityTimeout::schedule_to_close}));

    Activity alive = started();
    const char *beating = R"({"start_to_close": "1h", "heartbeat": "10s"})";
    EXPECT_EQ(deadline(beating, alive), (Deadline{kStart + seconds(10), ActivityTimeout::heartbeat}));
    alive.heartbeat = kStart + seconds(8);
    EXPECT_EQ(deadline(beating, alive), (Deadline{kStart + seconds(18), ActivityTimeout::heartbeat}));
    alive.lease = seconds(3);
    EXPECT_EQ(deadline(beating, alive), (Deadline{kStart + seconds(11), ActivityTimeout::heartbeat}));

    Activity paused = scheduled();
    paused.state = State::paused;
    EXPECT_EQ(deadline(both, paused), std::nullopt);
    Activity pausing = started();
    pausing.pause_requested = true;
    EXPECT_EQ(deadline(both, pausing), (Deadline{kStart + seconds(10), ActivityTimeout::start_to_close}));
}

// ---- attempts that end ----

TEST(AttemptEnd, BacksOffAsThePolicySays) {
    const ActivityOptions options =
        options_of(R"({"start_to_close": "10s", "retry": {"initial_interval": "2s", "max_attempts": 4}})");
    for (std::int32_t attempt = 1; attempt <= 3; ++attempt) {
        const AttemptEnd end = end_by_failure(options, started(attempt), failure(), kStart + seconds(1));
        ASSERT_EQ(end.course, Course::again);
        EXPECT_EQ(end.activity.state, State::backing_off);
        EXPECT_EQ(end.activity.attempt, attempt + 1);
        EXPECT_EQ(end.activity.due, kStart + seconds(1) + seconds(2 << (attempt - 1)));
        EXPECT_EQ(end.activity.scheduled, kStart);
        EXPECT_FALSE(end.activity.started);
        EXPECT_EQ(nlohmann::json::parse(end.last_failure)["message"], "no");
    }
    const AttemptEnd last = end_by_failure(options, started(4), failure(), kStart);
    EXPECT_EQ(last.course, Course::failed);
    EXPECT_EQ(last.retry_state, RetryState::maximum_attempts_reached);
    EXPECT_EQ(last.failure.sqlstate, "WF023");
    EXPECT_EQ(nlohmann::json::parse(last.failure.detail)["attempt"], 4);
}

TEST(AttemptEnd, OfAFailureThatSaysSo) {
    const ActivityOptions options =
        options_of(R"({"start_to_close": "10s", "retry": {"non_retryable": ["CardError", "22"]}})");
    for (const char *json : {R"({"message": "m", "non_retryable": true})", R"({"message": "m", "type": "CardError"})",
                             R"({"message": "m", "sqlstate": "22012"})"}) {
        const AttemptEnd end = end_by_failure(options, started(), failure(json), kStart);
        EXPECT_EQ(end.course, Course::failed) << json;
        EXPECT_EQ(end.retry_state, RetryState::non_retryable_failure) << json;
    }
    EXPECT_EQ(end_by_failure(options, started(), failure(R"({"message": "m", "type": "Card"})"), kStart).course,
              Course::again);
    const AttemptEnd delayed =
        end_by_failure(options, started(), failure(R"({"message": "m", "next_retry_delay": "5h"})"), kStart);
    EXPECT_EQ(delayed.activity.due, kStart + hours(5)); // longer than the longest interval
    const AttemptEnd at_once =
        end_by_failure(options, started(), failure(R"({"message": "m", "next_retry_delay": "0s"})"), kStart);
    EXPECT_EQ(at_once.activity.state, State::scheduled);
    const AttemptEnd told = end_by_failure(
        options, started(),
        failure(R"({"message": "m", "sqlstate": "P0001", "type": "T", "details": [1], "non_retryable": true})"),
        kStart);
    EXPECT_EQ(told.failure.sqlstate, "P0001");
    EXPECT_EQ(
        nlohmann::json::parse(told.failure.detail),
        nlohmann::json::parse(R"({"type": "T", "attempt": 1, "retry_state": "NonRetryableFailure", "details": [1]})"));
}

TEST(AttemptEnd, WithoutTimeForAnotherIsATimeout) {
    const ActivityOptions options =
        options_of(R"({"start_to_close": "10s", "schedule_to_close": "1m", "retry": {"initial_interval": "30s"}})");
    EXPECT_EQ(end_by_failure(options, started(), failure(), kStart + seconds(30)).course,
              Course::again); // exactly then
    const AttemptEnd end = end_by_failure(options, started(), failure(), kStart + seconds(31));
    EXPECT_EQ(end.course, Course::timed_out);
    EXPECT_EQ(end.timeout, ActivityTimeout::schedule_to_close);
    EXPECT_EQ(end.failure.sqlstate, "WF024");
    EXPECT_TRUE(end.failure.message.starts_with("Not enough time to schedule next retry"));
    EXPECT_EQ(nlohmann::json::parse(end.failure.detail)["cause"]["message"], "no");
}

TEST(AttemptEnd, ByTimeout) {
    const ActivityOptions options = options_of(R"({"start_to_close": "10s", "retry": {"max_attempts": 2}})");
    for (const ActivityTimeout timeout : {ActivityTimeout::start_to_close, ActivityTimeout::heartbeat}) {
        EXPECT_EQ(end_by_timeout(options, started(1), timeout, "", kStart).course, Course::again);
        const AttemptEnd last = end_by_timeout(options, started(2), timeout, R"({"message": "before"})", kStart);
        EXPECT_EQ(last.course, Course::timed_out);
        EXPECT_EQ(last.timeout, timeout);
        EXPECT_EQ(nlohmann::json::parse(last.failure.detail)["cause"]["message"], "before");
    }
    for (const ActivityTimeout timeout : {ActivityTimeout::schedule_to_start, ActivityTimeout::schedule_to_close}) {
        const AttemptEnd end = end_by_timeout(options, started(1), timeout, "", kStart);
        EXPECT_EQ(end.course, Course::timed_out);
        EXPECT_EQ(end.retry_state, RetryState::timeout);
    }
    const ActivityOptions listed =
        options_of(R"({"start_to_close": "10s", "retry": {"non_retryable": ["TemporalTimeout:StartToClose"]}})");
    EXPECT_EQ(end_by_timeout(listed, started(), ActivityTimeout::start_to_close, "", kStart).course, Course::timed_out);
    EXPECT_EQ(end_by_timeout(listed, started(), ActivityTimeout::heartbeat, "", kStart).course, Course::again);
}

TEST(AttemptEnd, FollowsWhatWasAskedForMeanwhile) {
    const ActivityOptions options = options_of(R"({"start_to_close": "10s", "retry": {"max_attempts": 1}})");
    Activity canceled = started();
    canceled.cancel_requested = true;
    const AttemptEnd end = end_by_failure(options, canceled, failure(), kStart);
    EXPECT_EQ(end.course, Course::failed);
    EXPECT_EQ(end.retry_state, RetryState::cancel_requested);
    EXPECT_EQ(end_by_timeout(options, canceled, ActivityTimeout::start_to_close, "", kStart).retry_state,
              RetryState::cancel_requested);

    Activity pausing = started(3);
    pausing.pause_requested = true;
    const AttemptEnd paused = end_by_failure(options, pausing, failure(), kStart); // whatever the number of attempts
    EXPECT_EQ(paused.course, Course::again);
    EXPECT_EQ(paused.activity.state, State::paused);
    EXPECT_EQ(paused.activity.attempt, 4);
    EXPECT_FALSE(paused.activity.pause_requested);
    EXPECT_EQ(end_by_failure(options, pausing, failure(R"({"message": "m", "non_retryable": true})"), kStart).course,
              Course::failed);

    Activity again = started(3);
    again.reset_requested = true;
    const AttemptEnd reset =
        end_by_failure(options, again, failure(R"({"message": "m", "next_retry_delay": "1h"})"), kStart);
    EXPECT_EQ(reset.activity.attempt, 1);
    EXPECT_EQ(reset.activity.state, State::scheduled);
    EXPECT_EQ(reset.activity.due, kStart);
}

// Whatever happens: attempts are counted up, times do not go back, and one that closes says why.
TEST(AttemptEnd, Property) {
    std::mt19937 random(7);
    const auto maybe = [&random] { return random() % 4 == 0; };
    for (int round = 0; round < 5000; ++round) {
        ActivityOptions options;
        options.start_to_close = seconds(1 + random() % 100);
        if (maybe())
            options.schedule_to_close = seconds(1 + random() % 300);
        options.retry.maximum_attempts = static_cast<std::int32_t>(random() % 5);
        options = normalized(options, std::nullopt);
        Activity activity = started(1 + static_cast<std::int32_t>(random() % 4));
        activity.cancel_requested = maybe();
        activity.pause_requested = maybe();
        activity.reset_requested = !activity.pause_requested && maybe();
        const Time now = kStart + seconds(random() % 400);
        const AttemptEnd end = maybe() ? end_by_timeout(options, activity, ActivityTimeout::start_to_close, "", now)
                                       : end_by_failure(options, activity, failure(), now);
        if (end.course == Course::again) {
            EXPECT_FALSE(activity.cancel_requested);
            EXPECT_EQ(end.activity.attempt, activity.reset_requested ? 1 : activity.attempt + 1);
            EXPECT_GE(end.activity.due, now);
            EXPECT_FALSE(end.last_failure.empty());
            const bool limited = options.schedule_to_close && !activity.pause_requested && !activity.reset_requested;
            EXPECT_TRUE(!limited || end.activity.due <= kStart + *options.schedule_to_close);
        } else {
            EXPECT_FALSE(end.failure.sqlstate.empty());
            EXPECT_TRUE(nlohmann::json::parse(end.failure.detail).contains("retry_state"));
        }
    }
}

TEST(AttemptFailure, RefusesWhatIsWrong) {
    for (const char *json : {"{}", "[]", R"({"message": ""})", R"({"message": "m", "sqlstate": "00000"})",
                             R"({"message": "m", "sqlstate": "p0001"})", R"({"message": "m", "sqlstate": "0100"})",
                             R"({"message": "m", "next_retry_delay": "-1s"})", R"({"message": "m", "other": 1})"})
        EXPECT_TRUE(error_of([&] { parse_attempt_failure(json); }).starts_with("22023 $")) << json;
}

} // namespace
// A back-off that is under way follows the policy, from the end of the attempt before.
TEST(Activity, OtherOptionsDuringABackOff) {
    const ActivityOptions before = parse_activity_options(
        R"({"start_to_close": "1m", "retry": {"initial_interval": "10s", "coefficient": 2, "max_attempts": 9}})");
    const auto after = [&before](const char *json) { return updated_options(before, json); };
    const Time ended = from_unix_micros(1'700'000'000'000'000);
    Activity activity;
    activity.state = ActivityState::backing_off;
    activity.attempt = 3; // the second attempt has failed: 20 s
    activity.due = ended + std::chrono::seconds(20);
    const Time now = ended + std::chrono::seconds(5);

    const Activity longer = with_options(before, after(R"({"retry": {"initial_interval": "30s"}})"), activity, "", now);
    EXPECT_EQ(longer.due, ended + std::chrono::seconds(60));
    EXPECT_EQ(longer.state, ActivityState::backing_off);
    const Activity over = with_options(before, after(R"({"retry": {"initial_interval": "1s", "max_attempts": 2}})"),
                                       activity, R"({"message": "m"})", now);
    EXPECT_EQ(over.due, ended + std::chrono::seconds(2));
    EXPECT_EQ(over.state, ActivityState::scheduled);
    EXPECT_EQ(over.attempt, 3);
    const char *given = R"({"message": "m", "next_retry_delay": "20s"})";
    EXPECT_EQ(with_options(before, after(R"({"retry": {"initial_interval": "1s"}})"), activity, given, now).due,
              activity.due);
    EXPECT_EQ(with_options(before, after(R"({"priority": 1})"), activity, "", now).due, activity.due);

    activity.state = ActivityState::paused;
    const Activity paused = with_options(before, after(R"({"retry": {"initial_interval": "1s"}})"), activity, "", now);
    EXPECT_EQ(paused.state, ActivityState::paused);
    EXPECT_EQ(paused.due, ended + std::chrono::seconds(2));
    activity.state = ActivityState::started;
    EXPECT_EQ(with_options(before, after(R"({"retry": {"initial_interval": "1s"}})"), activity, "", now).due,
              activity.due);
    activity.state = ActivityState::scheduled;
    activity.attempt = 1;
    EXPECT_EQ(with_options(before, after(R"({"retry": {"initial_interval": "1s"}})"), activity, "", now).due,
              activity.due);
}

TEST(Activity, AGivenDelayIsKeptWithTheFailure) {
    const ActivityOptions options = parse_activity_options(R"({"start_to_close": "1m"})");
    Activity activity;
    activity.state = ActivityState::started;
    const AttemptEnd end = end_by_failure(
        options, activity, parse_attempt_failure(R"({"message": "m", "next_retry_delay": "1h"})"), Time{});
    EXPECT_NE(end.last_failure.find(R"("next_retry_delay":"1h")"), std::string::npos) << end.last_failure;
}

} // namespace hc::core
