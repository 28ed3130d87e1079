// Tests of the circuit breaker: what opens it, what closes it, lost and late results, and what holds for any sequence.
#include "core/circuit_breaker.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <random>
#include <vector>

namespace hc::core::circuit_breaker {

static void PrintTo(Admit admit, std::ostream *out) {
    *out << (admit == Admit::yes ? "yes" : admit == Admit::no ? "no" : "probe");
}

namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr Time kStart = from_unix_micros(1'700'000'000'000'000);

// A breaker with a clock.
struct Breaker {
    CircuitBreakerConfig config = {};
    CircuitBreakerState state = {};
    Time now = kStart;

    Admission ask() { return allow(state, config, now); }
    Admit admit() { return ask().admit; }
    void result(Result result) { on_result(state, config, result, now); }
    void success(int n = 1) { repeat(Result::success, n); }
    void failure(int n = 1) { repeat(Result::failure, n); }

    void repeat(Result what, int n) {
        for (int i = 0; i < n; ++i)
            result(what);
    }

    // Opens it, whatever was before.
    void trip() {
        config.consecutive_failures = 1;
        failure();
    }

    void wait_until_half_open() {
        while (admit() == Admit::no)
            now = ask().until;
    }
};

Breaker ratio_only() {
    return {.config = {.failure_percent = 50, .window = 10, .minimum_calls = 4, .consecutive_failures = 0}};
}

Breaker consecutive_only(std::uint32_t n) { return {.config = {.failure_percent = 0, .consecutive_failures = n}}; }

TEST(CircuitBreaker, ZeroedMemoryIsClosed) {
    Breaker breaker;
    std::memset(static_cast<void *>(&breaker.state), 0, sizeof breaker.state);
    EXPECT_EQ(breaker.state.phase, BreakerPhase::closed);
    EXPECT_EQ(breaker.admit(), Admit::yes);
    EXPECT_EQ(to_string(breaker.state.phase), "closed");
    EXPECT_EQ(to_string(BreakerPhase::open), "open");
    EXPECT_EQ(to_string(BreakerPhase::half_open), "half_open");
    EXPECT_EQ(to_string(static_cast<BreakerPhase>(77)), "closed");
}

TEST(CircuitBreaker, OpensAfterConsecutiveFailures) {
    Breaker breaker = consecutive_only(3);
    breaker.failure(2);
    breaker.success();
    breaker.failure(2);
    EXPECT_EQ(breaker.admit(), Admit::yes);
    breaker.result(Result::ignored); // interrupts nothing
    breaker.failure();
    EXPECT_EQ(breaker.admit(), Admit::no);
    EXPECT_EQ(breaker.state.phase, BreakerPhase::open);
}

TEST(CircuitBreaker, OpensAtTheShareOfFailures) {
    Breaker breaker = ratio_only();
    breaker.success(6);
    breaker.failure(4);
    EXPECT_EQ(breaker.admit(), Admit::yes); // 4 of 10
    breaker.failure();
    EXPECT_EQ(breaker.admit(), Admit::no); // 5 of the last 10
}

TEST(CircuitBreaker, FewResultsProveNothing) {
    Breaker breaker = ratio_only();
    breaker.failure(3);
    EXPECT_EQ(breaker.admit(), Admit::yes);
    breaker.success(); // the fourth result: three of four failed
    EXPECT_EQ(breaker.admit(), Admit::no);
}

TEST(CircuitBreaker, OldResultsFallOutOfTheWindow) {
    Breaker breaker = ratio_only();
    breaker.config.minimum_calls = 10;
    breaker.failure(4);
    breaker.success(10);
    breaker.failure(4);
    EXPECT_EQ(breaker.admit(), Admit::yes); // 4 of the last 10, 8 of 18
    breaker.failure();
    EXPECT_EQ(breaker.admit(), Admit::no);
}

TEST(CircuitBreaker, NothingOpensItWithoutACriterion) {
    Breaker breaker = consecutive_only(0);
    breaker.failure(1000);
    EXPECT_EQ(breaker.admit(), Admit::yes);
}

TEST(CircuitBreaker, IgnoredResultsDoNotCount) {
    Breaker breaker = ratio_only();
    breaker.failure(3);
    breaker.repeat(Result::ignored, 100);
    EXPECT_EQ(breaker.admit(), Admit::yes);
    EXPECT_EQ(breaker.state.recorded, 3U);
}

TEST(CircuitBreaker, OpenRefusesUntilItsEnd) {
    Breaker breaker;
    breaker.config.open_for = seconds(5);
    breaker.trip();
    EXPECT_EQ(breaker.ask().until, kStart + seconds(5));
    breaker.now += seconds(5) - Duration{1};
    EXPECT_EQ(breaker.admit(), Admit::no);
    breaker.success(); // results of calls from before
    breaker.failure();
    EXPECT_EQ(breaker.ask().until, kStart + seconds(5));
    breaker.now += Duration{1};
    EXPECT_EQ(breaker.admit(), Admit::probe);
    EXPECT_EQ(breaker.state.phase, BreakerPhase::half_open);
}

TEST(CircuitBreaker, OneProbePassesAndClosesIt) {
    Breaker breaker;
    breaker.trip();
    breaker.wait_until_half_open(); // took the probe
    for (int i = 0; i < 10; ++i)
        EXPECT_EQ(breaker.admit(), Admit::no);
    breaker.success();
    EXPECT_EQ(breaker.state.phase, BreakerPhase::closed);
    EXPECT_EQ(breaker.admit(), Admit::yes);
    EXPECT_EQ(breaker.state.recorded, 0U); // the outage does not count any more
    EXPECT_EQ(breaker.state.openings, 0U);
}

TEST(CircuitBreaker, EveryProbeHasToSucceed) {
    Breaker breaker;
    breaker.config.half_open_probes = 3;
    breaker.trip();
    breaker.wait_until_half_open();
    EXPECT_EQ(breaker.admit(), Admit::probe);
    EXPECT_EQ(breaker.admit(), Admit::probe);
    EXPECT_EQ(breaker.admit(), Admit::no);
    breaker.success(2);
    EXPECT_EQ(breaker.admit(), Admit::no);
    breaker.success();
    EXPECT_EQ(breaker.admit(), Admit::yes);

    breaker.trip();
    breaker.wait_until_half_open();
    EXPECT_EQ(breaker.admit(), Admit::probe);
    breaker.success();
    breaker.failure();
    EXPECT_EQ(breaker.state.phase, BreakerPhase::open);
}

TEST(CircuitBreaker, FailedProbesDoubleTheTimeUpToTheMaximum) {
    Breaker breaker;
    breaker.config.open_for = seconds(5);
    breaker.config.max_open_for = seconds(35);
    breaker.trip();
    for (const int expected : {5, 10, 20, 35, 35, 35}) {
        const Time until = breaker.ask().until;
        EXPECT_EQ(until - breaker.now, seconds(expected));
        breaker.now = until;
        EXPECT_EQ(breaker.admit(), Admit::probe);
        breaker.failure();
    }
    breaker.wait_until_half_open();
    breaker.success();
    breaker.trip();
    EXPECT_EQ(breaker.ask().until - breaker.now, seconds(5)); // once closed, it begins again
}

TEST(CircuitBreaker, OpenDurations) {
    const CircuitBreakerConfig config{.open_for = seconds(3), .max_open_for = seconds(10)};
    EXPECT_EQ(open_duration(config, 0), seconds(3));
    EXPECT_EQ(open_duration(config, 1), seconds(3));
    EXPECT_EQ(open_duration(config, 2), seconds(6));
    EXPECT_EQ(open_duration(config, 3), seconds(10));
    EXPECT_EQ(open_duration(config, UINT32_MAX), seconds(10));
    EXPECT_EQ(open_duration({.open_for = seconds(9), .max_open_for = seconds(1)}, 5), seconds(9));
    EXPECT_EQ(open_duration({.open_for = Duration::min(), .max_open_for = Duration::min()}, 5), Duration(1000));
    EXPECT_EQ(open_duration({.open_for = seconds(1), .max_open_for = Duration::max()}, UINT32_MAX), Duration::max());
    EXPECT_EQ(open_duration({.open_for = Duration::max(), .max_open_for = Duration::max()}, 2), Duration::max());
}

TEST(CircuitBreaker, AnIgnoredProbeMakesRoomForAnother) {
    Breaker breaker;
    breaker.trip();
    breaker.wait_until_half_open();
    breaker.result(Result::ignored);
    EXPECT_EQ(breaker.admit(), Admit::probe);
    EXPECT_EQ(breaker.admit(), Admit::no);
    breaker.repeat(Result::ignored, 5); // more than were given
    EXPECT_EQ(breaker.admit(), Admit::probe);
    EXPECT_EQ(breaker.admit(), Admit::no);
}

TEST(CircuitBreaker, AnIgnoredProbeDoesNotTakeBackAGoodOne) {
    Breaker breaker;
    breaker.config.half_open_probes = 2;
    breaker.trip();
    breaker.wait_until_half_open();
    breaker.success();
    breaker.repeat(Result::ignored, 3);
    EXPECT_EQ(breaker.admit(), Admit::probe);
    EXPECT_EQ(breaker.admit(), Admit::no);
    breaker.success();
    EXPECT_EQ(breaker.admit(), Admit::yes);
}

TEST(CircuitBreaker, LostProbesAreReplaced) {
    Breaker breaker;
    breaker.config.probe_timeout = minutes(1);
    breaker.trip();
    breaker.wait_until_half_open();
    const std::uint32_t lost = breaker.state.generation;
    EXPECT_EQ(breaker.ask().until, breaker.now + minutes(1));
    breaker.now += minutes(1);
    const Admission second = breaker.ask();
    EXPECT_EQ(second.admit, Admit::probe);
    EXPECT_EQ(breaker.admit(), Admit::no);
    on_result(breaker.state, breaker.config, Result::failure, breaker.now, lost); // comes after all
    EXPECT_EQ(breaker.state.phase, BreakerPhase::half_open);
    on_result(breaker.state, breaker.config, Result::success, breaker.now, second.ticket);
    EXPECT_EQ(breaker.state.phase, BreakerPhase::closed);
}

TEST(CircuitBreaker, LateResultsOfAnOutageDoNotCount) {
    Breaker breaker = consecutive_only(2);
    std::vector<std::uint32_t> tickets;
    for (int i = 0; i < 10; ++i)
        tickets.push_back(breaker.ask().ticket);
    const auto late = [&](Result result, std::uint32_t ticket) {
        on_result(breaker.state, breaker.config, result, breaker.now, ticket);
    };
    late(Result::failure, tickets[0]);
    late(Result::failure, tickets[1]);
    EXPECT_EQ(breaker.state.phase, BreakerPhase::open);
    late(Result::success, tickets[2]);
    EXPECT_EQ(breaker.state.phase, BreakerPhase::open);
    breaker.wait_until_half_open();
    late(Result::failure, tickets[3]);
    late(Result::success, tickets[4]);
    late(Result::ignored, tickets[5]);
    EXPECT_EQ(breaker.state.phase, BreakerPhase::half_open);
    EXPECT_EQ(breaker.admit(), Admit::no);
    late(Result::success, breaker.state.generation);
    EXPECT_EQ(breaker.state.phase, BreakerPhase::closed);
    late(Result::failure, tickets[6]);
    late(Result::failure, tickets[7]);
    EXPECT_EQ(breaker.state.phase, BreakerPhase::closed);
    EXPECT_EQ(breaker.state.recorded, 0U);
}

TEST(CircuitBreaker, AClockSetBackDoesNotKeepItOpen) {
    Breaker breaker;
    breaker.config.open_for = seconds(5);
    breaker.trip();
    breaker.now -= hours(5);
    EXPECT_EQ(breaker.ask().until, breaker.now + seconds(5));
    breaker.wait_until_half_open();
    breaker.now -= hours(5);
    EXPECT_EQ(breaker.ask().until, breaker.now + breaker.config.probe_timeout);
    breaker.now += breaker.config.probe_timeout;
    EXPECT_EQ(breaker.admit(), Admit::probe);
}

TEST(CircuitBreaker, ConfigurationsMayChange) {
    Breaker breaker;
    breaker.config.open_for = hours(1);
    breaker.config.max_open_for = hours(1);
    breaker.trip();
    breaker.config.open_for = seconds(1);
    breaker.config.max_open_for = seconds(1);
    EXPECT_EQ(breaker.ask().until, breaker.now + seconds(1)); // shorter at once
    breaker.wait_until_half_open();
    breaker.config.half_open_probes = 2;
    EXPECT_EQ(breaker.admit(), Admit::probe);
    breaker.config.half_open_probes = 1;
    EXPECT_EQ(breaker.admit(), Admit::no);
    breaker.success();
    EXPECT_EQ(breaker.admit(), Admit::yes);
    // Results remembered beyond the window count again when it gets larger.
    breaker = ratio_only();
    breaker.config.window = 100;
    breaker.config.minimum_calls = 100;
    breaker.success(10);
    breaker.failure(40);
    breaker.success(40);
    breaker.config.window = 10;
    breaker.config.minimum_calls = 10;
    breaker.success();
    EXPECT_EQ(breaker.admit(), Admit::yes);
    breaker.config.window = 80;
    breaker.success();
    EXPECT_EQ(breaker.state.recorded, 92U);
    EXPECT_EQ(breaker.admit(), Admit::yes); // 38 of 80
    breaker.failure(2);
    EXPECT_EQ(breaker.admit(), Admit::yes); // two more, but two fell out
}

TEST(CircuitBreaker, OddConfigurationsAreBroughtIntoBounds) {
    Breaker breaker;
    breaker.config = {.failure_percent = 1000, // 100
                      .window = 0,             // 1
                      .minimum_calls = 500,    // the window
                      .consecutive_failures = 0,
                      .open_for = Duration{-5},
                      .max_open_for = Duration{-7},
                      .half_open_probes = 0, // 1
                      .probe_timeout = Duration{-1}};
    breaker.success(5);
    EXPECT_EQ(breaker.admit(), Admit::yes);
    breaker.failure();
    EXPECT_EQ(breaker.admit(), Admit::no);
    EXPECT_GT(breaker.ask().until, breaker.now);
    breaker.wait_until_half_open();
    EXPECT_EQ(breaker.admit(), Admit::no);
    breaker.success();
    EXPECT_EQ(breaker.admit(), Admit::yes);
    breaker.config = {
        .failure_percent = 100, .window = UINT32_MAX, .minimum_calls = UINT32_MAX, .consecutive_failures = 0};
    breaker.failure(127);
    EXPECT_EQ(breaker.admit(), Admit::yes);
    breaker.failure();
    EXPECT_EQ(breaker.admit(), Admit::no);
    breaker.now = kNever;
    EXPECT_NE(breaker.admit(), Admit::yes);
}

TEST(CircuitBreaker, GarbageInSharedMemoryHeals) {
    std::mt19937_64 random(31);
    for (int round = 0; round < 2000; ++round) {
        Breaker breaker;
        std::uint32_t words[sizeof(CircuitBreakerState) / 4];
        for (std::uint32_t &word : words)
            word = static_cast<std::uint32_t>(random());
        std::memcpy(static_cast<void *>(&breaker.state), words, sizeof words);
        breaker.state.phase = static_cast<BreakerPhase>(random() % 4);
        const Time latest = breaker.now + breaker.config.max_open_for + 2 * breaker.config.probe_timeout;
        while (breaker.now <= latest && breaker.state.phase != BreakerPhase::closed) {
            const Admission admission = breaker.ask();
            if (admission.admit == Admit::no) {
                ASSERT_GT(admission.until, breaker.now);
                breaker.now = admission.until;
            } else {
                on_result(breaker.state, breaker.config, Result::success, breaker.now, admission.ticket);
                if (admission.admit == Admit::yes)
                    break;
            }
        }
        ASSERT_LE(breaker.now, latest) << round;
    }
}

// The window against a list of the last results.
TEST(CircuitBreaker, TheWindowIsThatOfTheLastResults) {
    std::mt19937_64 random(37);
    for (int round = 0; round < 300; ++round) {
        Breaker breaker;
        breaker.config.window = 1 + static_cast<std::uint32_t>(random() % kMaxBreakerWindow);
        breaker.config.minimum_calls = 1 + static_cast<std::uint32_t>(random() % breaker.config.window);
        breaker.config.failure_percent = 1 + static_cast<std::uint32_t>(random() % 100);
        breaker.config.consecutive_failures = static_cast<std::uint32_t>(random() % 30);
        const std::uint64_t share = random() % 100;
        std::deque<bool> last;
        std::uint32_t streak = 0;
        for (int i = 0; i < 400; ++i) {
            const bool failure = random() % 100 < share;
            last.push_back(failure);
            if (last.size() > breaker.config.window)
                last.pop_front();
            streak = failure ? streak + 1 : 0;
            const auto failures = static_cast<std::size_t>(std::count(last.begin(), last.end(), true));
            const bool many = last.size() >= breaker.config.minimum_calls &&
                              failures * 100 >= breaker.config.failure_percent * last.size();
            const bool streaky =
                breaker.config.consecutive_failures > 0 && streak >= breaker.config.consecutive_failures;
            breaker.result(failure ? Result::failure : Result::success);
            ASSERT_EQ(breaker.state.phase == BreakerPhase::open, many || streaky) << round << " " << i;
            if (many || streaky)
                break;
        }
    }
}

// Calls in flight with results late, lost or ignored, several clocks, a provider that is down and comes back.
class Simulation {
public:
    explicit Simulation(std::uint64_t seed) : random_(seed) {
        config_.half_open_probes = 1 + static_cast<std::uint32_t>(random_() % 4);
        config_.consecutive_failures = 1 + static_cast<std::uint32_t>(random_() % 5);
        config_.open_for = Duration(1 + random_() % 10'000'000);
        config_.max_open_for = config_.open_for * (1 + random_() % 20);
        config_.probe_timeout = Duration(1'000'000 + random_() % 60'000'000);
    }

    void run(int steps, bool down) {
        for (int i = 0; i < steps; ++i) {
            now_ += Duration(random_() % 2'000'000);
            if (random_() % 3 != 0)
                ask();
            else if (!flight_.empty())
                land(down);
        }
    }

    // From now on every call succeeds and reports.
    bool heals() {
        const Time latest = now_ + config_.max_open_for + 2 * config_.probe_timeout + seconds(1);
        while (state_.phase != BreakerPhase::closed && now_ <= latest) {
            const Admission admission = allow(state_, config_, now_);
            if (admission.admit == Admit::no)
                now_ = admission.until;
            else
                on_result(state_, config_, Result::success, now_, admission.ticket);
        }
        return state_.phase == BreakerPhase::closed;
    }

private:
    struct Call {
        std::uint32_t ticket;
        bool probe;
    };

    void ask() {
        const BreakerPhase before = state_.phase;
        const std::uint32_t generation = state_.generation;
        const Time until = from_unix_micros(state_.until_us);
        const Admission admission = allow(state_, config_, now_);
        EXPECT_EQ(admission.admit == Admit::yes, state_.phase == BreakerPhase::closed);
        if (before == BreakerPhase::open && now_ < until) {
            EXPECT_EQ(admission.admit, Admit::no);
        }
        if (admission.admit == Admit::no) {
            EXPECT_GT(admission.until, now_);
            EXPECT_LE(admission.until, now_ + std::max(config_.max_open_for, config_.probe_timeout));
            return;
        }
        if (state_.generation != generation)
            probes_out_ = 0;
        if (admission.admit == Admit::probe) {
            ++probes_out_;
            EXPECT_LE(probes_out_, config_.half_open_probes);
        }
        if (random_() % 10 != 0) // else lost
            flight_.push_back({admission.ticket, admission.admit == Admit::probe});
    }

    void land(bool down) {
        const std::size_t i = random_() % flight_.size();
        const Call call = flight_[i];
        flight_.erase(flight_.begin() + static_cast<std::ptrdiff_t>(i));
        const std::uint32_t generation = state_.generation;
        const std::uint64_t dice = random_() % 10;
        const Result result = dice == 0 ? Result::ignored : down && dice < 9 ? Result::failure : Result::success;
        on_result(state_, config_, result, now_, call.ticket);
        if (call.ticket != generation) {
            EXPECT_EQ(state_.generation, generation); // a late result changes no phase
        } else if (call.probe && result == Result::ignored) {
            --probes_out_;
        } else if (call.probe && result == Result::failure) {
            EXPECT_EQ(state_.phase, BreakerPhase::open);
        }
    }

    std::mt19937_64 random_;
    CircuitBreakerConfig config_;
    CircuitBreakerState state_;
    Time now_ = kStart;
    std::vector<Call> flight_;
    std::uint32_t probes_out_ = 0;
};

TEST(CircuitBreaker, NeverMoreThanTheProbesPassAndItHeals) {
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        Simulation simulation(seed);
        for (int round = 0; round < 5; ++round) {
            simulation.run(100, true);
            simulation.run(50, false);
        }
        simulation.run(100, true);
        EXPECT_TRUE(simulation.heals()) << seed;
        ASSERT_FALSE(::testing::Test::HasFailure()) << seed;
    }
}

TEST(CircuitBreaker, AnyClockAndAnyResult) {
    std::mt19937_64 random(41);
    Breaker breaker;
    for (int i = 0; i < 20'000; ++i) {
        const auto any = [&] {
            return static_cast<std::int64_t>(random() >> random() % 64) * (random() % 2 == 0 ? 1 : -1);
        };
        breaker.now = random() % 4 == 0 ? from_unix_micros(any()) : kStart + Duration(random() % 100'000'000);
        breaker.config.open_for = Duration(any());
        breaker.config.max_open_for = Duration(any());
        breaker.config.probe_timeout = Duration(any());
        breaker.config.window = static_cast<std::uint32_t>(any());
        breaker.config.half_open_probes = static_cast<std::uint32_t>(random() % 3);
        const Admission admission = breaker.ask();
        if (admission.admit == Admit::no) {
            ASSERT_TRUE(admission.until > breaker.now || breaker.now == kNever);
        }
        on_result(breaker.state, breaker.config, static_cast<Result>(random() % 3), breaker.now,
                  random() % 3 == 0 ? std::optional<std::uint32_t>() : admission.ticket);
    }
}

} // namespace
} // namespace hc::core::circuit_breaker
