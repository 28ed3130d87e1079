// See workflow_failure.hpp. Pure.
#include "core/workflow_failure.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>

namespace hc::core {

std::string failure_json(const WorkflowFailure &failure) {
    nlohmann::ordered_json json{{"sqlstate", failure.sqlstate}, {"message", failure.message}};
    if (!failure.detail.empty())
        json["detail"] = failure.detail;
    if (!failure.hint.empty())
        json["hint"] = failure.hint;
    return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

WorkflowFailure parse_failure(std::string_view json) {
    const nlohmann::json document = nlohmann::json::parse(json, nullptr, false);
    const auto text = [&document](const char *key) -> std::string {
        const bool has = document.is_object() && document.contains(key) && document[key].is_string();
        return has ? document[key].get<std::string>() : std::string();
    };
    return {text("sqlstate"), text("message"), text("detail"), text("hint")};
}

bool is_transient(std::string_view sqlstate) {
    static constexpr std::array<std::string_view, 3> kCodes{"40001", "40P01", "55P03"};
    static constexpr std::array<std::string_view, 4> kClasses{"08", "53", "57", "58"};
    return std::find(kCodes.begin(), kCodes.end(), sqlstate) != kCodes.end() ||
           std::find(kClasses.begin(), kClasses.end(), sqlstate.substr(0, 2)) != kClasses.end();
}

// The standard keeps classes that begin with 0 to 4 or A to H for itself; of the rest PostgreSQL uses some, and WF is
// ours.
bool is_application_error(std::string_view sqlstate) {
    if (sqlstate.size() != 5)
        return false;
    if (sqlstate == "P0001")
        return true;
    const std::string_view category = sqlstate.substr(0, 2);
    const bool free = (category[0] >= '5' && category[0] <= '9') || (category[0] >= 'I' && category[0] <= 'Z');
    static constexpr std::array<std::string_view, 9> kTaken{"53", "54", "55", "57", "58", "72", "P0", "XX", "WF"};
    return free && std::find(kTaken.begin(), kTaken.end(), category) == kTaken.end();
}

} // namespace hc::core
