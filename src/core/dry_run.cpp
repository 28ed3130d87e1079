// See dry_run.hpp. Pure.
#include "core/dry_run.hpp"

#include "core/dlr.hpp"
#include "core/error.hpp"
#include "core/provider_reader.hpp"
#include "core/receipt.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <set>

namespace hc::core {

namespace {

constexpr JsonDocumentRules kDocument{"invalid dry run script", kMaxProviderConfigBytes, kMaxProviderConfigDepth};
constexpr std::array<std::string_view, 4> kKeys{"channels", "conditions", "start_at", "cancel_after"};

// Something that happens at a time.
struct Action {
    Input input;
    std::uint32_t task = 0;                 // carried out by it; void when the cascade has dropped it meanwhile
    std::vector<SandboxReceipt> receipts{}; // that follow an answer
};

class DryRun {
public:
    DryRun(const Program &program, const DryRunScript &script, Time now, const Surroundings &around)
        : program_(program), script_(script), now_(now), around_(around) {}

    std::vector<HistoryEvent> run(const StartInput &start);

private:
    void plan(Time due, Action action);
    void plan(const TaskPut &put);
    SandboxStep entry_of(const TaskPut &put) const;
    void carry_out(const Action &action);

    const Program &program_;
    const DryRunScript &script_;
    Time now_;
    const Surroundings &around_;
    State state_;
    std::vector<HistoryEvent> events_;
    std::map<std::pair<Time, std::size_t>, Action> actions_; // by time, then in the order in which they were planned
    std::size_t planned_ = 0;
    std::set<std::uint32_t> outstanding_; // tasks
};

std::vector<HistoryEvent> DryRun::run(const StartInput &start) {
    if (script_.cancel_after)
        plan(now_ + *script_.cancel_after, {.input = CancelInput{.reason = "dry run"}});
    carry_out({.input = start});
    for (std::size_t done = 0; !actions_.empty(); ++done) {
        if (done == kMaxDryRunActions)
            throw Error(sqlstate::limit_exceeded, "dry run does not end",
                        fmt::format("It was given up after {} actions.", kMaxDryRunActions),
                        "A validity, or fewer attempts, would end the cascade.");
        const auto next = actions_.begin();
        const Time due = next->first.first;
        const Action action = std::move(next->second);
        actions_.erase(next);
        if (action.task != 0 && outstanding_.erase(action.task) == 0)
            continue;
        now_ = std::max(now_, due);
        carry_out(action);
    }
    return std::move(events_);
}

void DryRun::plan(Time due, Action action) { actions_.emplace(std::pair(due, planned_++), std::move(action)); }

void DryRun::carry_out(const Action &action) {
    Decision decision = decide(program_, state_, action.input, now_, around_);
    const bool taken = decision.result != SignalResult::ignored;
    events_.insert(events_.end(), std::make_move_iterator(decision.events.begin()),
                   std::make_move_iterator(decision.events.end()));
    for (const std::uint32_t task : decision.drops)
        outstanding_.erase(task);
    for (const TaskPut &put : decision.puts)
        plan(put);
    const auto *answer = std::get_if<SendAnswer>(&action.input);
    if (answer == nullptr || !taken)
        return;
    for (const SandboxReceipt &receipt : action.receipts) {
        nlohmann::json dlr = {{"status", receipt.status}, {"attempt", answer->attempt}};
        if (!receipt.reason.empty())
            dlr["error_code"] = receipt.reason;
        plan(now_ + receipt.after, {.input = parse_dlr(dlr.dump(), {})});
    }
}

void DryRun::plan(const TaskPut &put) {
    outstanding_.insert(put.number);
    Action action{.input = TimerInput{.task = put.number}, .task = put.number};
    if (put.kind == TaskKind::condition) {
        const auto verdict = script_.conditions.find(put.step);
        const bool yes = verdict == script_.conditions.end() || verdict->second;
        action.input = ConditionAnswer{
            .task = put.number, .verdict = yes ? ConditionVerdict::yes : ConditionVerdict::no, .reason = {}};
    } else if (put.kind == TaskKind::send) {
        SandboxStep entry = entry_of(put);
        entry.answer.attempt = put.attempt;
        entry.answer.task = put.number;
        const bool may_be_taken =
            entry.answer.verdict == SendVerdict::accepted || entry.answer.verdict == SendVerdict::ambiguous;
        if (may_be_taken)
            action.receipts = std::move(entry.receipts);
        action.input = std::move(entry.answer);
    }
    plan(put.due, std::move(action));
}

SandboxStep DryRun::entry_of(const TaskPut &put) const {
    const std::vector<Step> &steps = program_.rule->steps;
    const std::string &channel = steps.at(put.step).channel;
    const auto script = script_.channels.find(channel);
    if (script == script_.channels.end())
        return {.answer = {}, .receipts = {{.status = "delivered", .after = {}, .reason = {}}}};
    const auto earlier_ones = std::count_if(state_.attempts.begin(), state_.attempts.end(), [&](const AttemptState &a) {
        return a.number < put.attempt && steps.at(a.step).channel == channel;
    });
    const std::size_t last = script->second.size() - 1;
    return script->second[std::min(static_cast<std::size_t>(earlier_ones), last)];
}

void read_conditions(const JsonNode &node, DryRunScript &script) {
    constexpr const char *kHint = "Write verdicts by step, counted from 1: {\"2\": false}.";
    if (!node.value().is_object())
        node.fail_type("an object", kHint);
    for (const auto &[key, value] : node.value().items()) {
        std::size_t step = 0;
        const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), step);
        const JsonNode child = node.child(value, key);
        if (error != std::errc{} || end != key.data() + key.size() || step < 1 || step > kMaxSteps)
            child.fail("is not a step", kHint);
        script.conditions[step - 1] = child.boolean();
    }
}

void read_channels(const JsonNode &node, DryRunScript &script) {
    if (!node.value().is_object())
        node.fail_type("an object", "Write the script of each channel: {\"sms\": [{\"answer\": \"accepted\"}]}.");
    for (const auto &[channel, entries] : node.value().items())
        script.channels[channel] = read_sandbox_script(node.child(entries, channel));
}

} // namespace

DryRunScript parse_dry_run_script(std::string_view json) {
    const nlohmann::json document = parse_json_document(json, kDocument);
    const JsonObject object(JsonNode(document, "$", kDocument.message), kKeys);
    DryRunScript script;
    if (auto n = object.find("channels"))
        read_channels(*n, script);
    if (auto n = object.find("conditions"))
        read_conditions(*n, script);
    if (auto n = object.find("start_at")) {
        script.start_at = parse_iso8601(n->text(64));
        if (!script.start_at)
            n->fail("is not a time", "Write ISO 8601 with a zone, such as \"2026-12-01T08:00:00Z\".");
    }
    if (auto n = object.find("cancel_after"))
        script.cancel_after = n->duration(Duration::zero(), kMaxConfigDuration);
    return script;
}

std::vector<HistoryEvent> dry_run(const Program &program, const DryRunScript &script, const StartInput &start, Time now,
                                  const Surroundings &around) {
    return DryRun(program, script, script.start_at.value_or(now), around).run(start);
}

} // namespace hc::core
