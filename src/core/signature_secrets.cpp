// See signature_secrets.hpp.
#include "core/signature_secrets.hpp"

#include "core/signature.hpp"

#include <algorithm>

namespace hc::core {

std::vector<std::string> split_secrets(std::string_view scheme, std::string_view secret) {
    constexpr std::string_view kSpace = " \t\r\n";
    constexpr std::array<std::string_view, 5> kWhole{"basic", "sinch_sms", "bandwidth", "aws_sns", "aws_sms"};
    if (std::find(kWhole.begin(), kWhole.end(), scheme) != kWhole.end() ||
        secret.find("-----BEGIN") != std::string_view::npos)
        return {std::string(secret)};
    std::vector<std::string> keys;
    for (std::size_t at = secret.find_first_not_of(kSpace); at != std::string_view::npos;) {
        const std::size_t end = std::min(secret.find_first_of(kSpace, at), secret.size());
        keys.emplace_back(secret.substr(at, end - at));
        at = secret.find_first_not_of(kSpace, end);
    }
    return keys;
}

std::string signature_schemes_hint() {
    std::string hint = "Schemes: ";
    for (const SignatureScheme &scheme : kSignatureSchemes)
        hint.append(hint.size() > 9 ? ", " : "").append(scheme.name);
    return hint + "; connector names are taken too.";
}

} // namespace hc::core
