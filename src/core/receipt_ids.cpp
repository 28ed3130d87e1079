// Conversions of provider message ids. See receipt_ids.hpp.
#include "core/receipt_ids.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace hc::core {

namespace {

__extension__ using Number = unsigned __int128; // the longest ids in use are 32 hexadecimal digits

std::optional<Number> parse_number(std::string_view text, unsigned base) {
    if (text.empty())
        return std::nullopt;
    constexpr Number kMax = ~Number{0};
    Number number = 0;
    for (const char c : text) {
        unsigned digit = 99;
        if (c >= '0' && c <= '9')
            digit = static_cast<unsigned>(c - '0');
        else if (c >= 'a' && c <= 'f')
            digit = static_cast<unsigned>(c - 'a') + 10;
        else if (c >= 'A' && c <= 'F')
            digit = static_cast<unsigned>(c - 'A') + 10;
        if (digit >= base || number > (kMax - digit) / base)
            return std::nullopt;
        number = number * base + digit;
    }
    return number;
}

std::string format_number(Number number, unsigned base, const char *digits) {
    std::string text;
    do {
        text.push_back(digits[static_cast<unsigned>(number % base)]);
        number /= base;
    } while (number != 0);
    std::reverse(text.begin(), text.end());
    return text;
}

constexpr const char *kLowerDigits = "0123456789abcdef";
constexpr const char *kUpperDigits = "0123456789ABCDEF";

class Candidates {
public:
    void add(std::string id) {
        if (!id.empty() && std::find(list_.begin(), list_.end(), id) == list_.end())
            list_.push_back(std::move(id));
    }
    void add_decimal_of_hex(std::string_view id) {
        if (const auto number = parse_number(id, 16))
            add(format_number(*number, 10, kLowerDigits));
    }
    // Both letter cases, then padded with zeros to the widths in use.
    void add_hex_of_decimal(std::string_view id) {
        const auto number = parse_number(id, 10);
        if (!number)
            return;
        for (const char *digits : {kLowerDigits, kUpperDigits}) {
            const std::string hex = format_number(*number, 16, digits);
            add(hex);
            for (const std::size_t width : {8U, 16U, 32U}) {
                if (hex.size() < width)
                    add(std::string(width - hex.size(), '0') + hex);
            }
        }
    }
    void add_mapped(std::string_view id, char first, char last, int shift) {
        std::string text(id);
        for (char &c : text) {
            if (c >= first && c <= last)
                c = static_cast<char>(c + shift);
        }
        add(std::move(text));
    }
    void add_without_zeros(std::string_view id) {
        const std::size_t first = id.find_first_not_of('0');
        if (first != std::string_view::npos)
            add(std::string(id.substr(first)));
    }
    std::vector<std::string> take() { return std::move(list_); }

private:
    std::vector<std::string> list_;
};

} // namespace

std::vector<std::string> id_candidates(std::string_view id, std::span<const IdConversion> conversions, IdBase base) {
    Candidates candidates;
    candidates.add(std::string(id));
    if (base == IdBase::hex_in_answer || base == IdBase::either)
        candidates.add_hex_of_decimal(id);
    if (base == IdBase::hex_in_receipt || base == IdBase::either)
        candidates.add_decimal_of_hex(id);
    for (const IdConversion conversion : conversions) {
        switch (conversion) {
        case IdConversion::strip_zeros:
            candidates.add_without_zeros(id);
            break;
        case IdConversion::hex_to_dec:
            candidates.add_decimal_of_hex(id);
            break;
        case IdConversion::dec_to_hex:
            candidates.add_hex_of_decimal(id);
            break;
        case IdConversion::upper:
            candidates.add_mapped(id, 'a', 'z', 'A' - 'a');
            break;
        case IdConversion::lower:
            candidates.add_mapped(id, 'A', 'Z', 'a' - 'A');
            break;
        }
    }
    return candidates.take();
}

std::string normal_id(std::string_view id, std::span<const IdConversion> conversions, IdBase base, IdSide side) {
    if (conversions.empty() && base == IdBase::same)
        return {};
    const auto declared = [&](IdConversion wanted) {
        return std::find(conversions.begin(), conversions.end(), wanted) != conversions.end();
    };
    const bool answer = side == IdSide::answer;
    const bool hex = base == IdBase::hex_in_answer || declared(IdConversion::dec_to_hex)
                         ? answer
                         : (base == IdBase::hex_in_receipt || declared(IdConversion::hex_to_dec)) && !answer;
    const bool numeric =
        base != IdBase::same || declared(IdConversion::dec_to_hex) || declared(IdConversion::hex_to_dec);
    if (const auto number = numeric ? parse_number(id, hex ? 16 : 10) : std::nullopt)
        return "#" + format_number(*number, 10, kLowerDigits);
    std::string text(id);
    if (declared(IdConversion::strip_zeros))
        text.erase(0, std::min(text.find_first_not_of('0'), text.size()));
    if (declared(IdConversion::upper) || declared(IdConversion::lower)) {
        for (char &c : text) {
            if (c >= 'A' && c <= 'Z')
                c = static_cast<char>(c - 'A' + 'a');
        }
    }
    return "#" + text;
}

std::string choose_known_id(std::span<const std::string> candidates, const ReceiptOptions &options) {
    for (const std::string &candidate : candidates) {
        if (std::find(options.known_ids.begin(), options.known_ids.end(), candidate) != options.known_ids.end())
            return candidate;
    }
    const bool from_decimal = options.id_base == IdBase::hex_in_answer;
    const bool declared = from_decimal || options.id_base == IdBase::hex_in_receipt;
    const bool convert = declared && options.known_ids.empty() && candidates.size() > 1 &&
                         parse_number(candidates.front(), from_decimal ? 10 : 16).has_value();
    return candidates[convert ? 1 : 0];
}

} // namespace hc::core
