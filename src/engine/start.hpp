// Starting cascades: keys, ids, first decision, rows. One engine call for one or a hundred thousand.
#pragma once

#include "core/id.hpp"
#include "pg/values.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hc::engine {

struct StartRequest {
    std::string rule;
    std::vector<pg::jsonb_view> messages;
    std::vector<std::optional<std::string>> keys; // empty: none has a key
    std::optional<std::string> tenant;
    std::string options_json;
};

// Ids in input order. Throws 42704, 42501, 22023, 54000, WF002.
std::vector<core::WorkflowId> start_cascades(const StartRequest &request, Oid user);

} // namespace hc::engine
