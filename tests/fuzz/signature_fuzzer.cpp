// Fuzzes callback signatures. Whatever the request, nothing but the secret makes it verify: with a secret that the
// input cannot know the answer is never ok, and it is the same every time. The bytes: scheme, then secret, method, URL,
// headers
// ("name: value" lines) and body, each up to a 0x1e.
#include "core/error.hpp"
#include "core/signature.hpp"

#include <algorithm>
#include <cstdlib>
#include <optional>

namespace {

using namespace hc::core;

constexpr std::string_view kHidden = "4f1c2b86-not-in-any-input-9d0e";
constexpr std::string_view kHiddenWebhook = "whsec_KkPq3v0Zr1mXb8uJt5yWc7dLhN2sEfGa";
constexpr std::string_view kHiddenEd25519 = "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";
constexpr std::string_view kHiddenP256 =
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEDr2LjtURuePQzplybdC+u4CwrqDqBaWjcMMsTbhdbcwHBce"
    "pxo7yAQGhHPTnlvFYPAZFceEu/1FwCM/QmGUhA==";

void require(bool condition) {
    if (!condition)
        std::abort();
}

std::string_view next_part(std::string_view &input, char end) {
    const std::size_t size = std::min(input.find(end), input.size());
    const std::string_view part = input.substr(0, size);
    input.remove_prefix(std::min(size + 1, input.size()));
    return part;
}

std::vector<std::pair<std::string, std::string>> read_headers(std::string_view text) {
    std::vector<std::pair<std::string, std::string>> headers;
    while (!text.empty()) {
        std::string_view line = next_part(text, '\n');
        const std::string_view name = next_part(line, ':');
        headers.emplace_back(name, line);
    }
    return headers;
}

std::vector<std::string> hidden_secrets() {
    return {std::string(kHidden),         std::string(kHiddenWebhook), "user:" + std::string(kHidden),
            "v2:" + std::string(kHidden), std::string(kHiddenEd25519), "whpk_" + std::string(kHiddenEd25519),
            std::string(kHiddenP256)};
}

// nullopt: the scheme is unknown.
std::optional<SignatureCheck> check(const SignatureRequest &request) {
    try {
        return verify_signature(request);
    } catch (const hc::Error &e) {
        require(std::string_view(e.sqlstate()) == "22023" && !known_signature_scheme(request.scheme));
        return std::nullopt;
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    constexpr char kEnd = '\x1e';
    std::string_view input(reinterpret_cast<const char *>(data), size);
    SignatureRequest request;
    request.scheme = next_part(input, kEnd);
    const std::string secret(next_part(input, kEnd));
    request.method = next_part(input, kEnd);
    request.url = next_part(input, kEnd);
    request.headers = read_headers(next_part(input, kEnd));
    request.body = input;
    request.now = from_unix_micros(1'700'000'000'000'000);
    request.secrets = hidden_secrets();
    const std::optional<SignatureCheck> hidden = check(request);
    require(hidden != SignatureCheck::ok && hidden == check(request));
    request.secrets = {secret};
    const std::optional<SignatureCheck> given = check(request);
    require(given.has_value() == hidden.has_value());
    require(!given || !to_string(*given).empty());
    require(!secret.empty() || given == std::nullopt || given == SignatureCheck::bad_secret);
    return 0;
}
