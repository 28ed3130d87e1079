// The one exception type of the project's own errors, carrying what PostgreSQL reports to a client.
// Used by every layer; src/pg turns it into ereport(ERROR) at the C boundary.
#pragma once

#include <exception>
#include <string>
#include <utility>

namespace hc {

// SQLSTATE codes raised by this extension. Standard codes where one fits, else our class `WF`.
namespace sqlstate {
inline constexpr const char *invalid_parameter = "22023";      // bad argument, bad rule, bad configuration
inline constexpr const char *null_not_allowed = "22004";       // a required argument is NULL
inline constexpr const char *limit_exceeded = "54000";         // a cap on size, count or depth was passed
inline constexpr const char *configured_limit = "53400";       // a rate or backlog limit of a tenant
inline constexpr const char *insufficient_privilege = "42501"; // role may not act for this tenant
inline constexpr const char *duplicate_object = "42710";       // name already in use
inline constexpr const char *undefined_object = "42704";       // rule, provider, endpoint or secret does not exist
inline constexpr const char *object_in_use = "55006";          // drop of something still referenced
inline constexpr const char *not_prerequisite = "55000";       // object not in prerequisite state
inline constexpr const char *feature_not_supported = "0A000";
inline constexpr const char *invalid_authorization = "28000"; // a signature that does not verify
inline constexpr const char *internal_error = "XX000";        // cannot happen
inline constexpr const char *out_of_memory = "53200";
inline constexpr const char *cascade_not_found = "WF001";   // no cascade with this id
inline constexpr const char *key_conflict = "WF002";        // same key, other rule or message, on_conflict = error
inline constexpr const char *too_many_signals = "WF003";    // history limit of one cascade reached
inline constexpr const char *corrupt_state = "WF004";       // stored state or history does not decode
inline constexpr const char *already_started = "WF005";     // an open execution has this workflow id
inline constexpr const char *canceled = "WF020";            // in a workflow function: its cancel was requested
inline constexpr const char *nondeterminism = "WF021";      // the function does something else than its history says
inline constexpr const char *child_ended = "WF022";         // a child execution was canceled, terminated or timed out
inline constexpr const char *activity_failed = "WF023";     // an activity failed, and its failure names no SQLSTATE
inline constexpr const char *activity_timed_out = "WF024";  // an activity ran into one of its timeouts
inline constexpr const char *stale_token = "WF025";         // the attempt is over, or its activity
inline constexpr const char *update_unfinished = "WF030";   // an execution closed before it completed an update
inline constexpr const char *still_running = "WF031";       // its result was waited for, and has not come
inline constexpr const char *invalid_termination = "2D000"; // a commit where there can be none
inline constexpr const char *query_canceled = "57014";      // in a workflow function: it waits
} // namespace sqlstate

// Message text follows the PostgreSQL error style guide: lower case start, no full stop; detail and hint are sentences.
class Error : public std::exception {
public:
    Error(const char *sqlstate, std::string message, std::string detail = {}, std::string hint = {})
        : sqlstate_(sqlstate), message_(std::move(message)), detail_(std::move(detail)), hint_(std::move(hint)) {}

    const char *what() const noexcept override { return message_.c_str(); }
    const char *sqlstate() const noexcept { return sqlstate_; }
    const std::string &message() const noexcept { return message_; }
    const std::string &detail() const noexcept { return detail_; }
    const std::string &hint() const noexcept { return hint_; }

private:
    const char *sqlstate_; // points at a constant of namespace sqlstate, five characters
    std::string message_;
    std::string detail_;
    std::string hint_;
};

} // namespace hc
