// Answers of a fake activity, as tests give them: one, or a script of them, one an attempt.
//
// {"result": <any JSON>, "delay": "2s"}                 of result, failure and function one
// {"failure": {"message": "busy", ..}}                  as of hermes.fail_task
// {"function": "app.fake_charge(jsonb)"}                its result, computed from the input
#pragma once

#include "core/time.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace hc::core {

inline constexpr std::size_t kMaxFakeAnswers = 100;

struct FakeAnswer {
    std::string function; // signature; empty: a result or a failure
    Duration delay{};     // from the start of the attempt
};

// Throws 22023 with the JSON path.
std::vector<FakeAnswer> parse_fake_answers(std::string_view json);

} // namespace hc::core
