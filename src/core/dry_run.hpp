// A cascade run in thought: the state machine with a clock of its own, scripted providers and no rows (S13). Pure.
//
// The script:
//   { "channels": {"email": [{"answer": "accepted", "receipts": [{"status": "failed", "after": "5s"}]}]},
//                                       as of a sandbox provider: the n-th attempt on the channel takes entry n,
//                                       further ones the last; channels that are not named accept and deliver at once
//     "conditions": {"2": false},       verdict of the condition of a step (counted from 1); default true
//     "start_at": "2026-12-01T22:15:00Z",  when it begins; default: the time given
//     "cancel_after": "10m" }           optional
#pragma once

#include "core/cascade.hpp"
#include "core/provider_config.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace hc::core {

inline constexpr std::size_t kMaxDryRunActions = 20'000; // answers, receipts and timers carried out

struct DryRunScript {
    std::map<std::string, std::vector<SandboxStep>, std::less<>> channels;
    std::map<std::size_t, bool> conditions; // by step, 0-based
    std::optional<Time> start_at;
    std::optional<Duration> cancel_after;
};

// Throws hc::Error like parse_rule.
DryRunScript parse_dry_run_script(std::string_view json);

// The history from the start to the end. Throws hc::Error 54000 when it does not end within kMaxDryRunActions.
std::vector<HistoryEvent> dry_run(const Program &program, const DryRunScript &script, const StartInput &start, Time now,
                                  const Surroundings &around);

} // namespace hc::core
