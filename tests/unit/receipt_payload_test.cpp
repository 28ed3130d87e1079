// What providers post, as JSON documents: which kind a payload is, forms, SMPP texts, JSON with broken escapes.
#include "core/receipt_payload.hpp"

#include "core/form.hpp"
#include "core/json_path.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace {

using namespace hc::core;
using Json = nlohmann::json;

constexpr PayloadKind kJson = PayloadKind::json;
constexpr PayloadKind kForm = PayloadKind::form;
constexpr PayloadKind kSmpp = PayloadKind::smpp;

PayloadKind kind_of(std::string_view payload, const Headers &headers = {}) {
    return payload_kind(payload, headers, false, false);
}

PayloadKind kind_by_type(std::string_view payload, std::string type) {
    return kind_of(payload, {{"Content-Type", std::move(type)}});
}

std::string document(PayloadKind kind, std::string_view payload, const SmppParameters &smpp = {}) {
    const PayloadDocument parsed = payload_document(kind, payload, smpp);
    EXPECT_EQ(parsed.json.has_value(), parsed.error.empty());
    return parsed.json.value_or("refused");
}

std::string refusal(PayloadKind kind, std::string_view payload) {
    const PayloadDocument parsed = payload_document(kind, payload, {});
    EXPECT_FALSE(parsed.json.has_value());
    return parsed.error;
}

Json object_of(PayloadKind kind, std::string_view payload, const SmppParameters &smpp = {}) {
    return Json::parse(document(kind, payload, smpp), nullptr, false);
}

// ---- kinds ----

TEST(ReceiptPayloadKind, SmppParametersDecideFirst) {
    EXPECT_EQ(payload_kind("{}", {{"content-type", "application/json"}}, true, true), kSmpp);
    EXPECT_EQ(payload_kind("id:1 stat:DELIVRD", {}, false, true), kSmpp);
}

TEST(ReceiptPayloadKind, AGetIsAQueryStringWhateverItsHeaders) {
    EXPECT_EQ(payload_kind("?a={}", {{"Content-Type", "application/json"}}, true, false), kForm);
    EXPECT_EQ(payload_kind("{}", {}, true, false), kForm);
}

TEST(ReceiptPayloadKind, TheContentTypeDecidesBeforeTheFirstCharacter) {
    for (const char *type : {"application/json", "APPLICATION/JSON; charset=utf-8", "text/json",
                             "application/cloudevents+json", "application/vnd.api+json;x=1"})
        EXPECT_EQ(kind_by_type("a=1", type), kJson) << type;
    for (const char *type : {"application/x-www-form-urlencoded", "Application/X-WWW-Form-Urlencoded;charset=UTF-8"})
        EXPECT_EQ(kind_by_type(R"({"a": 1})", type), kForm) << type;
    for (const char *type : {"text/plain", "", "application/octet-stream", "multipart/form-data; boundary=x"}) {
        EXPECT_EQ(kind_by_type(R"({"a": "b=c"})", type), kJson) << type;
        EXPECT_EQ(kind_by_type("a=1", type), kForm) << type;
    }
}

TEST(ReceiptPayloadKind, HeaderNamesInAnyLetterCase) {
    for (const char *name : {"content-type", "Content-Type", "CONTENT-TYPE"})
        EXPECT_EQ(kind_of("a=1", {{"x", "y"}, {name, "application/json"}}), kJson) << name;
    for (const char *name : {"content-typ", "content-types", "content_type", "x-content-type"})
        EXPECT_EQ(kind_of("a=1", {{name, "application/json"}}), kForm) << name;
    const Headers several{{"A", "1"}, {"b", "2"}, {"a", "3"}};
    EXPECT_EQ(header_value(several, "a"), "1");
    EXPECT_EQ(header_value(several, "B"), "2");
    EXPECT_EQ(header_value(several, "c"), std::nullopt);
    EXPECT_EQ(header_value(several, ""), std::nullopt);
}

TEST(ReceiptPayloadKind, ByTheFirstCharacterWithoutHeaders) {
    for (const char *payload : {"{}", "[]", " \r\n\t{\"a\":\"b=c\"}", "[\"a=b\"]", "\xEF\xBB\xBF{\"a\":\"=\"}", "",
                                "  ", "hello", "\"text\"", "17"})
        EXPECT_EQ(kind_of(payload), kJson) << payload;
    for (const char *payload : {"a=1", "?a=1", "a=1&b", "=", "\n a=1", "a={}", "&&a="})
        EXPECT_EQ(kind_of(payload), kForm) << payload;
}

// ---- forms and query strings ----

TEST(ReceiptPayloadForm, BecomesAnObjectOfStrings) {
    EXPECT_EQ(
        object_of(kForm, "MessageSid=SM1&To=%2B4915&Empty=&Flag&n=007&t=a+b%20c"),
        (Json{{"MessageSid", "SM1"}, {"To", "+4915"}, {"Empty", ""}, {"Flag", ""}, {"n", "007"}, {"t", "a b c"}}));
    EXPECT_EQ(object_of(kForm, "?id=1&err-code=0"), (Json{{"id", "1"}, {"err-code", "0"}}));
    EXPECT_EQ(object_of(kForm, "\r\n id=1 \n"), (Json{{"id", "1"}}));
    EXPECT_EQ(object_of(kForm, "id=??"), (Json{{"id", "??"}}));
}

TEST(ReceiptPayloadForm, OfARepeatedNameTheLastCounts) {
    EXPECT_EQ(object_of(kForm, "s=sent&id=1&s=delivered"), (Json{{"s", "delivered"}, {"id", "1"}}));
    EXPECT_EQ(object_of(kForm, "s=sent&%73="), (Json{{"s", ""}}));
}

TEST(ReceiptPayloadForm, ValuesThatLookLikeJsonStayText) {
    EXPECT_EQ(object_of(kForm, "a=%22%7B%5C&b=null&c=%5Cu0000&d=1e9"),
              (Json{{"a", "\"{\\"}, {"b", "null"}, {"c", "\\u0000"}, {"d", "1e9"}}));
}

TEST(ReceiptPayloadForm, NamesWithoutTextAndNulAreLeftOut) {
    EXPECT_EQ(object_of(kForm, "=x&a=1"), (Json{{"a", "1"}}));
    EXPECT_EQ(object_of(kForm, "a=1%002&%00b=%00"), (Json{{"a", "12"}, {"b", ""}}));
    EXPECT_EQ(object_of(kForm, "a=%ff%C3%A9"), (Json{{"a", "\xEF\xBF\xBD\xC3\xA9"}}));
}

TEST(ReceiptPayloadForm, NothingOrTooMuchIsRefused) {
    for (const char *payload : {"", "?", "&&", "=1", "  ", "%00=5"})
        EXPECT_EQ(refusal(kForm, payload), "It has no form field.") << payload;
    std::string many;
    for (std::size_t i = 0; i < kMaxFormPairs; ++i)
        many += "a" + std::to_string(i) + "=1&";
    EXPECT_EQ(object_of(kForm, many).size(), kMaxFormPairs);
    EXPECT_EQ(refusal(kForm, many + "b=1"), "It has too many form fields.");
}

// ---- SMPP ----

TEST(ReceiptPayloadSmpp, ReadsTheTextOfTheSpecification) {
    EXPECT_EQ(object_of(kSmpp,
                        "id:0123456789 sub:001 dlvrd:001 submit date:2601020304 done date:2601020305 stat:DELIVRD "
                        "err:000 text:Hello World"),
              (Json{{"id", "0123456789"},
                    {"sub", "001"},
                    {"dlvrd", "001"},
                    {"submit date", "2601020304"},
                    {"done date", "2601020305"},
                    {"stat", "DELIVRD"},
                    {"err", "000"},
                    {"text", "Hello World"}}));
}

TEST(ReceiptPayloadSmpp, KeysInAnyOrderAndLetterCase) {
    EXPECT_EQ(object_of(kSmpp, "Stat:EXPIRED ERR:015 Done Date:260102030405 ID:ab SUB:1"),
              (Json{{"stat", "EXPIRED"}, {"err", "015"}, {"done date", "260102030405"}, {"id", "ab"}, {"sub", "1"}}));
}

TEST(ReceiptPayloadSmpp, SpacesAreTrimmedAndMissingFieldsMissing) {
    EXPECT_EQ(object_of(kSmpp, "  id: 12   stat:  DELIVRD\t\r\n"), (Json{{"id", "12"}, {"stat", "DELIVRD"}}));
    EXPECT_EQ(object_of(kSmpp, "id:12\tstat:UNDELIV"), (Json{{"id", "12"}, {"stat", "UNDELIV"}}));
    EXPECT_EQ(object_of(kSmpp, "id: stat:REJECTD err:"), (Json{{"id", ""}, {"stat", "REJECTD"}, {"err", ""}}));
    EXPECT_EQ(object_of(kSmpp, "stat:DELIVRD"), (Json{{"stat", "DELIVRD"}}));
    EXPECT_EQ(object_of(kSmpp, ""), Json::object());
    EXPECT_EQ(object_of(kSmpp, " \r\n"), Json::object());
}

TEST(ReceiptPayloadSmpp, OtherTextsAreKeptWhole) {
    EXPECT_EQ(object_of(kSmpp, "Your parcel has arrived\n"), (Json{{"short_message", "Your parcel has arrived"}}));
    EXPECT_EQ(object_of(kSmpp, "7,DELIVRD,000"), (Json{{"short_message", "7,DELIVRD,000"}}));
    EXPECT_EQ(object_of(kSmpp, "DLR id:7 stat:DELIVRD"),
              (Json{{"short_message", "DLR id:7 stat:DELIVRD"}, {"id", "7"}, {"stat", "DELIVRD"}}));
}

TEST(ReceiptPayloadSmpp, TheTextMayStandInMessagePayload) {
    SmppParameters parameters;
    parameters.tlvs = {{"message_payload", "id:7 stat:DELIVRD"}};
    EXPECT_EQ(object_of(kSmpp, "", parameters)["stat"], "DELIVRD");
    EXPECT_EQ(object_of(kSmpp, " ", parameters)["id"], "7");
    EXPECT_EQ(object_of(kSmpp, "id:8 stat:EXPIRED", parameters)["id"], "8") << "short_message goes first";
    EXPECT_EQ(object_of(kSmpp, "", parameters)["tlv"]["message_payload"], "id:7 stat:DELIVRD");
}

TEST(ReceiptPayloadSmpp, IdsWithOddCharacters) {
    for (const std::string id : {"c449ab9744f47b6af1879e49e75e4f40", "0x1F-a.b/c:d", "a:b", "sub", "stat:x", "5,7;9",
                                 "<1@smsc>", "err=1", "id"}) {
        const Json fields = object_of(kSmpp, "id:" + id + " sub:001 stat:DELIVRD");
        EXPECT_EQ(fields.value("id", ""), id);
        EXPECT_EQ(fields.value("stat", ""), "DELIVRD");
    }
}

TEST(ReceiptPayloadSmpp, AKeyBeginsTheTextOrFollowsASpace) {
    EXPECT_EQ(object_of(kSmpp, "mid:7 xstat:NO stat:DELIVRD"),
              (Json{{"short_message", "mid:7 xstat:NO stat:DELIVRD"}, {"stat", "DELIVRD"}}));
    EXPECT_EQ(object_of(kSmpp, "id:7 status:NO stat :NO stat:YES"),
              (Json{{"id", "7 status:NO stat :NO"}, {"stat", "YES"}}));
    EXPECT_EQ(object_of(kSmpp, "id:7 donedate:1 done  date:2"), (Json{{"id", "7 donedate:1 done  date:2"}}));
}

TEST(ReceiptPayloadSmpp, TheFirstOfARepeatedKeyCounts) {
    EXPECT_EQ(object_of(kSmpp, "id:1 stat:DELIVRD id:2 stat:EXPIRED"),
              (Json{{"id", "1"}, {"stat", "DELIVRD id:2 stat:EXPIRED"}}));
}

TEST(ReceiptPayloadSmpp, NothingOfTheMessageTextIsAKey) {
    EXPECT_EQ(object_of(kSmpp, "id:1 stat:DELIVRD text:code id:2 stat:UNDELIV err:099 done date:1"),
              (Json{{"id", "1"}, {"stat", "DELIVRD"}, {"text", "code id:2 stat:UNDELIV err:099 done date:1"}}));
    EXPECT_EQ(object_of(kSmpp, "id:1 stat:DELIVRD Text:text:text:"),
              (Json{{"id", "1"}, {"stat", "DELIVRD"}, {"text", "text:text:"}}));
}

TEST(ReceiptPayloadSmpp, BytesThatAreNoTextAreReplaced) {
    using namespace std::string_view_literals;
    const PayloadDocument parsed = payload_document(kSmpp, "id:1\x01\xff stat:DELIVRD text:\x7f\0caf\xe9"sv, {});
    ASSERT_TRUE(parsed.json);
    EXPECT_TRUE(is_valid_json(*parsed.json));
    const Json fields = Json::parse(*parsed.json);
    EXPECT_EQ(fields["stat"], "DELIVRD");
    EXPECT_EQ(fields["id"], "1\x01\xEF\xBF\xBD");
    EXPECT_EQ(object_of(kSmpp, "\0\x05id:1\0stat:DELIVRD\0"sv), (Json{{"id", "1"}, {"stat", "DELIVRD"}}));
}

TEST(ReceiptPayloadSmpp, TlvsAreAnObjectOfTheirOwn) {
    SmppParameters parameters;
    parameters.tlvs = {{"message_state", "2"}, {"receipted_message_id", "a\"b"}};
    EXPECT_EQ(object_of(kSmpp, "", parameters),
              (Json{{"tlv", {{"message_state", "2"}, {"receipted_message_id", "a\"b"}}}}));
    EXPECT_EQ(object_of(kSmpp, "id:1", parameters)["id"], "1");
    EXPECT_EQ(object_of(kSmpp, "tlv:1 id:1"), (Json{{"short_message", "tlv:1 id:1"}, {"id", "1"}}));
}

TEST(ReceiptPayloadSmpp, EsmClassSaysWhatAReceiptIs) {
    for (const std::int32_t esm : {0x04, 0x20, 0x44, 0x84, 0xC4, 0x07, 0xE3})
        EXPECT_TRUE(is_receipt(esm)) << esm;
    for (const std::int32_t esm : {0x00, 0x03, 0x08, 0x0C, 0x10, 0x18, 0x24, 0x28, 0x40, 0x80, 0xC0, 0x3C, 0xFF})
        EXPECT_FALSE(is_receipt(esm)) << esm;
}

// ---- JSON ----

TEST(ReceiptPayloadJson, IsTakenByteForByte) {
    for (const char *payload : {R"({"a": 1.50, "b": [1e2, "x\n\u00e9"] , "a": 123456789012345678901234567890})",
                                " [ ] \n", "17", "\"x\"", "null", R"({"a": "\\u0000"})"})
        EXPECT_EQ(document(kJson, payload), payload);
}

TEST(ReceiptPayloadJson, AByteOrderMarkIsSkippedOnce) {
    EXPECT_EQ(document(kJson, "\xEF\xBB\xBF{\"a\": 1}"), "{\"a\": 1}");
    // nlohmann skips one too, so only a third is surely no JSON
    EXPECT_EQ(refusal(kJson, "\xEF\xBB\xBF\xEF\xBB\xBF\xEF\xBB\xBF{}"), "It is not valid JSON.");
}

TEST(ReceiptPayloadJson, WhatIsNoJsonIsRefusedWithoutItsContent) {
    using namespace std::string_view_literals;
    for (const std::string_view payload :
         {""sv, " "sv, "{"sv, "{\"a\":1,}"sv, "{'a':1}"sv, "{} {}"sv, "NaN"sv, "{\"a\":\"\xff\"}"sv, "{\"a\":1}\0"sv,
          "\0"sv, "{\"a\":1e999}"sv, "\"\\x\""sv, "\"\\u12\""sv, "\"a\nb\""sv, "id=1"sv, "<xml/>"sv, "\"\\"sv,
          "\\u0000"sv})
        EXPECT_EQ(refusal(kJson, payload), "It is not valid JSON.") << payload;
}

TEST(ReceiptPayloadJson, DepthIsCapped) {
    const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
    EXPECT_EQ(document(kJson, nested(32)), nested(32));
    EXPECT_EQ(refusal(kJson, nested(33)), "It is nested more deeply than 32 levels.");
    EXPECT_EQ(refusal(kJson, nested(200'000)), "It is nested more deeply than 32 levels.");
    EXPECT_EQ(refusal(kJson, R"({"a":)" + nested(32) + "}"), "It is nested more deeply than 32 levels.");
    const std::string quoted = R"(["\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", {}, {}])";
    EXPECT_EQ(document(kJson, quoted), quoted) << "brackets in strings do not nest";
    std::string wide = "[[]";
    for (int i = 0; i < 100; ++i)
        wide += ",[]";
    EXPECT_EQ(document(kJson, wide + "]"), wide + "]") << "brackets side by side do not nest";
}

TEST(ReceiptPayloadJson, BrokenEscapesAreReplaced) {
    const auto repaired = [](std::string_view text) { return repair_json_escapes(text); };
    EXPECT_EQ(repaired(R"("a\u0000b")"), R"("a\ufffdb")");
    EXPECT_EQ(repaired(R"("\ud83d")"), R"("\ufffd")");
    EXPECT_EQ(repaired(R"("\uDE00")"), R"("\ufffd")");
    EXPECT_EQ(repaired(R"("\ud83d\u0041")"), R"("\ufffd\u0041")");
    EXPECT_EQ(repaired(R"("\ud83dx")"), R"("\ufffdx")");
    EXPECT_EQ(repaired(R"("\ud83d\n")"), R"("\ufffd\n")");
    EXPECT_EQ(repaired(R"("\ude00\ud83d")"), R"("\ufffd\ufffd")") << "a pair the wrong way round";
    EXPECT_EQ(repaired(R"("\ud83d\ud83d\ude00")"), R"("\ufffd\ud83d\ude00")") << "a lone one before a pair";
    EXPECT_EQ(repaired(R"("\ud83d\u0000")"), R"("\ufffd\ufffd")");
    EXPECT_EQ(repaired(R"("\u0000\u0000\u0000")"), R"("\ufffd\ufffd\ufffd")");
    EXPECT_EQ(repaired(R"({"\u0000": 1})"), R"({"\ufffd": 1})");
}

TEST(ReceiptPayloadJson, WhatIsWellFormedStays) {
    for (const char *text :
         {R"("\ud83d\ude00")", R"("\uD83D\uDE00")", R"("\udbff\udfff")", R"("\ud800\udc00")",
          R"("\u0001\u001f\ud7ff\ue000\uffff")", R"("\\u0000")", R"("\\\\u0000\\ud83d")", R"("\"\/\b\f\n\r\t")", "",
          "\\", "\"\\", "\\u", "\\u00", "\\u000", "\\u000g", "\\ud83d\\ude0", "\xff\\u0041"}) {
        const std::string_view given = text;
        const bool cut_pair = given == "\\ud83d\\ude0";
        EXPECT_EQ(repair_json_escapes(given), cut_pair ? "\\ufffd\\ude0" : given) << text;
    }
    EXPECT_EQ(repair_json_escapes(R"("\\\u0000")"), R"("\\\ufffd")") << "an escaped backslash, then an escape";
}

TEST(ReceiptPayloadJson, RepairedTextHasNoNulAndIsUtf8) {
    for (const char *payload : {R"({"id": "a\u0000"})", R"(["\udead\ubeef", "\ud83d"])"}) {
        const std::string text = document(kJson, payload);
        EXPECT_TRUE(is_valid_json(text)) << payload;
        EXPECT_EQ(Json::parse(text).dump().find("\\u0000"), std::string::npos) << payload;
    }
    EXPECT_EQ(object_of(kJson, R"({"id": "a\u0000"})"), (Json{{"id", "a\xEF\xBF\xBD"}}));
}

} // namespace
