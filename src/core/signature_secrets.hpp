// The secret of a signature scheme as people store it: several keys in one text during a rotation.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hc::core {

// Keys separated by white space, newest first; one key where white space belongs to it (PEM, basic, aws_sns).
std::vector<std::string> split_secrets(std::string_view scheme, std::string_view secret);

// "Schemes: standard_webhooks, twilio, ..." for error hints.
std::string signature_schemes_hint();

} // namespace hc::core
