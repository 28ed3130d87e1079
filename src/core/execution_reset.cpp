// See execution_reset.hpp. Pure.
#include "core/execution_reset.hpp"

#include "core/json_reader.hpp"
#include "core/workflow_options.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>

namespace hc::core {

namespace {

using Type = ExecutionEventType;

constexpr std::size_t kMaxBytes = 4096;
constexpr std::size_t kMaxDepth = 4;
constexpr std::size_t kMaxRequestId = 200;
constexpr std::size_t kMaxReason = 1000;
constexpr std::int64_t kMostExecutions = 100'000;

bool ends_activity(Type type) {
    return type == Type::activity_completed || type == Type::activity_failed || type == Type::activity_timed_out ||
           type == Type::activity_canceled;
}

bool ends_child(Type type) {
    return type == Type::child_start_failed || type == Type::child_completed || type == Type::child_failed;
}

// By event, from number 1 at index 0: whether the execution can be reset to it.
std::vector<bool> reset_points(std::span<const ExecutionEvent> events) {
    std::vector<bool> points;
    points.reserve(events.size());
    for (const ExecutionEvent &event : events)
        points.push_back(!is_close(event.type));
    return points;
}

std::string nearest_points(const std::vector<bool> &points, std::int64_t event_id) {
    const auto size = static_cast<std::int64_t>(points.size());
    const std::int64_t from = std::clamp<std::int64_t>(event_id, 0, size + 1); // any number may be asked for
    std::string words;
    for (std::int64_t id = from - 1; id >= 1 && words.empty(); --id) {
        if (points[static_cast<std::size_t>(id - 1)])
            words = fmt::to_string(id);
    }
    for (std::int64_t id = from + 1; id <= size; ++id) {
        if (points[static_cast<std::size_t>(id - 1)])
            return words.empty() ? fmt::to_string(id) : fmt::format("{} and {}", words, id);
    }
    return words;
}

} // namespace

std::optional<ResetRefusal> why_no_reset(std::span<const ExecutionEvent> events, std::int64_t event_id) {
    const std::vector<bool> points = reset_points(events);
    const bool exists = event_id >= 1 && event_id <= static_cast<std::int64_t>(points.size());
    if (exists && points[static_cast<std::size_t>(event_id - 1)])
        return std::nullopt;
    ResetRefusal refusal;
    refusal.nearest = nearest_points(points, event_id);
    refusal.detail = exists ? fmt::format("Event {} is the end of the execution.", event_id)
                            : fmt::format("The history has no event {}.", event_id);
    return refusal;
}

std::int64_t last_reset_point(std::span<const ExecutionEvent> events) {
    const std::vector<bool> points = reset_points(events);
    for (std::size_t i = points.size(); i > 0; --i)
        if (points[i - 1])
            return static_cast<std::int64_t>(i);
    return 0;
}

std::vector<ChildAtReset> children_at(std::span<const ExecutionEvent> events, std::int64_t event_id) {
    std::map<std::uint32_t, ChildAtReset> open;
    for (std::size_t i = 0; i < events.size(); ++i) {
        const ExecutionEvent &event = events[i];
        const bool before = static_cast<std::int64_t>(i) < event_id;
        if (before && event.type == Type::child_started) {
            open[event.command] = {event.command, event.text, nullptr};
        } else if (ends_child(event.type)) {
            const auto it = open.find(event.command);
            if (it != open.end() && before)
                open.erase(it);
            else if (it != open.end() && it->second.end == nullptr)
                it->second.end = &event;
        }
    }
    std::vector<ChildAtReset> children;
    children.reserve(open.size());
    for (const auto &[command, child] : open)
        children.push_back(child);
    return children;
}

std::vector<ActivityAtReset> activities_at(std::span<const ExecutionEvent> events, std::int64_t event_id) {
    std::map<std::uint32_t, ActivityAtReset> open;
    for (std::size_t i = 0; i < events.size(); ++i) {
        const ExecutionEvent &event = events[i];
        const bool before = static_cast<std::int64_t>(i) < event_id;
        if (before && event.type == Type::activity_scheduled) {
            open[event.command] = {event.command, nullptr};
        } else if (ends_activity(event.type)) {
            const auto it = open.find(event.command);
            if (it != open.end() && before)
                open.erase(it);
            else if (it != open.end() && it->second.end == nullptr)
                it->second.end = &event;
        }
    }
    std::vector<ActivityAtReset> activities;
    activities.reserve(open.size());
    for (const auto &[command, activity] : open)
        activities.push_back(activity);
    return activities;
}

std::vector<UpdateAtReset> updates_at(std::span<const ExecutionEvent> events, std::int64_t event_id) {
    std::vector<UpdateAtReset> updates;
    for (std::size_t i = 0; i < events.size(); ++i) {
        const ExecutionEvent &event = events[i];
        const bool before = static_cast<std::int64_t>(i) < event_id;
        if (event.type == Type::update_accepted) {
            updates.push_back({.accepted = &event, .kept = before});
        } else if (event.type == Type::update_completed) {
            const auto it = std::find_if(updates.begin(), updates.end(), [&event](const UpdateAtReset &update) {
                return update.accepted->text == event.text;
            });
            if (it == updates.end())
                continue;
            it->completed = true;
            if (before)
                it->outcome = event.payload;
        }
    }
    return updates;
}

std::vector<const ExecutionEvent *> signals_after(std::span<const ExecutionEvent> events, std::int64_t event_id) {
    std::vector<const ExecutionEvent *> signals;
    for (auto i = static_cast<std::size_t>(std::max<std::int64_t>(event_id, 0)); i < events.size(); ++i)
        if (events[i].type == Type::signal_received)
            signals.push_back(&events[i]);
    return signals;
}

std::string random_origin(std::span<const ExecutionEvent> events, std::int64_t event_id, const std::string &id) {
    for (auto i = static_cast<std::size_t>(std::max<std::int64_t>(event_id, 0)); i < events.size(); ++i)
        if (events[i].type == Type::workflow_execution_options_updated && !events[i].text.empty())
            return events[i].text;
    return id;
}

ResetOptions parse_reset_options(std::string_view json) {
    ResetOptions options;
    if (json == "{}")
        return options;
    static constexpr JsonDocumentRules kRules{"invalid reset options", kMaxBytes, kMaxDepth};
    static constexpr std::array<std::string_view, 4> kKeys{"request_id", "reapply", "run_timeout", "version"};
    enum class Reapply : std::uint8_t { all, signals, none };
    static constexpr std::array<JsonWord<Reapply>, 3> kReapply{
        {{"all", Reapply::all}, {"signals", Reapply::signals}, {"none", Reapply::none}}};
    const nlohmann::json document = parse_json_document(json, kRules);
    const JsonObject object(JsonNode(document, "$", kRules.message), kKeys);
    if (const auto id = object.find("request_id"))
        options.request_id = id->text(kMaxRequestId);
    if (const auto reapply = object.find("reapply")) {
        const Reapply what = reapply->word(kReapply);
        options.reapply_signals = what != Reapply::none;
        options.reapply_updates = what == Reapply::all;
    }
    if (const auto timeout = object.find("run_timeout"))
        options.run_timeout = timeout->duration(std::chrono::milliseconds(1), kLongestWait);
    if (const auto version = object.find("version"))
        options.version = static_cast<std::int32_t>(version->integer(1, INT32_MAX));
    return options;
}

MoveOptions parse_move_options(std::string_view json) {
    MoveOptions options;
    if (json == "{}")
        return options;
    static constexpr JsonDocumentRules kRules{"invalid move options", kMaxBytes, kMaxDepth};
    static constexpr std::array<std::string_view, 2> kKeys{"max_executions", "reason"};
    const nlohmann::json document = parse_json_document(json, kRules);
    const JsonObject object(JsonNode(document, "$", kRules.message), kKeys);
    if (const auto most = object.find("max_executions"))
        options.max_executions = static_cast<std::int32_t>(most->integer(1, kMostExecutions));
    if (const auto reason = object.find("reason"))
        options.reason = reason->text(kMaxReason);
    return options;
}

} // namespace hc::core
