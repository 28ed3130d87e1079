// A cascade on the bench: gives inputs to decide(), keeps history and tasks as the engine would, and checks after every
// input what must always hold. Used by the cascade tests; not a program of its own.
#pragma once

#include "core/cascade.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace hc::core::test {

using namespace std::chrono_literals;

inline constexpr Time kStart = from_unix_micros(1'795'246'837'123'456); // 2026-11-21T07:40:37.123456Z

inline Step make_step(std::string channel) {
    Step step;
    step.channel = std::move(channel);
    step.retry.maximum_attempts = 2;
    step.retry.jitter = 0;
    return step;
}

// Two steps, email over providers 1 and 2, sms over provider 3; two sends a provider, 60 s for a receipt.
inline Rule make_rule() {
    Rule rule;
    rule.steps = {make_step("email"), make_step("sms")};
    return rule;
}

inline std::vector<std::vector<ProviderRef>> make_providers() {
    return {{{.id = 1, .idempotent = false, .position = 1}, {.id = 2, .idempotent = true, .position = 2}},
            {{.id = 3, .idempotent = false, .position = 1}}};
}

class Bench {
public:
    explicit Bench(Rule r = make_rule(), std::vector<std::vector<ProviderRef>> p = make_providers())
        : rule(std::move(r)), providers(std::move(p)) {}

    Decision give(const Input &input, double random01 = 0.5) {
        const Program program{.rule = &rule, .providers = providers};
        const bool was_closed = state.closed_p();
        const std::uint32_t reports = state.reports;
        Decision d = decide(program, state, input, now, around(random01));
        append(d);
        settle(d);
        check(d, was_closed, reports);
        return d;
    }

    // Surroundings of its own.
    Surroundings around(double random01) const {
        return {
            .random01 = random01, .unavailable = unavailable, .pauses = pauses, .zone = zone, .deliveries = deliveries};
    }

    // ---- shorthands ----
    Decision start() { return give(StartInput{}); }

    Decision answer(std::uint16_t attempt, SendVerdict verdict, std::string id = {},
                    FailureKind kind = FailureKind::none) {
        SendAnswer in;
        in.attempt = attempt;
        in.verdict = verdict;
        in.code = verdict == SendVerdict::accepted ? 202 : 400;
        in.provider_message_id = std::move(id);
        in.kind = kind;
        in.reason = verdict == SendVerdict::accepted ? "" : "refused";
        return give(in);
    }
    Decision accept(std::uint16_t attempt, std::string id = {}) {
        return answer(attempt, SendVerdict::accepted, std::move(id));
    }

    Decision receipt(std::uint16_t attempt, ReceiptState s, FailureKind kind = FailureKind::none) {
        ReceiptInput in;
        in.attempt = attempt;
        in.facts.state = s;
        in.facts.kind = kind;
        in.hash = ++last_hash;
        return give(in);
    }
    Decision receipt_by_id(std::string id, ReceiptState s) {
        ReceiptInput in;
        in.provider_message_id = std::move(id);
        in.facts.state = s;
        in.hash = ++last_hash;
        return give(in);
    }

    Decision condition(ConditionVerdict verdict, std::size_t step = 0) {
        return give(
            ConditionAnswer{.task = find_branch(state, step)->condition_task, .verdict = verdict, .reason = {}});
    }

    // A dispatcher takes the send of an attempt, and finds that it must not leave.
    Decision not_now(std::uint16_t attempt) { return answer(attempt, SendVerdict::not_now); }

    // Lets time pass until the timer is due, and fires it.
    Decision fire() {
        const std::uint32_t task = state.timer_task;
        now = std::max(now, state.timer_due.value_or(now));
        return give(TimerInput{.task = task});
    }

    // ---- what happened ----
    std::size_t count(EventType type) const {
        return static_cast<std::size_t>(
            std::count_if(history.begin(), history.end(), [type](const HistoryEvent &e) { return e.type == type; }));
    }
    const HistoryEvent &newest(EventType type) const {
        const auto at =
            std::find_if(history.rbegin(), history.rend(), [type](const HistoryEvent &e) { return e.type == type; });
        EXPECT_NE(at, history.rend()) << "no " << to_string(type);
        static const HistoryEvent nothing{};
        return at == history.rend() ? nothing : *at;
    }
    // Of the step under way, where it is the only one.
    std::optional<Time> receipt_deadline() const {
        return state.branches.empty() ? std::nullopt : state.branches.front().receipt_deadline;
    }
    const AttemptState &attempt(std::size_t number) const { return state.attempts.at(number - 1); }

    Rule rule;
    std::vector<std::vector<ProviderRef>> providers;
    State state;
    std::vector<HistoryEvent> history;
    std::string bytes; // the history as stored
    std::map<std::uint32_t, TaskPut> tasks;
    Time now = kStart;
    std::uint64_t last_hash = 0;
    std::vector<std::int32_t> unavailable;
    std::vector<Pause> pauses;
    ZoneOffset zone;
    std::vector<DeliveryLevel> deliveries;

private:
    void append(const Decision &d) {
        if (bytes.empty())
            bytes = encode_events(d.events, std::nullopt);
        else
            bytes += encode_events(d.events, history.back().time);
        for (const HistoryEvent &e : d.events) {
            if (!history.empty()) {
                EXPECT_GE(e.time, history.back().time);
            }
            EXPECT_GE(e.time, now);
            history.push_back(e);
        }
    }

    void settle(const Decision &d) {
        for (const std::uint32_t task : d.drops)
            tasks.erase(task);
        for (const TaskPut &put : d.puts)
            EXPECT_TRUE(tasks.emplace(put.number, put).second) << "task number " << put.number << " given twice";
    }

    void check(const Decision &d, bool was_closed, std::uint32_t reports) const {
        const std::vector<HistoryEvent> decoded = decode_events(bytes);
        EXPECT_EQ(decoded, history);
        EXPECT_EQ(replay(decoded), state);
        check_tasks();
        check_waiting();
        const bool closed = state.closed_p();
        EXPECT_EQ(d.completed, closed && !was_closed);
        EXPECT_EQ(d.report, state.reports - reports > d.step_reports.size()); // an outcome corrected at once is one
        EXPECT_EQ(count(EventType::cascade_completed), closed ? 1U : 0U);
        if (was_closed)
            check_late(d);
    }

    // The tasks that exist are those that the state names, no more and no less.
    void check_tasks() const {
        std::map<std::uint32_t, TaskKind> named;
        for (const AttemptState &a : state.attempts) {
            EXPECT_EQ(a.task != 0, a.phase == AttemptPhase::queued);
            if (a.task != 0)
                named[a.task] = TaskKind::send;
        }
        for (const Branch &branch : state.branches) {
            if (branch.condition_task != 0)
                named[branch.condition_task] = TaskKind::condition;
        }
        if (state.timer_task != 0)
            named[state.timer_task] = TaskKind::timer;
        EXPECT_EQ(named.size(), tasks.size());
        for (const auto &[number, put] : tasks) {
            EXPECT_TRUE(named.contains(number) && named[number] == put.kind) << "task " << number;
            if (put.kind == TaskKind::send) {
                EXPECT_EQ(attempt(put.attempt).task, number);
                EXPECT_EQ(attempt(put.attempt).provider, put.provider);
                EXPECT_EQ(attempt(put.attempt).due, put.due);
                EXPECT_EQ(attempt(put.attempt).held, put.hold == TaskHold::cascade);
            } else if (put.kind == TaskKind::timer) {
                EXPECT_EQ(state.timer_due, put.due);
                EXPECT_EQ(state.timer_paused, put.hold == TaskHold::pause);
            }
        }
    }

    // An open cascade waits for something; a closed one for nothing.
    void check_waiting() const {
        EXPECT_EQ(state.timer_task != 0, state.timer_due.has_value());
        if (state.closed_p()) {
            EXPECT_TRUE(tasks.empty());
            return;
        }
        EXPECT_TRUE(!tasks.empty() || state.held_since);
        if (state.starts_at) {
            EXPECT_TRUE(state.branches.empty() && state.attempts.empty());
            return;
        }
        EXPECT_TRUE(std::any_of(state.branches.begin(), state.branches.end(), [](const Branch &b) { return !b.over; }));
        for (const Branch &branch : state.branches)
            check_branch(branch);
    }

    // A branch under way waits for its condition, for the answer to a send, or for a receipt.
    void check_branch(const Branch &branch) const {
        const AttemptState *a = newest_attempt(state, branch.step);
        if (branch.over) {
            EXPECT_TRUE(!branch.receipt_deadline && !branch.dispatch_deadline && branch.condition_task == 0);
            return;
        }
        if (branch.condition_task != 0) {
            EXPECT_EQ(a, nullptr);
            return;
        }
        ASSERT_NE(a, nullptr);
        EXPECT_NE(a->phase, AttemptPhase::over);
        EXPECT_TRUE(a->phase == AttemptPhase::queued || branch.receipt_deadline.has_value());
    }

    static void check_late(const Decision &d) {
        constexpr EventType kLate[] = {
            EventType::send_completed,    EventType::send_ambiguous,    EventType::send_failed,
            EventType::receipt_recorded,  EventType::receipt_parked,    EventType::receipt_buffered,
            EventType::receipt_unmatched, EventType::outcome_corrected,
        };
        for (const HistoryEvent &e : d.events)
            EXPECT_NE(std::find(std::begin(kLate), std::end(kLate), e.type), std::end(kLate)) << to_string(e.type);
        EXPECT_TRUE(d.puts.empty());
    }
};

// Both steps' sends accepted, step 1 timed out, step 2 waiting for its receipt.
inline Bench waiting_in_step_two(Rule rule = make_rule()) {
    Bench b(std::move(rule));
    b.start();
    b.accept(1, "id1");
    b.fire();
    b.accept(2, "id2");
    return b;
}

} // namespace hc::core::test
