// The primitives of the binary histories: varints, zigzag, fixed words, length-prefixed bytes, times as distances.
// A reader checks what is left before every step and throws hc::Error WF004; it never reads out of bounds.
#pragma once

#include "core/error.hpp"
#include "core/time.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace hc::core {

inline constexpr Time kHistoryEpoch = from_unix_micros(1'577'836'800'000'000); // 2020-01-01T00:00:00Z

constexpr std::uint64_t zigzag(std::int64_t v) {
    return (static_cast<std::uint64_t>(v) << 1) ^ static_cast<std::uint64_t>(v >> 63);
}
constexpr std::int64_t unzigzag(std::uint64_t v) {
    return static_cast<std::int64_t>(v >> 1) ^ -static_cast<std::int64_t>(v & 1);
}

// Distances wrap, so that every pair of times survives the round trip.
constexpr std::uint64_t time_distance(Time from, Time to) {
    return static_cast<std::uint64_t>(to_unix_micros(to)) - static_cast<std::uint64_t>(to_unix_micros(from));
}
constexpr Time time_after(Time from, std::uint64_t by) {
    return from_unix_micros(static_cast<std::int64_t>(static_cast<std::uint64_t>(to_unix_micros(from)) + by));
}

class ByteWriter {
public:
    explicit ByteWriter(std::string &out) : out_(out) {}

    template <typename Enum>
    void word(Enum v) {
        out_.push_back(static_cast<char>(v));
    }

    void number(std::uint64_t v) {
        while (v >= 0x80) {
            out_.push_back(static_cast<char>(v | 0x80));
            v >>= 7;
        }
        out_.push_back(static_cast<char>(v));
    }

    void fixed64(std::uint64_t v) {
        for (int shift = 0; shift < 64; shift += 8)
            out_.push_back(static_cast<char>(v >> shift));
    }

    void bytes(std::string_view v) {
        number(v.size());
        out_.append(v);
    }

private:
    std::string &out_;
};

// Reads front to back. `what` names in the error what does not decode: "cascade history".
class ByteReader {
public:
    ByteReader(std::string_view in, const char *what) : in_(in), what_(what) {}

    bool at_end() const { return at_ == in_.size(); }

    std::uint8_t byte() {
        if (at_end())
            fail("ends inside an event");
        return static_cast<std::uint8_t>(in_[at_++]);
    }

    std::uint64_t number() {
        std::uint64_t value = 0;
        for (int shift = 0; shift < 64; shift += 7) {
            const std::uint8_t b = byte();
            if (shift == 63 && b > 1)
                break;
            value |= static_cast<std::uint64_t>(b & 0x7F) << shift;
            if ((b & 0x80) == 0)
                return value;
        }
        fail("has a number of more than 64 bits");
    }

    template <typename Int>
    Int ranged(std::uint64_t v) {
        if (v > static_cast<std::uint64_t>(std::numeric_limits<Int>::max()))
            fail("has a number out of range");
        return static_cast<Int>(v);
    }

    std::int32_t signed32() {
        const std::int64_t v = unzigzag(number());
        if (v < std::numeric_limits<std::int32_t>::min() || v > std::numeric_limits<std::int32_t>::max())
            fail("has a number out of range");
        return static_cast<std::int32_t>(v);
    }

    template <typename Enum>
    Enum word(Enum last) {
        const std::uint8_t b = byte();
        if (b > static_cast<std::uint8_t>(last))
            fail("has a word that is not known");
        return static_cast<Enum>(b);
    }

    std::uint64_t fixed64() {
        std::uint64_t value = 0;
        for (int shift = 0; shift < 64; shift += 8)
            value |= static_cast<std::uint64_t>(byte()) << shift;
        return value;
    }

    std::string bytes() {
        const std::uint64_t size = number();
        if (size > in_.size() - at_)
            fail("ends inside a text");
        std::string text(in_.substr(at_, size));
        at_ += size;
        return text;
    }

    [[noreturn]] void fail(const char *how) const {
        throw Error(sqlstate::corrupt_state, std::string(what_) + " does not decode",
                    "The history " + std::string(how) + " at byte " + std::to_string(at_) + ".");
    }

private:
    std::string_view in_;
    const char *what_;
    std::size_t at_ = 0;
};

} // namespace hc::core
