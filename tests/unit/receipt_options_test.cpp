// Options of parse_receipts and receive_receipts, and what of them an account may set.
#include "core/receipt_parser.hpp"

#include "core/error.hpp"
#include "core/provider_config.hpp"

#include <gtest/gtest.h>

namespace {

using namespace hc::core;

std::string detail(const std::string &json) {
    try {
        parse_receipt_options(json);
    } catch (const hc::Error &e) {
        EXPECT_EQ(e.message(), "invalid receipt options") << json;
        return std::string(e.sqlstate()) + " " + e.detail();
    }
    return "accepted";
}

IdBase base_of(const std::string &value) {
    return parse_receipt_options(R"({"connector_id_base": )" + value + "}").id_base;
}

TEST(ReceiptOptionsTest, NothingIsSaidByDefault) {
    const ReceiptOptions options = parse_receipt_options("{}");
    EXPECT_TRUE(options.errors.empty() && options.statuses.empty() && options.known_ids.empty());
    EXPECT_EQ(options.id_base, IdBase::same);
    EXPECT_TRUE(options.time_zone.empty() && !options.zone);
    EXPECT_FALSE(options.query || options.smpp);
    EXPECT_FALSE(options.smpp_parameters.esm_class.has_value());
    EXPECT_TRUE(options.smpp_parameters.tlvs.empty());
}

TEST(ReceiptOptionsTest, TheZoneOfDatesIsTheAccountsUnlessTheCallSaysOtherwise) {
    const ReceiptOptions account = parse_receipt_options(R"({"connector_time_zone": "Asia/Kolkata"})");
    EXPECT_EQ(account.time_zone, "Asia/Kolkata");
    EXPECT_EQ(parse_receipt_options(R"({"esm_class": 4})", account).time_zone, "Asia/Kolkata");
    EXPECT_EQ(parse_receipt_options(R"({"connector_time_zone": "UTC"})", account).time_zone, "UTC");
}

TEST(ReceiptOptionsTest, ErrorsOfTheOperator) {
    const ReceiptOptions options = parse_receipt_options(R"({"connector_err_map": {
        "001": ["hard", "unknown_subscriber"], "2": ["soft"], "x y": "policy", "3": ["policy", "opted_out"],
        "4": ["config", "account_problem"]}})");
    ASSERT_EQ(options.errors.size(), 5U);
    const Meaning &hard = options.errors.at("001");
    EXPECT_EQ(hard.disposition, Disposition::apply);
    EXPECT_EQ(hard.state, ReceiptState::undeliverable);
    EXPECT_EQ(hard.kind, FailureKind::hard);
    EXPECT_EQ(hard.reason, "unknown_subscriber");
    EXPECT_EQ(hard.suppress, "invalid_address");
    EXPECT_TRUE(hard.final);
    EXPECT_EQ(options.errors.at("2").state, ReceiptState::failed);
    EXPECT_EQ(options.errors.at("2").reason, "unspecified");
    EXPECT_EQ(options.errors.at("x y").state, ReceiptState::rejected);
    EXPECT_EQ(options.errors.at("x y").reason, "unspecified");
    EXPECT_EQ(options.errors.at("3").suppress, "opt_out");
    EXPECT_EQ(options.errors.at("4").kind, FailureKind::config);
    EXPECT_TRUE(parse_receipt_options(R"({"connector_err_map": {}})").errors.empty());
}

TEST(ReceiptOptionsTest, StatusesOfTheOperator) {
    const ReceiptOptions options = parse_receipt_options(
        R"({"connector_status_map": {"ACCEPTD": "delivered", "X": "FAILED", "Y": "unknown", "Z": "canceled"}})");
    ASSERT_EQ(options.statuses.size(), 4U);
    const Meaning &delivered = options.statuses.at("ACCEPTD");
    EXPECT_EQ(delivered.state, ReceiptState::delivered);
    EXPECT_TRUE(delivered.final);
    EXPECT_EQ(delivered.reason, "");
    EXPECT_FALSE(delivered.by_code);
    const Meaning &failed = options.statuses.at("X");
    EXPECT_EQ(failed.state, ReceiptState::failed);
    EXPECT_EQ(failed.kind, FailureKind::soft);
    EXPECT_EQ(failed.reason, "unspecified");
    EXPECT_TRUE(failed.by_code) << "the code still counts";
    EXPECT_FALSE(options.statuses.at("Y").final);
    EXPECT_TRUE(options.statuses.at("Z").final);
}

TEST(ReceiptOptionsTest, BasesOfIds) {
    EXPECT_EQ(base_of(R"({"answer": "hex", "receipt": "dec"})"), IdBase::hex_in_answer);
    EXPECT_EQ(base_of(R"({"answer": "dec", "receipt": "hex"})"), IdBase::hex_in_receipt);
    EXPECT_EQ(base_of(R"({"answer": "hex", "receipt": "hex"})"), IdBase::same);
    EXPECT_EQ(base_of(R"({"answer": "dec", "receipt": "dec"})"), IdBase::same);
    for (const char *answer : {"answer", "submit", "submit_resp", "submit_sm_resp"}) {
        for (const char *receipt : {"receipt", "deliver", "deliver_sm", "dlr"}) {
            EXPECT_EQ(base_of("{\"" + std::string(answer) + R"(": 16, ")" + receipt + R"(": 10})"),
                      IdBase::hex_in_answer);
            EXPECT_EQ(base_of("{\"" + std::string(answer) + R"(": "10", ")" + receipt + R"(": "16"})"),
                      IdBase::hex_in_receipt);
        }
    }
    EXPECT_EQ(base_of("\"hex\""), IdBase::either);
    EXPECT_EQ(base_of("16"), IdBase::either);
    EXPECT_EQ(base_of(R"({"answer": "hex"})"), IdBase::either);
    EXPECT_EQ(base_of("{}"), IdBase::either);
}

TEST(ReceiptOptionsTest, KnownIdsAsTextOrNumbers) {
    EXPECT_EQ(parse_receipt_options(R"({"known_ids": ["a", 17, "007"]})").known_ids,
              (std::vector<std::string>{"a", "17", "007"}));
    EXPECT_TRUE(parse_receipt_options(R"({"known_ids": []})").known_ids.empty());
    EXPECT_TRUE(parse_receipt_options(R"({"known_ids": null})").known_ids.empty());
}

TEST(ReceiptOptionsTest, TheMethodOfTheCall) {
    EXPECT_TRUE(parse_receipt_options(R"({"method": "GET"})").query);
    EXPECT_TRUE(parse_receipt_options(R"({"method": "get"})").query);
    for (const char *method : {"POST", "PUT", "GETTER", "HEAD"})
        EXPECT_FALSE(parse_receipt_options(R"({"method": ")" + std::string(method) + "\"}").query) << method;
}

TEST(ReceiptOptionsTest, SmppParameters) {
    const ReceiptOptions options = parse_receipt_options(R"({"esm_class": 4, "tlv": {"receipted_message_id": "a1",
        "message_state": 2, "network_error_code": null}})");
    EXPECT_TRUE(options.smpp);
    EXPECT_EQ(options.smpp_parameters.esm_class, 4);
    EXPECT_EQ(options.smpp_parameters.tlvs,
              (std::map<std::string, std::string>{{"receipted_message_id", "a1"}, {"message_state", "2"}}));
    EXPECT_TRUE(parse_receipt_options(R"({"esm_class": 0})").smpp);
    EXPECT_TRUE(parse_receipt_options(R"({"tlv": {}})").smpp);
    EXPECT_TRUE(parse_receipt_options(R"({"pdu": "deliver_sm"})").smpp);
    EXPECT_FALSE(parse_receipt_options(R"({"pdu": "deliver_sm"})").smpp_parameters.esm_class.has_value());
}

TEST(ReceiptOptionsTest, ACallAddsToTheSettingsOfItsAccount) {
    const ReceiptOptions account = parse_receipt_options(
        R"({"connector_err_map": {"1": ["soft"], "2": ["soft"]}, "connector_id_base": {"answer": "hex", "receipt": "dec"}})");
    const ReceiptOptions call =
        parse_receipt_options(R"({"connector_err_map": {"2": ["hard"], "3": ["hard"]}, "method": "GET"})", account);
    EXPECT_EQ(call.errors.size(), 3U);
    EXPECT_EQ(call.errors.at("1").kind, FailureKind::soft);
    EXPECT_EQ(call.errors.at("2").kind, FailureKind::hard);
    EXPECT_EQ(call.id_base, IdBase::hex_in_answer);
    EXPECT_TRUE(call.query);
    EXPECT_EQ(parse_receipt_options(R"({"connector_id_base": {"answer": "dec", "receipt": "dec"}})", account).id_base,
              IdBase::same);
}

TEST(ReceiptOptionsTest, WhatIsRefused) {
    EXPECT_EQ(detail("[]"), "22023 $: must be an object, not an array.");
    EXPECT_EQ(detail("{"), "22023 $: not valid JSON at byte 2.");
    EXPECT_EQ(detail(R"({"connector": "x"})"), "22023 $.connector: unknown key.");
    EXPECT_EQ(detail(R"({"connector_err_map": []})"),
              "22023 $.connector_err_map: must be an object of at most 1000 members, not an array.");
    EXPECT_EQ(detail(R"({"connector_err_map": {"1": 5}})"),
              "22023 $.connector_err_map.1: must be [failure kind, reason], not a number.");
    EXPECT_EQ(detail(R"({"connector_err_map": {"a b": []}})"),
              "22023 $.connector_err_map['a b']: must be [failure kind, reason], not an array.");
    EXPECT_EQ(detail(R"({"connector_err_map": {"1": ["hard", "x", "y"]}})"),
              "22023 $.connector_err_map.1: must be [failure kind, reason], not an array.");
    EXPECT_EQ(detail(R"({"connector_err_map": {"1": ["bad", "x"]}})"),
              "22023 $.connector_err_map.1[0]: is not an allowed value.");
    EXPECT_EQ(detail(R"({"connector_err_map": {"1": "bad"}})"),
              "22023 $.connector_err_map.1: is not an allowed value.");
    EXPECT_EQ(detail(R"({"connector_err_map": {"1": ["hard", "Bad Reason"]}})"),
              "22023 $.connector_err_map.1[1]: is not a valid name.");
    EXPECT_EQ(detail(R"({"connector_status_map": {"A": "gone"}})"),
              "22023 $.connector_status_map.A: must be a receipt state.");
    EXPECT_EQ(detail(R"({"connector_status_map": {"A": "queued"}})"),
              "22023 $.connector_status_map.A: must be a receipt state.");
    EXPECT_EQ(detail(R"({"connector_status_map": {"A": 1}})"),
              "22023 $.connector_status_map.A: must be a string, not a number.");
    EXPECT_EQ(detail(R"({"connector_id_base": {"answer": "octal", "receipt": "dec"}})"),
              "22023 $.connector_id_base.answer: must be \"hex\" or \"dec\".");
    EXPECT_EQ(detail(R"({"connector_id_base": {"request": "hex"}})"),
              "22023 $.connector_id_base.request: unknown key.");
    EXPECT_EQ(detail(R"({"connector_time_zone": 1})"), "22023 $.connector_time_zone: must be a string, not a number.");
    EXPECT_NE(detail(R"({"connector_time_zone": ")" + std::string(64, 'x') + "\"}"), "accepted");
    EXPECT_EQ(detail(R"({"connector_time_zone": ")" + std::string(63, 'x') + "\"}"), "accepted");
    EXPECT_EQ(detail(R"({"connector_id_base": null})"), "22023 $.connector_id_base: must be a string, not null.");
    EXPECT_EQ(detail(R"({"known_ids": "a"})"), "22023 $.known_ids: must be an array, not a string.");
    EXPECT_EQ(detail(R"({"known_ids": ["a", 1.5]})"), "22023 $.known_ids[1]: must be a string, not a number.");
    EXPECT_EQ(detail(R"({"method": 1})"), "22023 $.method: must be a string, not a number.");
    EXPECT_EQ(detail(R"({"esm_class": 256})"), "22023 $.esm_class: must be between 0 and 255.");
    EXPECT_EQ(detail(R"({"esm_class": "4"})"), "22023 $.esm_class: must be a whole number, not a string.");
    EXPECT_EQ(detail(R"({"tlv": 1})"), "22023 $.tlv: must be an object of at most 1000 members, not a number.");
    EXPECT_EQ(detail(R"({"tlv": {"message_state": [2]}})"),
              "22023 $.tlv.message_state: must be a string, not an array.");
    EXPECT_EQ(detail(R"({"tlv": {"x": ")" + std::string(513, 'a') + "\"}}"), "54000 $.tlv.x: has 513 bytes.");
}

// ---- what a provider's configuration says ----

ReceiptSettings settings(const std::string &members) {
    return parse_provider_config(R"({"kind": "sandbox", "channel": "sms")" + members + "}").receipts;
}

std::string provider_detail(const std::string &members) {
    try {
        settings(members);
    } catch (const hc::Error &e) {
        return e.detail();
    }
    return "accepted";
}

TEST(ReceiptSettingsTest, OfAProvider) {
    const ReceiptSettings none = settings("");
    EXPECT_EQ(none.connector + none.secret_name + none.signature + none.url, "");
    EXPECT_EQ(none.window, std::chrono::minutes(5));
    EXPECT_FALSE(none.part_mode.has_value());
    const ReceiptSettings all = settings(R"(, "connector": "twilio", "receipts": {"secret": "s1", "signature": "twilio",
        "url": "https://public.example/dlr", "window": "90s", "part_mode": "any", "connector_err_map": {"1": ["hard"]},
        "connector_status_map": {"X": "sent"}, "connector_id_base": {"answer": "dec", "receipt": "hex"}})");
    EXPECT_EQ(all.connector, "twilio");
    EXPECT_EQ(all.secret_name, "s1");
    EXPECT_EQ(all.signature, "twilio");
    EXPECT_EQ(all.url, "https://public.example/dlr");
    EXPECT_EQ(all.window, std::chrono::seconds(90));
    EXPECT_EQ(all.part_mode, PartMode::any);
    EXPECT_EQ(all.options.errors.at("1").kind, FailureKind::hard);
    EXPECT_EQ(all.options.statuses.at("X").state, ReceiptState::sent);
    EXPECT_EQ(all.options.id_base, IdBase::hex_in_receipt);
}

TEST(ReceiptSettingsTest, TheWindowIsASecondToAnHour) {
    const auto window = [](const std::string &value) {
        return settings(R"(, "receipts": {"window": )" + value + "}").window;
    };
    EXPECT_EQ(window("\"1s\""), std::chrono::seconds(1));
    EXPECT_EQ(window("3600"), std::chrono::hours(1));
    for (const char *value : {"\"999ms\"", "0", "-5", "\"1h1s\"", "\"soon\"", "true", "null"})
        EXPECT_TRUE(provider_detail(R"(, "receipts": {"window": )" + std::string(value) + "}")
                        .starts_with("$.receipts.window: "))
            << value;
}

TEST(ReceiptSettingsTest, WhatBelongsToOneCallIsRefused) {
    for (const char *key : {"method", "known_ids", "esm_class", "tlv", "pdu"})
        EXPECT_EQ(provider_detail(R"(, "receipts": {")" + std::string(key) + R"(": "GET"})"),
                  "$.receipts." + std::string(key) + ": unknown key.");
    EXPECT_EQ(provider_detail(R"(, "receipts": [])"), "$.receipts: must be an object, not an array.");
    EXPECT_EQ(provider_detail(R"(, "receipts": {"part_mode": "some"})"),
              "$.receipts.part_mode: is not an allowed value.");
    EXPECT_EQ(provider_detail(R"(, "receipts": {"secret": ""})"), "$.receipts.secret: must not be empty.");
    EXPECT_EQ(provider_detail(R"(, "receipts": {"connector_err_map": {"1": "bad"}})"),
              "$.receipts.connector_err_map.1: is not an allowed value.");
    EXPECT_EQ(provider_detail(R"(, "connector": "Twilio")"), "$.connector: is not a valid name.");
}

} // namespace
