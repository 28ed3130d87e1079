// The secret of a signature scheme as people store it: several keys in one text during a rotation.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hc::core {

// The keys, newest first: separated by white space; PEM blocks one after the other, with or without white space between
// them; for basic a line each; for aws_sns each certificate with the topic before it.
std::vector<std::string> split_secrets(std::string_view scheme, std::string_view secret);

// "Schemes: standard_webhooks, twilio, ..." for error hints.
std::string signature_schemes_hint();

} // namespace hc::core
