// Headers as the receipt log keeps them.
#include "core/logged_headers.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>

namespace hc::core {
namespace {

nlohmann::json logged(const Headers &headers) { return nlohmann::json::parse(logged_headers(headers)); }

TEST(LoggedHeaders, CredentialsAreLeftOut) {
    for (const std::string_view name : {"Authorization", "authorization", "Proxy-Authorization", "Cookie", "Set-Cookie",
                                        "X-Api-Key", "apikey", "api_key", "X-Auth-Token", "X-Access-Token", "X-Secret",
                                        "X-Webhook-Password", "X-Amz-Security-Token", "X-Credentials", "X-Auth-Key"})
        EXPECT_TRUE(logged({{std::string(name), "value"}}).empty()) << name;
    for (const std::string_view name : {"Content-Type", "X-Twilio-Signature", "User-Agent", "Webhook-Id", "Date"})
        EXPECT_FALSE(logged({{std::string(name), "value"}}).empty()) << name;
}

TEST(LoggedHeaders, NamesInLowerCaseValuesAsTheyCame) {
    EXPECT_EQ(logged({{"Content-Type", "text/plain; q=\"a\\b\""}, {"X-Id", ""}}),
              (nlohmann::json{{"content-type", "text/plain; q=\"a\\b\""}, {"x-id", ""}}));
    EXPECT_EQ(logged_headers({}), "{}");
}

TEST(LoggedHeaders, Caps) {
    Headers many;
    for (int i = 0; i < 200; ++i)
        many.emplace_back("x-" + std::to_string(i), "v");
    EXPECT_EQ(logged(many).size(), kMaxLoggedHeaders);
    const nlohmann::json cut =
        logged({{std::string(1000, 'n'), std::string(kMaxLoggedValueBytes - 1, 'v') + "\xC3\xA9 and more"}});
    EXPECT_EQ(cut.begin().key().size(), kMaxLoggedNameBytes);
    EXPECT_EQ(cut.begin().value().get<std::string>(), std::string(kMaxLoggedValueBytes - 1, 'v')) << "whole characters";
}

TEST(LoggedHeaders, BytesThatAreNoTextAreReplaced) { EXPECT_NO_THROW(logged({{"x-\xFF", "\xFE"}})); }

} // namespace
} // namespace hc::core
