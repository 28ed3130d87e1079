// The replay of a workflow function. Its body is called from the start at each turn; every call it makes of a verb is a
// command with the next number. Where the history has what became of the command, the verb returns it; where it does
// not, the command is new. Pure: the body, the clock and the database are the caller's.
//
// What decides is the order of events, never the time of a look:
// - a wait for a signal takes the first signal of its name that no wait before it has taken, unless its own timer fired
//   before that signal came;
// - a cancel request is delivered once: to the first command that was not over when it came (Temporal: the cancellation
//   of the root scope). What the body does after that is clean-up and runs as ever;
// - an update is accepted by the wait that takes it: until then it is no part of the history, and never if it is
//   rejected. A wait takes one unless its own timer fired before.
#pragma once

#include "core/execution_events.hpp"
#include "core/id.hpp"
#include "core/workflow_limits.hpp"

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace hc::core {

inline constexpr std::size_t kMaxPendingCommands = 2'000;     // of one answer, of one wait
inline constexpr std::string_view kWaitCancellation = "wait"; // text of an activity_scheduled: a cancel is no end of it
inline constexpr std::size_t kMaxCommandName = 200;           // bytes: names of steps, signals, changes

struct Command {
    CommandKind kind{};
    std::string name;
    std::uint64_t hash = 0; // of the arguments
};

// The body did something else than the history says it did.
class Nondeterminism : public std::runtime_error {
public:
    using std::runtime_error::runtime_error; // "command 3 is step \"ship\", the history has sleep"
};

struct CallAnswer {
    enum class Kind : std::uint8_t {
        result,   // payload: JSON; empty: NULL
        failure,  // payload: failure
        pending,  // known, not over
        fresh,    // not known: it is for the caller to record or to do
        canceled, // the cancel request is delivered here
    };
    Kind kind{};
    std::string_view payload{}; // of an event of the replay: until the next event is added
};

// A wait whose time is limited.
struct PendingTimer {
    std::uint32_t command = 0;
    Time due{};
    bool operator==(const PendingTimer &) const = default;
};

struct OpenChild {
    std::string execution_id;
    std::string policy; // word of its parent close policy
};

// A command that the history has, for people: {3, 7, "step \"ship\""}.
struct RecordedCommand {
    std::uint32_t command = 0;
    std::size_t event_id = 0;
    std::string words;
};
std::string words_of(CommandKind kind, const std::string &name);
bool ends_command(ExecutionEventType type);        // the one that the event has the number of
std::size_t bytes_of(const ExecutionEvent &event); // about what it takes up in the history

class Replay {
public:
    Replay(const WorkflowId &id, std::vector<ExecutionEvent> events);

    void restart(); // before each call of the body

    // The next command of the body. Throws Nondeterminism.
    CallAnswer call(const Command &command);
    // What a command of before is: one that began something goes on meanwhile (timer, child, activity). Throws
    // Nondeterminism when the body has issued no such command.
    CallAnswer await(std::uint32_t command);
    // What began what a handle stands for. Throws Nondeterminism when the body has issued no such command.
    const ExecutionEvent &begin_of(std::uint32_t command);
    // An activity that was open where a reset has cut the history: nobody does it, unless it is scheduled anew.
    bool is_lost(std::uint32_t command) const { return is_open(command) && commands_[command - 1].lost; }
    bool is_open(std::uint32_t command) const; // it was issued, and the history has no end of it
    // The number of the one of these that was over first; nullopt with `answer` filled: none is, or the cancel came
    // before.
    std::optional<std::uint32_t> await_any(std::span<const std::uint32_t> commands, CallAnswer &answer);
    // The one that was just found pending, once it is over.
    CallAnswer call_again(const Command &command);
    // While it is on, no cancel is delivered; each pass begins without.
    void shield(bool on) { shielded_ = on; }
    // Records the command that was just found fresh, as an event of it; then call it again.
    void record(ExecutionEvent event);
    // The next command of a program outside, which is not called: its commands count as issued, all of them.
    void append(ExecutionEvent event);

    // The version of a change that the body is to follow (Temporal's get_version): what was recorded; where nothing
    // was, the newest one, to be recorded, unless the history already goes on past this point: then the oldest, -1.
    // `fresh` is set when it is to be recorded. Throws Nondeterminism when what was recorded is not supported.
    std::int32_t version(const std::string &change, std::int32_t oldest, std::int32_t newest, bool &fresh);

    // From outside: a signal, a timer that fired, a cancel request, a close. Its time is that of the event before it
    // when it is earlier.
    void add(ExecutionEvent event);

    // The wait for an update at which this pass of the body has come to a stop; its event has the name that it wants
    // (empty: any). Whoever has one that fits adds update_accepted of this command, and calls the body again.
    const ExecutionEvent *pending_update() const;
    // What ended a wait for an update: nullptr, its timeout.
    const ExecutionEvent *accepted_by(std::uint32_t command) const;
    // The body has taken it in this pass, and not completed it.
    bool has_open_update(const std::string &update_id) const { return open_updates_.contains(update_id); }

    // The body has come to its end: throws Nondeterminism when the history has commands that it did not issue.
    void check_end() const;
    // The next command that the history has and the body has not issued.
    std::optional<RecordedCommand> next_recorded() const;

    Time now() const { return now_; } // of the newest event that the body has seen
    const ExecutionUse &use() const { return use_; }
    const ExecutionUse &stored_use() const { return stored_use_; } // when the replay was made
    // Up to the newest event that the body has seen, of history and updates: the same at the same place of the body.
    ExecutionUse seen() const;
    std::uint64_t random(); // the same at the same place of the body

    bool cancel_requested() const { return cancel_.has_value(); }
    std::optional<std::string> undelivered_cancel() const; // its reason
    bool is_paused() const { return paused_; }
    // In place of a pass of the body: what it has taken, as far as the history goes. Only without a cancel request.
    void follow_history();
    bool is_closed() const { return !events_.empty() && is_close(events_.back().type); }
    bool was_ended_by_body() const; // it returned, failed, was canceled or continued as new: it asks for nothing more
    bool knows_request(const std::string &request_id) const;
    bool timer_is_pending(std::uint32_t command) const; // it was started, has not fired, and the wait is not over
    std::vector<PendingTimer> pending_timers() const;
    // The command that waits for a condition: the last one, when it is a wait_until that is not over.
    std::optional<std::uint32_t> pending_condition() const;
    bool has_conditions() const { return has_conditions_; } // whether it has waited for one, ever
    std::uint32_t command() const { return next_ - 1; }     // number of the last command called
    // Signals that no wait has taken in this pass, in order.
    std::vector<const ExecutionEvent *> untaken_signals() const;
    // Children that were started and are not known to have ended.
    std::vector<OpenChild> open_children() const;

    bool has_open_activities() const;

    const std::vector<ExecutionEvent> &events() const { return events_; }
    // Those added since the replay was made.
    std::span<const ExecutionEvent> added() const { return std::span(events_).subspan(stored_); }

private:
    struct Recorded {
        std::size_t event = 0;            // position of what recorded the command
        std::optional<std::size_t> fired; // position of what ended it
        bool over = false;                // in this pass of the body, or by its event alone
        bool lost = false;                // see is_lost()
    };
    struct Signals {
        std::vector<std::size_t> events;
        std::size_t taken = 0; // in this pass
    };
    struct Seed {                 // of the random numbers that the body of another execution drew
        std::size_t commands = 0; // up to this one; what comes after it is this execution's own
        WorkflowId id;
    };

    void note(std::size_t position);
    void note_reset(const ExecutionEvent &event);
    void see(std::size_t position);
    void end_command(std::uint32_t command, std::size_t position);
    std::size_t *open_ones(ExecutionEventType begin); // counter of what it begins; nullptr: it is not limited
    const Recorded *recorded(std::uint32_t command) const;
    void check(const Command &command, const ExecutionEvent &event) const;
    bool canceled_before(std::optional<std::size_t> position) const;
    CallAnswer deliver_cancel();
    Recorded &issued(std::uint32_t command);
    CallAnswer answer(Recorded &known);
    std::optional<std::size_t> end_of(const Recorded &known, Signals **signals);

    const WorkflowId id_;
    std::vector<ExecutionEvent> events_;
    std::size_t stored_;
    std::deque<Recorded> commands_; // number 1 is the first
    std::map<std::string, Signals> signals_;
    std::map<std::string, std::size_t> versions_;
    std::map<std::string, std::size_t> requests_;
    std::optional<std::size_t> cancel_;
    bool paused_ = false;
    bool has_conditions_ = false;
    ExecutionUse use_, stored_use_;
    std::vector<Seed> seeds_; // of an execution that was reset: whose history it began with
    // of this pass of the body
    std::uint32_t next_ = 1;
    std::uint32_t pending_update_ = 0; // command; 0: none
    std::set<std::string> open_updates_;
    bool cancel_delivered_ = false;
    bool shielded_ = false;
    Time now_{};
    std::size_t seen_ = 0; // events
    std::uint64_t randoms_ = 0;
};

} // namespace hc::core
