// What callers and providers say in reasons does not bring numbers, addresses and tokens into a history.
#include "unit/cascade_fixture.hpp"

#include <gtest/gtest.h>

#include <string>

namespace hc::core {
namespace {

using namespace test;

constexpr const char *kPrivate =
    "to +4915112345678 <john.doe@example.com> with 740f4707bebcf74f9b7c25d48e3358945f6aa01da5ddb387462c7eaf61bb78ad";

void expect_clean(const Bench &b) {
    for (const HistoryEvent &e : b.history) {
        for (const std::string *text : {&e.reason, &e.text}) {
            for (const char *planted : {"4915112345678", "john.doe", "740f4707"})
                EXPECT_EQ(text->find(planted), std::string::npos) << to_string(e.type) << ": " << *text;
        }
    }
    for (const AttemptState &a : b.state.attempts)
        EXPECT_EQ(a.reason.find("4915112345678"), std::string::npos);
}

TEST(CascadeRedact, ReasonsOfAnswers) {
    for (const SendVerdict verdict :
         {SendVerdict::retry_same, SendVerdict::ambiguous, SendVerdict::next_provider, SendVerdict::next_channel}) {
        Bench b;
        b.start();
        SendAnswer in;
        in.attempt = 1;
        in.verdict = verdict;
        in.reason = kPrivate;
        b.give(in);
        expect_clean(b);
        EXPECT_NE(b.history.back().type, EventType::cascade_started);
    }
}

TEST(CascadeRedact, ReasonsOfReceiptsButNotTheirIds) {
    Bench b;
    b.start();
    b.accept(1, "4915112345678-1"); // ids are for look-ups: providers do make them out of numbers
    ReceiptInput in;
    in.attempt = 1;
    in.facts.state = ReceiptState::failed;
    in.hash = 1;
    in.reason = kPrivate;
    b.give(in);
    EXPECT_EQ(b.newest(EventType::receipt_recorded).reason, "to ***5678 <***@example.com> with ***");
    EXPECT_EQ(b.attempt(1).reason, "to ***5678 <***@example.com> with ***");
    EXPECT_EQ(b.newest(EventType::send_completed).text, "4915112345678-1");
}

TEST(CascadeRedact, BufferedReceiptsOnceAndForAll) {
    Bench b;
    b.start();
    ReceiptInput in;
    in.provider_message_id = "id";
    in.facts.state = ReceiptState::failed;
    in.hash = 1;
    in.reason = kPrivate;
    b.give(in);
    b.accept(1, "id");
    expect_clean(b);
    EXPECT_EQ(b.newest(EventType::receipt_recorded).reason, "to ***5678 <***@example.com> with ***");
}

TEST(CascadeRedact, SignalsCancellationsAndWhatIsParked) {
    Bench b;
    b.start();
    b.give(SignalInput{"note", std::string("{\"to\": \"") + kPrivate + "\"}", 0});
    b.give(ParkInput{std::string("{\"status\": \"odd\", \"for\": \"") + kPrivate + "\"}", 7, "odd"});
    EXPECT_EQ(b.newest(EventType::receipt_parked).text, "odd");
    b.give(ParkInput{kPrivate, 8, kPrivate});
    b.give(CancelInput{kPrivate});
    EXPECT_EQ(b.newest(EventType::cancel_requested).reason, "to ***5678 <***@example.com> with ***");
    expect_clean(b);
}

TEST(CascadeRedact, ReasonsStayWithinTheirSize) {
    Bench b;
    b.start();
    std::string addresses;
    while (addresses.size() < 200)
        addresses += "a@b.c "; // grows when it is masked
    b.give(CancelInput{addresses});
    EXPECT_LE(b.newest(EventType::cancel_requested).reason.size(), kMaxReasonBytes);
}

} // namespace
} // namespace hc::core
