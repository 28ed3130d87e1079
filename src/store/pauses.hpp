// Pauses of providers, tenants, rules and workflow types, and the tasks that were put aside.
#pragma once

#include "core/time.hpp"
#include "pg/spi.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hc::store {

// What a pause is of; the text is that of the column.
inline constexpr const char *kPauseProvider = "provider";
inline constexpr const char *kPauseTenant = "tenant";
inline constexpr const char *kPauseRule = "rule";
inline constexpr const char *kPauseWorkflowType = "workflow_type";

struct PauseRow {
    std::string scope;
    std::optional<std::string> name; // of the tenant (null: cascades without one) or rule
    std::int32_t provider = 0;       // id, for scope provider
    core::Time since{};
    std::optional<core::Time> until; // null: going on
    auto fields() { return std::tie(scope, name, provider, since, until); }
};
std::vector<PauseRow> all_pauses();

// False: it is paused already.
bool insert_pause(const char *scope, const std::optional<std::string> &name, std::int32_t provider, core::Time since,
                  const std::optional<std::string> &reason);
// False: it is not paused.
bool end_pause(const char *scope, const std::optional<std::string> &name, std::int32_t provider, core::Time until);
void delete_pauses_before(core::Time ended);

// A task that is put aside stands in the negative of its queue, so that no claim passes over it: for the cascade's own
// hold without a due time, for a pause with one (timers: release_paused_timers). Puts at most `limit` of those put
// aside for a pause before `now` back into their queues, due now; returns their number.
std::size_t release_paused_tasks(core::Time now, std::int32_t limit);

} // namespace hc::store
