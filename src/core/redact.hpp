// Text from outside made fit for server logs, error columns, histories and error messages. Pure; all processes.
//
// What it masks, leaving "***":
//   phone numbers    7 or more digits, also with + - . ( ) and spaces between them; the last 2 to 4 digits stay
//   e-mail addresses the part before the @
//   tokens           words of 24 or more characters that are not made of plain words (keys, JWTs, push tokens)
//   credentials      what follows Bearer, Basic, or a name like password, secret, token, api_key, authorization
//   URLs             user and password, query, fragment
// What stays readable: UUIDs with our suffixes ("<uuid>-<n>", "<uuid>-r1-e2"), ISO 8601 times, IPv4 addresses, counts
// of bytes, numbers of processes and transactions.
//
// It knows patterns, not meanings: text that may hold a message body does not belong in a log at all.
#pragma once

#include <string>
#include <string_view>

namespace hc::core {

std::string redact(std::string_view text); // redact(redact(x)) == redact(x)

// A provider's error code as it may be recorded: one word of at most 64 bytes. Of a text only a leading code is kept
// ("21211: no such number" -> "21211"), else nothing: providers echo numbers and bodies in their descriptions.
std::string_view plain_code(std::string_view code);

} // namespace hc::core
