// Counts the parts of SMS texts. Pure; used by every process.
#include "core/sms_parts.hpp"

#include "core/form.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace hc::core {
namespace {

constexpr char32_t kEscape = 0xffffffff; // 1B leads to the extension table and is no character

// 3GPP TS 23.038 6.2.1, in the order of the codes.
constexpr std::array<char32_t, 128> kDefaultAlphabet = {
    U'@', U'£', U'$', U'¥', U'è', U'é', U'ù', U'ì',  U'ò', U'Ç', U'\n', U'Ø',    U'ø', U'\r', U'Å', U'å', // 00
    U'Δ', U'_', U'Φ', U'Γ', U'Λ', U'Ω', U'Π', U'Ψ',  U'Σ', U'Θ', U'Ξ',  kEscape, U'Æ', U'æ',  U'ß', U'É', // 10
    U' ', U'!', U'"', U'#', U'¤', U'%', U'&', U'\'', U'(', U')', U'*',  U'+',    U',', U'-',  U'.', U'/', // 20
    U'0', U'1', U'2', U'3', U'4', U'5', U'6', U'7',  U'8', U'9', U':',  U';',    U'<', U'=',  U'>', U'?', // 30
    U'¡', U'A', U'B', U'C', U'D', U'E', U'F', U'G',  U'H', U'I', U'J',  U'K',    U'L', U'M',  U'N', U'O', // 40
    U'P', U'Q', U'R', U'S', U'T', U'U', U'V', U'W',  U'X', U'Y', U'Z',  U'Ä',    U'Ö', U'Ñ',  U'Ü', U'§', // 50
    U'¿', U'a', U'b', U'c', U'd', U'e', U'f', U'g',  U'h', U'i', U'j',  U'k',    U'l', U'm',  U'n', U'o', // 60
    U'p', U'q', U'r', U's', U't', U'u', U'v', U'w',  U'x', U'y', U'z',  U'ä',    U'ö', U'ñ',  U'ü', U'à', // 70
};

// 6.2.1.1: 1B0A, 1B14, 1B28, 1B29, 1B2F, 1B3C, 1B3D, 1B3E, 1B40, 1B65.
constexpr std::array<char32_t, 10> kExtensionTable = {U'\f', U'^', U'{', U'}', U'\\', U'[', U'~', U']', U'|', U'€'};

constexpr char32_t kLatinEnd = 0x100; // most characters are below, and looked up at once

constexpr std::array<std::uint8_t, kLatinEnd> make_latin_septets() {
    std::array<std::uint8_t, kLatinEnd> septets{};
    for (const char32_t c : kDefaultAlphabet) {
        if (c < kLatinEnd)
            septets[c] = 1;
    }
    for (const char32_t c : kExtensionTable) {
        if (c < kLatinEnd)
            septets[c] = 2;
    }
    return septets;
}

constexpr std::array<std::uint8_t, kLatinEnd> kLatinSeptets = make_latin_septets();

// The first character of a text that is UTF-8, which is cut off.
char32_t take_character(std::string_view &text) {
    const auto lead = static_cast<unsigned char>(text[0]);
    const std::size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    char32_t character = length == 1 ? lead : lead & (0x7fU >> length);
    for (const char c : text.substr(1, length - 1))
        character = character << 6U | (static_cast<unsigned char>(c) & 0x3fU);
    text.remove_prefix(length);
    return character;
}

unsigned utf16_units(char32_t character) { return character > 0xffff ? 2 : 1; }

bool fits_gsm7(std::string_view text) {
    while (!text.empty()) {
        if (gsm7_septets(take_character(text)) == 0)
            return false;
    }
    return true;
}

// Adds up characters of one or two units; one of two units that does not fit into what is left of a part begins the
// next.
class PartCounter {
public:
    explicit PartCounter(std::uint64_t part_size) : part_size_(part_size) {}

    void add(unsigned units) {
        units_ += units;
        if (used_ + units > part_size_) {
            ++parts_;
            used_ = 0;
        }
        used_ += units;
    }

    std::uint64_t units() const { return units_; }
    std::uint64_t parts() const { return parts_; }

private:
    std::uint64_t part_size_;
    std::uint64_t units_ = 0;
    std::uint64_t parts_ = 1;
    std::uint64_t used_ = 0; // of the last part
};

} // namespace

unsigned gsm7_septets(char32_t character) {
    if (character < kLatinEnd)
        return kLatinSeptets[character];
    if (character == kEscape)
        return 0;
    if (std::ranges::find(kDefaultAlphabet, character) != kDefaultAlphabet.end())
        return 1;
    return std::ranges::find(kExtensionTable, character) != kExtensionTable.end() ? 2 : 0;
}

SmsParts count_sms_parts(std::string_view text) {
    const std::string valid = replace_invalid_utf8(text);
    const bool gsm7 = fits_gsm7(valid);
    PartCounter counter(gsm7 ? kGsm7Part : kUcs2Part);
    for (std::string_view rest = valid; !rest.empty();) {
        const char32_t character = take_character(rest);
        counter.add(gsm7 ? gsm7_septets(character) : utf16_units(character));
    }
    const bool single = counter.units() <= (gsm7 ? kGsm7Single : kUcs2Single);
    return {gsm7 ? SmsEncoding::gsm7 : SmsEncoding::ucs2, counter.units(), single ? 1 : counter.parts()};
}

std::string_view to_string(SmsEncoding encoding) { return encoding == SmsEncoding::gsm7 ? "gsm7" : "ucs2"; }

} // namespace hc::core
