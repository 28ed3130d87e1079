// Provider message ids as answers and receipts write them (R5): the exact text first, then the declared conversions,
// never a guess.
#pragma once

#include "core/receipt_parser.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hc::core {

// The exact id, then what the declared conversions make of it, each once.
std::vector<std::string> id_candidates(std::string_view id, std::span<const IdConversion> conversions, IdBase base);

// The candidate among options.known_ids; without known ids the exact id, or its conversion when the bases differ by
// declaration.
std::string choose_known_id(std::span<const std::string> candidates, const ReceiptOptions &options);

// What the id of an answer and the id of a receipt have in common under the declared conversions: "#" and the normal
// form; empty when nothing is declared, so that exact text is all there is.
enum class IdSide : std::uint8_t { answer, receipt };
std::string normal_id(std::string_view id, std::span<const IdConversion> conversions, IdBase base, IdSide side);

} // namespace hc::core
