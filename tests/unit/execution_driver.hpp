// A driver that plays the part of the executor for the replay of workflow functions: bodies are lambdas over it.
#pragma once

#include "core/error.hpp"
#include "core/execution_replay.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

namespace hc::core::replay_test {

using Type = ExecutionEventType;
using Kind = CallAnswer::Kind;

struct Suspended {};
struct Canceled {};
struct Failed {
    std::string failure;
};

inline Time at(int seconds) {
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
            answer = replay_->call(command);
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
    std::uint32_t start_activity(const std::string &type, const std::string &cancellation = "") {
        const Command command{CommandKind::activity, type, 0};
        if (const CallAnswer answer = replay_->call(command); answer.kind != Kind::fresh) {
            result(answer);
        } else {
            replay_->record({.type = Type::activity_scheduled, .time = clock_, .name = type, .text = cancellation});
            replay_->call(command);
        }
        return replay_->command();
    }
    void cancel_handle(std::uint32_t handle) {
        const Command command{CommandKind::cancel, "", handle};
        if (const CallAnswer answer = replay_->call(command); answer.kind != Kind::fresh) {
            result(answer);
            return;
        }
        const bool timer = replay_->begin_of(handle).type == Type::timer_started;
        replay_->record({.type = timer ? Type::timer_canceled : Type::activity_cancel_requested,
                         .time = clock_,
                         .kind = CommandKind::cancel,
                         .hash = handle,
                         .payload = std::to_string(handle)});
        replay_->call(command);
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
    // "id name args", or "" when the time is over
    std::string wait_update(const std::string &name = "", std::optional<int> seconds = {}) {
        const std::string args =
            wait({CommandKind::wait_update, name, 0}, Type::marker_recorded, seconds, CommandKind::wait_update);
        const ExecutionEvent *accepted = replay_->accepted_by(replay_->command());
        return accepted != nullptr ? accepted->text + " " + accepted->name + " " + args : "";
    }
    void complete_update(const std::string &id, const std::string &outcome = "{}") {
        ASSERT_TRUE(replay_->has_open_update(id)) << id;
        const Command command{CommandKind::complete_update, "", std::hash<std::string>{}(id)};
        if (replay_->call(command).kind == Kind::fresh) {
            replay_->record(
                {.type = Type::update_completed, .time = clock_, .hash = command.hash, .payload = outcome, .text = id});
            replay_->call(command);
        }
    }

    // ---- the world ----

    struct Update {
        std::string id, name, args;
    };
    void update(const std::string &id, const std::string &name, const std::string &args = "{}") {
        admitted.push_back({id, name, args});
    }
    std::vector<Update> admitted; // in order; those that are not taken stay
    std::function<bool(const Update &)> validator;
    std::vector<std::string> rejected;

    void signal(const std::string &name, const std::string &payload, const std::string &request = "") {
        inbox_.push_back({.type = Type::signal_received, .name = name, .payload = payload, .text = request});
    }
    void end_child(std::uint32_t command, const std::string &payload, bool failed = false) {
        inbox_.push_back(
            {.type = failed ? Type::child_failed : Type::child_completed, .command = command, .payload = payload});
    }
    void end_activity(std::uint32_t command, Type type, const std::string &payload) {
        inbox_.push_back({.type = Type::activity_started, .command = command, .payload = "{}", .text = "worker"});
        inbox_.push_back({.type = type, .command = command, .payload = payload});
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
            if (!step_ && accept_update())
                continue;
            if (!step_)
                return "waiting";
            step_->time = clock_;
            step_->payload = on_step(step_->name);
            if (step_->name == "bad")
                step_->type = Type::step_failed;
            replay_->record(*std::exchange(step_, {}));
        }
    }

    // Of those that the wait of the body wants the first one that passes.
    bool accept_update() {
        const ExecutionEvent *wait = replay_->pending_update();
        for (std::size_t i = 0; wait != nullptr && i < admitted.size();) {
            const Update update = admitted[i];
            if (!wait->name.empty() && wait->name != update.name) {
                ++i;
                continue;
            }
            admitted.erase(admitted.begin() + static_cast<std::ptrdiff_t>(i));
            if (validator && !validator(update)) {
                rejected.push_back(update.id);
                continue;
            }
            replay_->add({.type = Type::update_accepted,
                          .time = clock_,
                          .command = wait->command,
                          .name = update.name,
                          .payload = update.args,
                          .text = update.id});
            return true;
        }
        return false;
    }

    std::string wait(const Command &command, Type type, std::optional<int> seconds,
                     CommandKind kind = CommandKind::none) {
        CallAnswer answer = replay_->call(command);
        if (answer.kind == Kind::fresh) {
            ExecutionEvent event{.type = type, .time = clock_, .kind = kind, .name = command.name};
            if (seconds)
                event.due = clock_ + std::chrono::seconds(*seconds);
            replay_->record(event);
            answer = replay_->call(command);
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
inline std::string in_order(std::initializer_list<std::string> parts) {
    std::string all;
    for (const std::string &part : parts)
        all += part;
    return all;
}

} // namespace hc::core::replay_test
