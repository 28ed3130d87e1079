// Tests of cascade ids: layout of UUID version 7, ordering, texts and attempt references.
#include "core/id.hpp"

#include "core/crypto.hpp"

#include <gtest/gtest.h>

#include <random>

namespace hc::core {
namespace {

constexpr std::int64_t kMicrosIn48BitMillis = ((std::int64_t{1} << 48) - 1) * 1000;

WorkflowId random_id(std::mt19937_64 &random) {
    WorkflowId id;
    for (std::uint8_t &byte : id.bytes)
        byte = static_cast<std::uint8_t>(random());
    return id;
}

Time random_time(std::mt19937_64 &random) {
    return from_unix_micros(static_cast<std::int64_t>(random() % 4'000'000'000'000'000ULL));
}

TEST(Id, ExampleOfTheStandard) {
    // RFC 9562 A.6: 2022-02-22 14:22:22 -05:00, rand_a CC3, rand_b 18C4DC0C0C07398F.
    const WorkflowId id = make_workflow_id(from_unix_micros(1'645'557'742'000'000), 0xcc3, 0x18c4dc0c0c07398f);
    EXPECT_EQ(to_string(id), "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
}

TEST(Id, LayoutAndRoundTrips) {
    std::mt19937_64 random(1);
    for (int i = 0; i < 20000; ++i) {
        const Time now = random_time(random);
        const auto bucket = static_cast<std::uint16_t>(random() % kBuckets);
        const WorkflowId id = make_workflow_id(now, bucket, random());
        EXPECT_EQ(id.bytes[6] >> 4, 7);
        EXPECT_EQ(id.bytes[8] >> 6, 2);
        EXPECT_EQ(bucket_of(id), bucket);
        EXPECT_EQ(time_of(id), std::chrono::floor<std::chrono::milliseconds>(now));
        EXPECT_EQ(parse_workflow_id(to_string(id)), id);
    }
}

TEST(Id, AllSixtyTwoRandomBitsAreKept) {
    const Time now = from_unix_micros(1'700'000'000'000'000);
    const WorkflowId zero = make_workflow_id(now, 7, 0);
    for (unsigned bit = 0; bit < 64; ++bit) {
        const WorkflowId id = make_workflow_id(now, 7, std::uint64_t{1} << bit);
        EXPECT_EQ(id != zero, bit < 62) << bit;
    }
}

TEST(Id, OrderedByTime) {
    std::mt19937_64 random(2);
    for (int i = 0; i < 20000; ++i) {
        const Time earlier = random_time(random);
        const Time later = earlier + std::chrono::milliseconds(1 + random() % 5000);
        const WorkflowId a = make_workflow_id(earlier, static_cast<std::uint16_t>(random() % kBuckets), random());
        const WorkflowId b = make_workflow_id(later, static_cast<std::uint16_t>(random() % kBuckets), random());
        EXPECT_LT(a, b);
        EXPECT_LT(to_string(a), to_string(b));
    }
}

TEST(Id, FirstIdBoundsTheIdsOfATime) {
    std::mt19937_64 random(3);
    for (int i = 0; i < 20000; ++i) {
        const Time bound = random_time(random);
        const WorkflowId first = first_id_at(bound);
        const Time later = bound + Duration{random() % 5000};
        EXPECT_LE(first, make_workflow_id(later, static_cast<std::uint16_t>(random() % kBuckets), random()));
        const Time before = std::chrono::floor<std::chrono::milliseconds>(bound) - Duration{1};
        EXPECT_GT(first, make_workflow_id(before, kBuckets - 1, UINT64_MAX));
    }
}

TEST(Id, TimesOutsideTheRangeGoToItsEnds) {
    EXPECT_EQ(time_of(make_workflow_id(from_unix_micros(-1), 0, 0)), Time{});
    EXPECT_EQ(time_of(make_workflow_id(Time::min(), 0, 0)), Time{});
    EXPECT_EQ(to_unix_micros(time_of(make_workflow_id(kNever, 5, 9))), kMicrosIn48BitMillis);
    EXPECT_EQ(bucket_of(make_workflow_id(kNever, 5, 9)), 5);
    EXPECT_EQ(make_workflow_id(kNever, 5, 9).bytes[6] >> 4, 7);
    EXPECT_EQ(make_workflow_id(Time{}, 8 * kBuckets + 3, 0), make_workflow_id(Time{}, 3, 0));
}

TEST(Id, BucketOfAKey) {
    const Sha256 digest = sha256("tenant\x1fkey-1");
    EXPECT_EQ(bucket_of_key("tenant", "key-1"), digest[0] << 4 | digest[1] >> 4);
    EXPECT_NE(bucket_of_key("ab", "c"), bucket_of_key("a", "bc"));
    EXPECT_EQ(bucket_of_key("", "key"), bucket_of_key(std::string_view(), "key"));
    std::array<int, 16> sixteenths{};
    for (int i = 0; i < 16000; ++i) {
        const std::uint16_t bucket = bucket_of_key("tenant", "key-" + std::to_string(i));
        ASSERT_LT(bucket, kBuckets);
        ++sixteenths[bucket / 256];
    }
    for (const int count : sixteenths) {
        EXPECT_GT(count, 800);
        EXPECT_LT(count, 1200);
    }
}

TEST(Id, AnyBytesRoundTripAsText) {
    std::mt19937_64 random(4);
    for (int i = 0; i < 5000; ++i) {
        const WorkflowId id = random_id(random);
        const std::string text = to_string(id);
        EXPECT_EQ(text.size(), 36U);
        EXPECT_EQ(parse_workflow_id(text), id);
    }
    EXPECT_EQ(to_string(WorkflowId{}), "00000000-0000-0000-0000-000000000000");
}

TEST(Id, OnlyCanonicalTextIsRead) {
    const std::string good = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f";
    ASSERT_TRUE(parse_workflow_id(good));
    for (const std::string_view text :
         {"", "017F22E2-79B0-7CC3-98C4-DC0C0C07398F", "017f22e2-79b0-7cc3-98c4-dc0c0c07398F",
          "017f22e279b07cc398c4dc0c0c07398f", "{017f22e2-79b0-7cc3-98c4-dc0c0c07398f}",
          "017f22e2-79b0-7cc3-98c4-dc0c0c07398", "017f22e2-79b0-7cc3-98c4-dc0c0c07398f0",
          " 017f22e2-79b0-7cc3-98c4-dc0c0c07398", "017f22e2-79b0-7cc3-98c4-dc0c0c07398 ",
          "017f22e2-79b0-7cc3-98c4-dc0c0c07398g", "017f22e27-9b0-7cc3-98c4-dc0c0c07398f",
          "017f22e2-79b0-7cc3-98c4_dc0c0c07398f", "017f22e2-79b0-7cc3-98c4-dc0c0c0739-f"})
        EXPECT_FALSE(parse_workflow_id(text)) << text;
    // Whatever single byte is changed: it is refused, or it is the canonical text of another id.
    for (std::size_t i = 0; i < good.size(); ++i) {
        for (int byte = 0; byte < 256; ++byte) {
            std::string text = good;
            text[i] = static_cast<char>(byte);
            if (const std::optional<WorkflowId> id = parse_workflow_id(text)) {
                EXPECT_EQ(to_string(*id), text);
            }
        }
    }
}

TEST(Id, AttemptReferenceRoundTrip) {
    std::mt19937_64 random(5);
    for (int i = 0; i < 5000; ++i) {
        const WorkflowId id = make_workflow_id(random_time(random), 1, random());
        const auto attempt = static_cast<std::uint32_t>(1 + (random() >> 32 >> random() % 32) % UINT32_MAX);
        const std::optional<AttemptReference> back = parse_attempt_reference(attempt_reference(id, attempt));
        ASSERT_TRUE(back);
        EXPECT_EQ(back->id, id);
        EXPECT_EQ(back->attempt, attempt);
    }
    const WorkflowId id = make_workflow_id(from_unix_micros(1'645'557'742'000'000), 0xcc3, 0x18c4dc0c0c07398f);
    EXPECT_EQ(attempt_reference(id, 12), "017f22e2-79b0-7cc3-98c4-dc0c0c07398f-12");
    EXPECT_EQ(parse_attempt_reference(attempt_reference(id, UINT32_MAX))->attempt, UINT32_MAX);
}

TEST(Id, AttemptReferenceRefusesAllElse) {
    const std::string uuid = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f";
    for (const std::string tail : {"", "-", "1", "-0", "-01", "-1 ", "- 1", "-+1", "--1", "-1.0", "-1a", "-x", "-0x1",
                                   "_1", "-4294967296", "-99999999999999999999"})
        EXPECT_FALSE(parse_attempt_reference(uuid + tail)) << tail;
    EXPECT_FALSE(parse_attempt_reference(uuid + std::string("-1\0", 3)));
    EXPECT_FALSE(parse_attempt_reference("017F22E2-79b0-7cc3-98c4-dc0c0c07398f-1"));
    EXPECT_FALSE(parse_attempt_reference("x" + uuid + "-1"));
    EXPECT_FALSE(parse_attempt_reference(""));
    EXPECT_FALSE(parse_attempt_reference("-1"));
}

TEST(Id, HashIsTheRandomHalf) {
    const std::hash<WorkflowId> hash;
    const WorkflowId a = make_workflow_id(Time{}, 1, 42);
    EXPECT_EQ(hash(a), hash(make_workflow_id(from_unix_micros(1'000'000), 2, 42)));
    EXPECT_NE(hash(a), hash(make_workflow_id(Time{}, 1, 43)));
}

} // namespace
} // namespace hc::core
