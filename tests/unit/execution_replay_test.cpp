// The replay of workflow functions: bodies are lambdas over a driver that plays the part of the executor.
#include "core/execution_replay.hpp"

#include "core/error.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

using namespace hc::core;

namespace {

using Type = ExecutionEventType;
using Kind = CallAnswer::Kind;

struct Suspended {};
struct Canceled {};
struct Failed {
    std::string failure;
};

Time at(int seconds) {
    return kNever == Time{} ? Time{} : from_unix_micros(1'700'000'000'000'000LL + seconds * 1'000'000LL);
}

// An executor in small: calls the body until it waits or ends; time goes one second a turn.
class Driver {
public:
    using Body = std::function<std::string(Driver &)>;

    explicit Driver(Body body) : body_(std::move(body)) {
        history_.push_back({.type = Type::workflow_execution_started, .time = at(0), .name = "test"});
    }

    // ---- verbs of the body ----

    std::string step(const std::string &name, std::uint64_t hash = 1) {
        const CallAnswer answer = replay_->call({CommandKind::step, name, hash});
        if (answer.kind == Kind::fresh) {
            step_ = ExecutionEvent{.type = Type::step_completed, .hash = hash, .name = name};
            throw Suspended{};
        }
        return result(answer);
    }

    std::string side_effect(const std::string &value) {
        const Command command{CommandKind::side_effect, "", 0};
        CallAnswer answer = replay_->call(command);
        if (answer.kind == Kind::fresh) {
            replay_->record(
                {.type = Type::marker_recorded, .time = clock_, .kind = CommandKind::side_effect, .payload = value});
            answer = replay_->repeat(command);
        }
        return result(answer);
    }

    std::string sleep(int seconds) { return wait({CommandKind::sleep, "", 0}, Type::timer_started, seconds); }
    std::string wait_signal(const std::string &name, std::optional<int> seconds = {}) {
        return wait({CommandKind::wait_signal, name, 0}, Type::signal_awaited, seconds);
    }
    int version(const std::string &change, int oldest, int newest) {
        bool fresh = false;
        const int version = replay_->version(change, oldest, newest, fresh);
        if (fresh) {
            replay_->add({.type = Type::marker_recorded,
                          .time = clock_,
                          .kind = CommandKind::version,
                          .name = change,
                          .payload = std::to_string(version)});
        }
        return version;
    }
    std::uint32_t start_timer(int seconds) {
        wait({CommandKind::timer, "", 0}, Type::timer_started, seconds, CommandKind::timer);
        return replay_->command();
    }
    std::uint32_t start_child(const std::string &type) {
        wait({CommandKind::child, type, 0}, Type::child_started, std::nullopt);
        return replay_->command();
    }
    std::string await(std::uint32_t handle) { return result(replay_->await(handle)); }
    std::uint32_t await_any(std::vector<std::uint32_t> handles) {
        CallAnswer answer;
        if (const auto first = replay_->await_any(handles, answer))
            return *first;
        result(answer);
        return 0;
    }
    Replay &replay() { return *replay_; }

    // ---- the world ----

    void signal(const std::string &name, const std::string &payload, const std::string &request = "") {
        inbox_.push_back({.type = Type::signal_received, .name = name, .payload = payload, .text = request});
    }
    void end_child(std::uint32_t command, const std::string &payload, bool failed = false) {
        inbox_.push_back(
            {.type = failed ? Type::child_failed : Type::child_completed, .command = command, .payload = payload});
    }
    void cancel() { inbox_.push_back({.type = Type::cancel_requested, .text = "asked"}); }
    void pass_time(int seconds) { clock_ += std::chrono::seconds(seconds); }
    void change(Body body) { body_ = std::move(body); }
    std::string on_step(const std::string &name) {
        effects.push_back(name);
        return "\"done " + name + "\"";
    }

    // One turn: "waiting", or what the body returned, or "canceled", or "failed: ..".
    std::string turn() {
        clock_ += std::chrono::seconds(1);
        replay_.emplace(WorkflowId{}, decode_execution(encode_execution(history_, std::nullopt)));
        for (ExecutionEvent event : std::exchange(inbox_, {})) {
            event.time = clock_;
            if (event.text.empty() || event.type != Type::signal_received || !replay_->knows_request(event.text))
                replay_->add(event);
        }
        for (const PendingTimer &timer : timers_) {
            if (timer.due <= clock_ && replay_->timer_is_pending(timer.command))
                replay_->add({.type = Type::timer_fired, .time = clock_, .command = timer.command});
        }
        const std::string end = run();
        history_ = replay_->events();
        timers_ = replay_->pending_timers();
        return end;
    }

    std::vector<std::string> effects;
    const std::vector<ExecutionEvent> &history() const { return history_; }
    const std::vector<PendingTimer> &timers() const { return timers_; }

private:
    std::string run() {
        for (;;) {
            replay_->restart();
            try {
                const std::string result = body_(*this);
                replay_->check_end();
                return result;
            } catch (const Suspended &) {
            } catch (const Canceled &) {
                return "canceled";
            } catch (const Failed &failed) {
                return "failed: " + failed.failure;
            } catch (const Nondeterminism &e) {
                return std::string("nondeterminism: ") + e.what();
            }
            if (!step_)
                return "waiting";
            step_->time = clock_;
            step_->payload = on_step(step_->name);
            if (step_->name == "bad")
                step_->type = Type::step_failed;
            replay_->record(*std::exchange(step_, {}));
        }
    }

    std::string wait(const Command &command, Type type, std::optional<int> seconds,
                     CommandKind kind = CommandKind::none) {
        CallAnswer answer = replay_->call(command);
        if (answer.kind == Kind::fresh) {
            ExecutionEvent event{.type = type, .time = clock_, .kind = kind, .name = command.name};
            if (seconds)
                event.due = clock_ + std::chrono::seconds(*seconds);
            replay_->record(event);
            answer = replay_->repeat(command);
        }
        return result(answer);
    }

    static std::string result(const CallAnswer &answer) {
        switch (answer.kind) {
        case Kind::result:
            return std::string(answer.payload);
        case Kind::failure:
            throw Failed{std::string(answer.payload)};
        case Kind::canceled:
            throw Canceled{};
        default:
            throw Suspended{};
        }
    }

    Body body_;
    std::vector<ExecutionEvent> history_, inbox_;
    std::vector<PendingTimer> timers_;
    std::optional<Replay> replay_;
    std::optional<ExecutionEvent> step_;
    Time clock_ = at(0);
};

using Effects = std::vector<std::string>;

// The elements of a braced list are evaluated in their order, operands of + are not.
std::string in_order(std::initializer_list<std::string> parts) {
    std::string all;
    for (const std::string &part : parts)
        all += part;
    return all;
}

} // namespace

TEST(ExecutionReplay, StepsAreDoneOnceInOrder) {
    int calls = 0;
    Driver driver([&](Driver &d) {
        ++calls;
        return in_order({d.step("a"), d.step("b"), d.step("c")});
    });
    EXPECT_EQ(driver.turn(), "\"done a\"\"done b\"\"done c\"");
    EXPECT_EQ(driver.effects, (Effects{"a", "b", "c"}));
    EXPECT_EQ(calls, 4);
}

TEST(ExecutionReplay, AStepBetweenSleepsIsNotRepeated) {
    Driver driver([](Driver &d) {
        d.step("a");
        d.sleep(60);
        d.step("b");
        d.sleep(60);
        return d.step("c");
    });
    EXPECT_EQ(driver.turn(), "waiting");
    EXPECT_EQ(driver.timers(), (std::vector<PendingTimer>{{2, at(61)}}));
    EXPECT_EQ(driver.turn(), "waiting");
    driver.pass_time(60);
    EXPECT_EQ(driver.turn(), "waiting");
    EXPECT_EQ(driver.effects, (Effects{"a", "b"}));
    driver.pass_time(60);
    EXPECT_EQ(driver.turn(), "\"done c\"");
    EXPECT_EQ(driver.effects, (Effects{"a", "b", "c"}));
    EXPECT_TRUE(driver.timers().empty());
}

TEST(ExecutionReplay, AFailedStepFailsInTheBodyWhichMayGoOn) {
    Driver driver([](Driver &d) -> std::string {
        try {
            d.step("bad");
        } catch (const Failed &) {
            return d.step("other");
        }
        return "no";
    });
    EXPECT_EQ(driver.turn(), "\"done other\"");
    EXPECT_EQ(driver.history()[1].type, Type::step_failed);
}

TEST(ExecutionReplay, SignalsAreTakenInOrderByName) {
    Driver driver([](Driver &d) { return in_order({d.wait_signal("x"), d.wait_signal("y"), d.wait_signal("x")}); });
    driver.signal("x", "1");
    driver.signal("x", "2"); // before anybody waits for it
    EXPECT_EQ(driver.turn(), "waiting");
    driver.signal("z", "0");
    EXPECT_EQ(driver.turn(), "waiting");
    driver.signal("y", "3");
    EXPECT_EQ(driver.turn(), "132");
}

TEST(ExecutionReplay, ASignalWithAKnownRequestIdIsOne) {
    Driver driver([](Driver &d) { return in_order({d.wait_signal("x"), d.wait_signal("x")}); });
    driver.signal("x", "1", "r1");
    EXPECT_EQ(driver.turn(), "waiting");
    driver.signal("x", "9", "r1");
    EXPECT_EQ(driver.turn(), "waiting");
    driver.signal("x", "2", "r2");
    EXPECT_EQ(driver.turn(), "12");
}

TEST(ExecutionReplay, WhatCameFirstEndsAWaitEverAfter) {
    const auto body = [](Driver &d) {
        const std::string got = d.wait_signal("x", 10);
        d.sleep(100);
        return "got " + got;
    };
    Driver late(body);
    EXPECT_EQ(late.turn(), "waiting");
    late.pass_time(10);
    EXPECT_EQ(late.turn(), "waiting"); // its timer fired
    late.signal("x", "1");
    EXPECT_EQ(late.turn(), "waiting");
    late.pass_time(100);
    EXPECT_EQ(late.turn(), "got ");

    Driver early(body);
    early.signal("x", "1");
    EXPECT_EQ(early.turn(), "waiting");
    EXPECT_EQ(early.timers(), (std::vector<PendingTimer>{{2, at(101)}})); // no timer of the wait that is over
    early.pass_time(100);
    EXPECT_EQ(early.turn(), "got 1");
}

TEST(ExecutionReplay, TheSignalMissedByATimeoutIsForTheNextWait) {
    Driver driver([](Driver &d) { return in_order({d.wait_signal("x", 10), ",", d.wait_signal("x", 1000)}); });
    EXPECT_EQ(driver.turn(), "waiting");
    driver.pass_time(10);
    EXPECT_EQ(driver.turn(), "waiting");
    driver.signal("x", "1");
    EXPECT_EQ(driver.turn(), ",1");
}

TEST(ExecutionReplay, CancelIsDeliveredOnceAndCleanUpRuns) {
    Driver driver([](Driver &d) -> std::string {
        try {
            d.step("work");
            d.sleep(1000);
        } catch (const Canceled &) {
            d.step("undo");
            d.sleep(5);
            d.step("tell");
            throw;
        }
        return "done";
    });
    EXPECT_EQ(driver.turn(), "waiting");
    driver.cancel();
    EXPECT_EQ(driver.turn(), "waiting");
    EXPECT_EQ(driver.timers().size(), 1U); // that of the clean-up
    driver.cancel();
    driver.pass_time(5);
    EXPECT_EQ(driver.turn(), "canceled");
    EXPECT_EQ(driver.effects, (Effects{"work", "undo", "tell"}));
}

TEST(ExecutionReplay, CancelBeforeTheFirstCommandLetsNothingBegin) {
    Driver driver([](Driver &d) -> std::string {
        d.side_effect("7");
        try {
            d.step("work");
        } catch (const Canceled &) {
            return d.step("instead");
        }
        return "done";
    });
    driver.cancel();
    EXPECT_EQ(driver.turn(), "\"done instead\"");
    EXPECT_EQ(driver.effects, (Effects{"instead"}));
}

TEST(ExecutionReplay, WhatWasOverBeforeTheCancelIsNotCanceled) {
    Driver driver([](Driver &d) -> std::string {
        const std::string got = d.wait_signal("x");
        try {
            d.sleep(5);
        } catch (const Canceled &) {
            return got + " then canceled";
        }
        return got;
    });
    EXPECT_EQ(driver.turn(), "waiting");
    driver.signal("x", "1");
    driver.cancel();
    EXPECT_EQ(driver.turn(), "1 then canceled");
}

TEST(ExecutionReplay, SideEffectsAndRandomsStay) {
    int n = 0;
    Driver driver([&](Driver &d) {
        const std::string value = d.side_effect(std::to_string(++n));
        const std::uint64_t first = d.replay().random(), second = d.replay().random();
        EXPECT_NE(first, second);
        static const std::uint64_t kept = first;
        EXPECT_EQ(first, kept);
        d.sleep(1);
        return value;
    });
    EXPECT_EQ(driver.turn(), "waiting");
    driver.pass_time(5);
    EXPECT_EQ(driver.turn(), "1");
    EXPECT_GT(n, 1);
}

TEST(ExecutionReplay, NowIsTheTimeOfTheNewestEventSeen) {
    std::vector<Time> seen;
    Driver driver([&](Driver &d) {
        seen.push_back(d.replay().now());
        d.sleep(10);
        seen.push_back(d.replay().now());
        return std::string("end");
    });
    EXPECT_EQ(driver.turn(), "waiting");
    driver.pass_time(30);
    EXPECT_EQ(driver.turn(), "end");
    EXPECT_EQ(seen, (std::vector<Time>{at(0), at(0), at(32)}));
}

TEST(ExecutionReplay, AnotherBodyIsFoundOut) {
    const Driver::Body first = [](Driver &d) {
        d.step("a", 1);
        d.wait_signal("x");
        return std::string("end");
    };
    const auto after = [&](const Driver::Body &second) {
        Driver driver(first);
        EXPECT_EQ(driver.turn(), "waiting");
        driver.change(second);
        return driver.turn();
    };
    EXPECT_EQ(after(first), "waiting");
    EXPECT_EQ(after([](Driver &d) { return d.step("b", 1); }),
              "nondeterminism: command 1 is step \"b\", the history has step \"a\"");
    EXPECT_EQ(after([](Driver &d) { return d.step("a", 2); }),
              "nondeterminism: command 1, step \"a\", has other arguments than in the history");
    EXPECT_EQ(after([](Driver &d) { return d.sleep(1); }),
              "nondeterminism: command 1 is sleep, the history has step \"a\"");
    EXPECT_EQ(after([](Driver &d) { return d.step("a", 1); }),
              "nondeterminism: the body has come to its end, the history goes on with command 2, wait_signal \"x\"");
    EXPECT_EQ(after([](Driver &) { return std::string("end"); }),
              "nondeterminism: the body has come to its end, the history goes on with command 1, step \"a\"");
}

TEST(ExecutionReplay, VersionsOfAChange) {
    const Driver::Body old_body = [](Driver &d) {
        d.wait_signal("x");
        return std::string("old");
    };
    const Driver::Body changed = [](Driver &d) {
        const int version = d.version("c", -1, 2);
        d.wait_signal("x");
        return std::to_string(version) + "," + std::to_string(d.version("c", -1, 5));
    };
    Driver before(old_body); // started before the change
    EXPECT_EQ(before.turn(), "waiting");
    before.change(changed);
    EXPECT_EQ(before.turn(), "waiting");
    before.change([](Driver &d) {
        d.version("c", 1, 2);
        return d.wait_signal("x");
    });
    EXPECT_EQ(before.turn(),
              "nondeterminism: change \"c\" is not in the history, and version -1 is no longer supported");

    Driver after(changed);
    EXPECT_EQ(after.turn(), "waiting");
    after.change([](Driver &d) {
        d.version("c", 3, 4);
        return d.wait_signal("x");
    });
    EXPECT_EQ(after.turn(), "nondeterminism: change \"c\" has version 2 in the history, the body supports 3 to 4");
    after.change(changed);
    after.signal("x", "");
    EXPECT_EQ(after.turn(), "2,2");
}

TEST(ExecutionReplay, SeveralThingsAtOnce) {
    Driver driver([](Driver &d) {
        const std::uint32_t a = d.start_child("a"), b = d.start_child("b"), timer = d.start_timer(10);
        const std::uint32_t first = d.await_any({a, b, timer});
        const std::uint32_t other = first == a ? b : a;
        const std::string one = d.await(first);
        return in_order({std::to_string(first), one, d.await(other)});
    });
    EXPECT_EQ(driver.turn(), "waiting");
    EXPECT_EQ(driver.timers(), (std::vector<PendingTimer>{{3, at(11)}}));
    driver.end_child(2, "\"b\"");
    EXPECT_EQ(driver.turn(), "waiting");
    driver.end_child(1, "\"a\"");
    driver.pass_time(20);
    EXPECT_EQ(driver.turn(), "2\"b\"\"a\"");
}

TEST(ExecutionReplay, TheFirstStaysTheFirst) {
    const auto body = [](Driver &d) {
        const std::uint32_t timer = d.start_timer(10), child = d.start_child("a");
        const std::uint32_t first = d.await_any({timer, child});
        d.sleep(1000);
        return std::to_string(first);
    };
    Driver driver(body);
    EXPECT_EQ(driver.turn(), "waiting");
    driver.pass_time(10);
    EXPECT_EQ(driver.turn(), "waiting");
    driver.end_child(2, "1");
    driver.pass_time(1000);
    EXPECT_EQ(driver.turn(), "1");
}

TEST(ExecutionReplay, AFailedChildFailsItsAwait) {
    Driver driver([](Driver &d) { return d.await(d.start_child("a")); });
    EXPECT_EQ(driver.turn(), "waiting");
    driver.end_child(1, "{}", true);
    driver.end_child(1, "late"); // only the first end counts
    EXPECT_EQ(driver.turn(), "failed: {}");
}

TEST(ExecutionReplay, ACanceledAwaitLeavesWhatItAwaited) {
    Driver driver([](Driver &d) -> std::string {
        const std::uint32_t child = d.start_child("a");
        try {
            return d.await(child);
        } catch (const Canceled &) {
            return "then " + d.await(child);
        }
    });
    EXPECT_EQ(driver.turn(), "waiting");
    driver.cancel();
    EXPECT_EQ(driver.turn(), "waiting");
    EXPECT_EQ(driver.replay().open_children().size(), 1U);
    driver.end_child(1, "1");
    EXPECT_EQ(driver.turn(), "then 1");
    EXPECT_TRUE(driver.replay().open_children().empty());
}

TEST(ExecutionReplay, HandlesThatWereNotGivenAreRefused) {
    for (const std::uint32_t handle : {0U, 2U, 99U}) {
        Driver driver([handle](Driver &d) {
            d.start_timer(1);
            return d.await(handle);
        });
        EXPECT_TRUE(driver.turn().starts_with("nondeterminism: ")) << handle;
    }
    Driver step([](Driver &d) {
        d.step("a");
        return d.await(1); // of a step
    });
    EXPECT_TRUE(step.turn().starts_with("nondeterminism: "));
}

TEST(ExecutionReplay, SignalsNobodyHasTaken) {
    Driver driver([](Driver &d) {
        d.wait_signal("x");
        d.wait_signal("go");
        std::string left;
        for (const ExecutionEvent *event : d.replay().untaken_signals())
            left += event->name + event->payload;
        return left;
    });
    driver.signal("x", "1");
    driver.signal("y", "2");
    driver.signal("x", "3");
    driver.signal("y", "4");
    driver.signal("go", "");
    EXPECT_EQ(driver.turn(), "y2x3y4");
}

TEST(ExecutionReplay, HistoriesThatCannotBeAreRefused) {
    const ExecutionEvent started{.type = Type::workflow_execution_started};
    const auto replay = [&](std::vector<ExecutionEvent> more) {
        more.insert(more.begin(), started);
        return Replay(WorkflowId{}, more).events().size();
    };
    EXPECT_EQ(replay({{.type = Type::timer_started, .command = 1}, {.type = Type::timer_fired, .command = 1}}), 3U);
    EXPECT_THROW(replay({{.type = Type::timer_started, .command = 2}}), hc::Error);
    EXPECT_THROW(replay({{.type = Type::timer_fired, .command = 1}}), hc::Error);
    EXPECT_THROW(replay({{.type = Type::step_completed, .command = 0}}), hc::Error);
}

// Whatever is signaled, canceled and waited for when: the same body comes to the same end however often it is replayed,
// and does each effect once.
TEST(ExecutionReplay, AnyCourseReplaysToItself) {
    const Driver::Body body = [](Driver &d) -> std::string {
        std::string log;
        try {
            for (int i = 0; i < 4; ++i) {
                d.step("step" + std::to_string(i));
                log += "[" + d.wait_signal(i % 2 == 0 ? "x" : "y", 3) + "]";
                d.sleep(i);
            }
        } catch (const Canceled &) {
            log += d.step("undo");
        }
        return log;
    };
    std::uint32_t seed = 7;
    const auto chance = [&seed](std::uint32_t of) { return (seed = seed * 1'664'525 + 1'013'904'223) / 65'536 % of; };
    int canceled = 0;
    for (int round = 0; round < 500; ++round) {
        Driver driver(body);
        std::string end = driver.turn();
        for (int i = 0; end == "waiting"; ++i) {
            ASSERT_LT(i, 200);
            if (chance(3) == 0)
                driver.signal(chance(2) == 0 ? "x" : "y", std::to_string(i));
            if (chance(25) == 0)
                driver.cancel();
            driver.pass_time(static_cast<int>(chance(3)));
            end = driver.turn();
        }
        canceled += driver.effects.back() == "undo" ? 1 : 0;
        Effects once = driver.effects;
        std::sort(once.begin(), once.end());
        ASSERT_EQ(std::adjacent_find(once.begin(), once.end()), once.end());
        const std::size_t events = driver.history().size();
        ASSERT_EQ(driver.turn(), end); // all of it again, from the stored form
        ASSERT_EQ(driver.history().size(), events);
    }
    EXPECT_GT(canceled, 50);
    EXPECT_LT(canceled, 450);
}

TEST(ExecutionEvents, RoundTripAndWords) {
    std::vector<ExecutionEvent> events;
    for (int type = 1; type <= static_cast<int>(kLastExecutionEventType); ++type) {
        ExecutionEvent event{.type = static_cast<Type>(type), .time = at(type)};
        EXPECT_FALSE(to_string(event.type).empty());
        events.push_back(event);
        events.push_back({.type = event.type,
                          .time = at(type),
                          .command = 70'000,
                          .kind = CommandKind::wait_signal,
                          .due = at(-5),
                          .hash = 1ULL << 63U,
                          .name = "n\"",
                          .payload = "{\"a\": 12345678901234567890.5}",
                          .text = "t"});
    }
    const std::string bytes = encode_execution(events, std::nullopt);
    EXPECT_EQ(decode_execution(bytes), events);
    const std::span<const ExecutionEvent> all(events);
    EXPECT_EQ(encode_execution(all.first(3), std::nullopt) + encode_execution(all.subspan(3), events[2].time), bytes);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        try {
            decode_execution(std::string_view(bytes).substr(0, size));
        } catch (const hc::Error &e) {
            EXPECT_STREQ(e.sqlstate(), "WF004");
        }
    }
    EXPECT_EQ(execution_attributes_json(events[15]), "{\"command\": 70000, \"kind\": \"wait_signal\", \"name\": "
                                                     "\"n\\\"\", \"due\": \"2023-11-14T22:13:15.000000Z\", "
                                                     "\"result\": {\"a\": 12345678901234567890.5}, \"reason\": \"t\"}");
    EXPECT_EQ(status_after(Type::workflow_execution_terminated), ExecutionStatus::terminated);
    EXPECT_EQ(status_after(Type::workflow_execution_continued_as_new), ExecutionStatus::continued);
    EXPECT_EQ(status_after(Type::child_failed), ExecutionStatus::running);
    EXPECT_EQ(execution_attributes_json({.type = Type::child_started, .command = 1, .payload = "abandon"}),
              "{\"command\": 1, \"parent_close_policy\": \"abandon\"}");
    EXPECT_EQ(to_string(ExecutionStatus::timed_out), "TimedOut");
}
