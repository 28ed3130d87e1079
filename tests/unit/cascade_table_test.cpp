// Every situation of a cascade against every kind of input: one line each with the result, the events and the tasks put
// and dropped. A line that changes is a change of what the product does.
#include "cascade_fixture.hpp"

#include <functional>
#include <sstream>
#include <string_view>

namespace hc::core::test {
namespace {

// ---- situations; the newest attempt is the last of state.attempts ----

Rule table_rule() {
    Rule rule = make_rule();
    rule.steps[0].dispatch_timeout = 300s;
    return rule;
}

using Setup = std::function<void(Bench &)>;
struct Situation {
    std::string_view name;
    Setup setup;
};

void into_step_two(Bench &b) {
    b.accept(1, "id1");
    b.fire();
}

const std::vector<Situation> &situations() {
    static const std::vector<Situation> all = {
        {"queued", [](Bench &) {}},
        {"queued, sent", [](Bench &b) { b.receipt(1, ReceiptState::sent); }},
        {"send retry", [](Bench &b) { b.answer(1, SendVerdict::retry_same); }},
        {"answered", [](Bench &b) { b.accept(1, "id1"); }},
        {"ambiguous", [](Bench &b) { b.answer(1, SendVerdict::ambiguous); }},
        {"new attempt", [](Bench &b) { b.accept(1, "id1"), b.receipt(1, ReceiptState::failed); }},
        {"step 2 queued", into_step_two},
        {"step 2 answered", [](Bench &b) { into_step_two(b), b.accept(2, "id2"); }},
        {"step 2, 1 given up", [](Bench &b) { b.fire(); }},
        {"delivered", [](Bench &b) { into_step_two(b), b.accept(2, "id2"), b.receipt(2, ReceiptState::delivered); }},
        {"exhausted", [](Bench &b) { into_step_two(b), b.accept(2, "id2"), b.fire(); }},
        {"canceled queued", [](Bench &b) { b.give(CancelInput{}); }},
        {"canceled answered", [](Bench &b) { b.accept(1, "id1"), b.give(CancelInput{}); }},
        {"corrected",
         [](Bench &b) {
             into_step_two(b), b.accept(2, "id2"), b.fire();
             b.receipt(1, ReceiptState::delivered);
         }},
    };
    return all;
}

// ---- inputs ----

struct Kind {
    std::string_view name;
    std::function<Decision(Bench &)> give;
};

std::uint16_t last(const Bench &b) { return static_cast<std::uint16_t>(b.state.attempts.size()); }

const std::vector<Kind> &kinds() {
    using V = SendVerdict;
    using S = ReceiptState;
    static const std::vector<Kind> all = {
        {"accepted", [](Bench &b) { return b.accept(last(b), "id9"); }},
        {"retry_same", [](Bench &b) { return b.answer(last(b), V::retry_same); }},
        {"ambiguous", [](Bench &b) { return b.answer(last(b), V::ambiguous); }},
        {"next_provider", [](Bench &b) { return b.answer(last(b), V::next_provider); }},
        {"next_channel", [](Bench &b) { return b.answer(last(b), V::next_channel); }},
        {"accepted #1", [](Bench &b) { return b.accept(1, "id9"); }},
        {"receipt sent", [](Bench &b) { return b.receipt(last(b), S::sent); }},
        {"receipt unknown", [](Bench &b) { return b.receipt(last(b), S::unknown); }},
        {"receipt soft", [](Bench &b) { return b.receipt(last(b), S::failed); }},
        {"receipt hard", [](Bench &b) { return b.receipt(last(b), S::undeliverable); }},
        {"receipt config", [](Bench &b) { return b.receipt(last(b), S::rejected, FailureKind::config); }},
        {"receipt delivered", [](Bench &b) { return b.receipt(last(b), S::delivered); }},
        {"receipt soft #1", [](Bench &b) { return b.receipt(1, S::failed); }},
        {"receipt delivered #1", [](Bench &b) { return b.receipt(1, S::delivered); }},
        {"receipt by id", [](Bench &b) { return b.receipt_by_id("id9", S::delivered); }},
        {"receipt unnamed", [](Bench &b) { return b.receipt(0, S::sent); }},
        {"receipt again", [](Bench &b) { return b.last_hash = 0, b.receipt(last(b), S::sent); }},
        {"parked", [](Bench &b) { return b.give(ParkInput{.raw = "?", .hash = 500}); }},
        {"timer due", [](Bench &b) { return b.fire(); }},
        {"timer early", [](Bench &b) { return b.give(TimerInput{.task = b.state.timer_task}); }},
        {"timer stale", [](Bench &b) { return b.give(TimerInput{.task = 900}); }},
        {"cancel", [](Bench &b) { return b.give(CancelInput{}); }},
        {"terminate", [](Bench &b) { return b.give(CancelInput{.reason = {}, .terminate = true}); }},
        {"signal", [](Bench &b) { return b.give(SignalInput{.name = "x", .payload = {}, .hash = 501}); }},
        {"start", [](Bench &b) { return b.start(); }},
    };
    return all;
}

// "applied: SendCompleted TimerStarted +timer(60s) -1"; tasks put with their distance from now, tasks dropped by count.
std::string describe(const Decision &d, const Bench &b) {
    std::ostringstream out;
    out << to_string(d.result) << ":";
    for (const HistoryEvent &e : d.events) {
        out << ' ' << to_string(e.type);
        if (e.outcome != Outcome::none)
            out << '=' << to_string(e.outcome);
    }
    for (const TaskPut &put : d.puts) {
        const auto wait = std::chrono::duration_cast<std::chrono::seconds>(put.due - b.now).count();
        if (put.kind == TaskKind::send)
            out << " +send#" << put.attempt << "@" << put.provider << '(' << wait << "s)";
        else
            out << " +timer(" << wait << "s)";
    }
    const auto known = std::count_if(d.drops.begin(), d.drops.end(), [](std::uint32_t task) { return task != 900; });
    if (known != 0)
        out << " -" << known;
    if (d.report)
        out << " report";
    return out.str();
}

struct Line {
    std::string_view situation;
    std::string_view input;
    std::string_view expected;
};

constexpr Line kTable[] = {
#include "cascade_table.inc"
};

TEST(CascadeTable, EveryPairDoesWhatTheTableSays) {
    std::size_t at = 0;
    for (const Situation &situation : situations()) {
        for (const Kind &kind : kinds()) {
            Bench b(table_rule());
            b.start();
            situation.setup(b);
            const std::string got = describe(kind.give(b), b);
            ASSERT_LT(at, std::size(kTable)) << "no line for " << situation.name << " / " << kind.name;
            const Line &line = kTable[at++];
            ASSERT_EQ(line.situation, situation.name);
            ASSERT_EQ(line.input, kind.name);
            EXPECT_EQ(got, line.expected) << situation.name << " / " << kind.name;
        }
    }
    EXPECT_EQ(at, std::size(kTable));
}

} // namespace
} // namespace hc::core::test
