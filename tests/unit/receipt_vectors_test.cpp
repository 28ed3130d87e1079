// Every case of tests/vectors/dlr through the connector document of the same name.
#include "core/error.hpp"
#include "core/history.hpp"
#include "core/receipt_parser.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace {

using namespace hc::core;
using nlohmann::json;
namespace fs = std::filesystem;

std::string read_file(const fs::path &path) {
    std::ifstream in(path, std::ios::binary);
    EXPECT_TRUE(in.good()) << path;
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

fs::path tests_dir() { return HC_TEST_DIR; }

Connector load(const std::string &name) {
    return parse_connector(read_file(tests_dir().parent_path() / "sql/connectors" / (name + ".json")));
}

Headers headers_of(const json &input) {
    Headers headers;
    const json given = input.value("headers", json::object());
    for (const auto &[name, value] : given.items())
        headers.emplace_back(name, value.is_string() ? value.get<std::string>() : value.dump());
    if (input.contains("content_type"))
        headers.emplace_back("Content-Type", input["content_type"].get<std::string>());
    return headers;
}

std::vector<CanonicalReceipt> run(const Connector &connector, const json &input) {
    json options = json::object();
    for (const char *key : {"connector_err_map", "connector_id_base", "known_ids", "method", "esm_class", "tlv"}) {
        if (input.contains(key))
            options[key] = input[key];
    }
    if (input.contains("sync_response")) {
        const json body = input.value("json", json());
        return parse_response(connector, input["http_status"].get<int>(), headers_of(input),
                              input.contains("raw") ? input["raw"].get<std::string>()
                              : body.is_null()      ? ""
                                                    : body.dump());
    }
    std::string payload;
    for (const char *key : {"form", "query", "raw", "short_message"}) {
        if (input.contains(key))
            payload = input[key].get<std::string>();
    }
    if (input.contains("json"))
        payload = input["json"].dump();
    return parse_receipts(connector, payload, headers_of(input), parse_receipt_options(options.dump()));
}

json optional_text(const std::optional<std::string> &text) { return text ? json(*text) : json(); }
json text_or_null(std::string_view text) { return text.empty() ? json() : json(text); }

std::string_view class_of(const CanonicalReceipt &receipt) {
    if (!receipt.state)
        return "";
    if (is_success(*receipt.state))
        return "success";
    if (is_failure(*receipt.state))
        return "failure";
    return *receipt.state == ReceiptState::unknown ? "indeterminate" : "progress";
}

json shown(const CanonicalReceipt &r) {
    return {{"correlation_id", optional_text(r.correlation_id)},
            {"client_ref", optional_text(r.client_ref)},
            {"recipient", optional_text(r.recipient)},
            {"event_id", optional_text(r.event_id)},
            {"event_time", r.event_time ? json(to_unix_micros(*r.event_time)) : json()},
            {"sequence", r.sequence ? json(*r.sequence) : json()},
            {"raw_status", optional_text(r.raw_status)},
            {"raw_code", optional_text(r.raw_code)},
            {"state", r.state ? json(to_string(*r.state)) : json()},
            {"class", text_or_null(class_of(r))},
            {"final", r.final},
            {"failure_kind", r.kind == FailureKind::none ? json() : json(to_string(r.kind))},
            {"reason", text_or_null(r.reason)},
            {"suppress", text_or_null(r.suppress)},
            {"engagement", r.engagement.empty() ? json() : json::array({r.engagement})}};
}

json wanted_value(const std::string &key, const json &value) {
    if (key == "event_time" && value.is_string())
        return to_unix_micros(parse_iso8601(value.get<std::string>()).value());
    if (key == "engagement" && value.is_string())
        return json::array({value});
    return value;
}

std::string disposition_of(const std::vector<CanonicalReceipt> &receipts) {
    std::string whole;
    for (const CanonicalReceipt &receipt : receipts) {
        const std::string one(to_string(receipt.disposition));
        if (whole.empty() || whole == one)
            whole = one;
        else if (one == "park" || whole == "park" || whole == "partial")
            whole = "partial";
        else if (one == "apply" || whole == "apply")
            whole = "apply";
    }
    return whole;
}

void check_case(const Connector &connector, const json &test) {
    SCOPED_TRACE(test["id"].get<std::string>() + " " + test["name"].get<std::string>());
    std::vector<CanonicalReceipt> receipts;
    try {
        receipts = run(connector, test["input"]);
    } catch (const hc::Error &e) {
        FAIL() << e.message() << ": " << e.detail();
    }
    EXPECT_EQ(test["disposition"].get<std::string>(), disposition_of(receipts));
    const json expected = test.value("expect", json::array());
    if (expected.empty())
        return;
    ASSERT_EQ(expected.size(), receipts.size());
    for (std::size_t i = 0; i < receipts.size(); ++i) {
        const json got = shown(receipts[i]);
        for (const auto &[key, value] : expected[i].items()) {
            if (key == "disposition")
                continue;
            EXPECT_EQ(wanted_value(key, value), got.value(key, json())) << "element " << i << ", " << key;
        }
    }
}

class ReceiptVectors : public testing::TestWithParam<std::string> {};

std::vector<std::string> connectors() {
    std::vector<std::string> names;
    for (const auto &entry : fs::directory_iterator(tests_dir() / "vectors/dlr")) {
        if (entry.path().extension() == ".json")
            names.push_back(entry.path().stem());
    }
    std::sort(names.begin(), names.end());
    return names;
}

TEST_P(ReceiptVectors, EveryCaseComesOutAsWritten) {
    const Connector connector = load(GetParam());
    const json cases = json::parse(read_file(tests_dir() / "vectors/dlr" / (GetParam() + ".json")));
    ASSERT_FALSE(cases.empty());
    for (const json &test : cases)
        check_case(connector, test);
}

INSTANTIATE_TEST_SUITE_P(Connectors, ReceiptVectors, testing::ValuesIn(connectors()),
                         [](const auto &parameter) { return parameter.param; });

TEST(ReceiptVectorsTest, EveryShippedConnectorHasCases) {
    for (const auto &entry : fs::directory_iterator(tests_dir().parent_path() / "sql/connectors")) {
        const std::string name = entry.path().stem();
        EXPECT_TRUE(fs::exists(tests_dir() / "vectors/dlr" / (name + ".json"))) << name;
        EXPECT_EQ(name, load(name).name);
    }
}

} // namespace
