// Whom a message goes to: the address on a channel, found in the message, in the one form in which addresses are
// compared. The request is rendered from the message itself, not from this form.
#pragma once

#include "core/id.hpp"
#include "core/json_path.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hc::core {

inline constexpr std::size_t kMaxAddressBytes = 320; // in the form compared

enum class AddressState : std::uint8_t {
    unknown, // the message does not say in a way we read: such a send is neither refused nor suppressed
    absent,  // it should, and has none
    known,
};

struct Recipient {
    AddressState state = AddressState::unknown;
    std::string address; // when known: in the form compared

    bool operator==(const Recipient &) const = default;
};

// `path`: where the rule says the address is. Else "to" of the message: a string or number, or an object with one a
// channel. Arrays and objects in the place of an address, and addresses past the cap, are unknown.
Recipient find_recipient(std::string_view message_json, std::string_view channel, const std::optional<JsonPath> &path);

// The form in which addresses of a channel are compared; empty: blank. May be longer than the cap. White space around
// it goes. Channels of mail (their name has "mail"): lower case, without a name and <> around it, without "mailto:".
// Channels of phones (sms, mms, rcs, voice, phone, call, whatsapp, viber): without "tel:" and the like, blanks, - ( )
// and dots; 00 in front is +; so is nothing in front of a digit other than 0, since providers report numbers with and
// without it. What is no phone number after that, and addresses of other channels, stay as they are.
std::string normal_address(std::string_view channel, std::string_view text);

// First 128 bits of SHA-256 of what is sent to one recipient under one category (empty: any). A missing tenant counts
// as an empty one, which no tenant is.
WorkflowId recipient_hash(const std::optional<std::string> &tenant, std::string_view channel, std::string_view category,
                          std::string_view address);

} // namespace hc::core
