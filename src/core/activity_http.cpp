// See activity_http.hpp.
#include "core/activity_http.hpp"

#include "core/error.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace hc::core {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kShownBody = 2000; // of a failure

// jsonb takes no NUL.
bool storable(std::string_view text) {
    return text.find('\0') == std::string_view::npos && text.find("\\u0000") == std::string_view::npos;
}

std::string dump(const Json &json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

// As it is when it is JSON: numbers of jsonb have more digits than a double.
std::string body_json(const std::string &body) {
    if (body.empty())
        return "null";
    if (storable(body) && Json::accept(body))
        return body;
    std::string text = body;
    std::erase(text, '\0');
    return dump(Json(text));
}

} // namespace

HttpActivityEnd end_of_http_activity(const SendAnswer &answer, const HttpAnswer &http) {
    HttpActivityEnd end;
    if (answer.verdict == SendVerdict::accepted) {
        end.result = fmt::format(R"({{"status": {}, "body": {}}})", http.status, body_json(http.body));
        return end;
    }
    AttemptFailure failure;
    failure.type = answer.reason.empty() ? "unexpected_answer" : answer.reason;
    failure.failure.sqlstate = sqlstate::activity_failed;
    failure.failure.message = "HTTP activity failed: " + failure.type;
    failure.failure.detail =
        fmt::format(R"({{"status": {}, "body": {}}})", http.status, body_json(http.body.substr(0, kShownBody)));
    failure.non_retryable = answer.verdict == SendVerdict::next_channel || answer.verdict == SendVerdict::next_provider;
    failure.next_retry_delay = answer.retry_after;
    end.failure = std::move(failure);
    return end;
}

} // namespace hc::core
