// How a text travels as SMS: alphabet and number of parts. Sources: 3GPP TS 23.038 (GSM 7-bit default alphabet and its
// extension table; no national tables), TS 23.040 9.2.3.24.1 (concatenation with an 8-bit reference: 6 bytes of
// header).
#pragma once

#include <cstdint>
#include <string_view>

namespace hc::core {

enum class SmsEncoding : std::uint8_t { gsm7, ucs2 };

struct SmsParts {
    SmsEncoding encoding;
    std::uint64_t units; // septets, or 16-bit units; headers and what is left over at the end of a part not counted
    std::uint64_t parts; // at least 1: an empty text is a message, too
};

inline constexpr std::uint64_t kGsm7Single = 160; // septets of a text in one part
inline constexpr std::uint64_t kGsm7Part = 153;   // and of each of several
inline constexpr std::uint64_t kUcs2Single = 70;  // 16-bit units
inline constexpr std::uint64_t kUcs2Part = 67;

// `text` in UTF-8. GSM 7-bit when its tables have every character (those of the extension table take two septets), else
// UTF-16. Neither an escape and its character nor the halves of a surrogate pair are ever in different parts. Bytes
// that are not UTF-8 count as U+FFFD for each maximal part of a sequence, which no GSM table has.
SmsParts count_sms_parts(std::string_view text);

std::string_view to_string(SmsEncoding encoding); // "gsm7", "ucs2"

// Septets of a character: 1, 2, or 0 when it is in neither table.
unsigned gsm7_septets(char32_t character);

} // namespace hc::core
