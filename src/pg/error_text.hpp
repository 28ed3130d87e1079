// Errors on their way through this extension, without what they may carry of messages: their texts end in server logs,
// dead letters and clients of other tenants. Every PostgreSQL error caught by pg::call is cleaned, and every own error.
#pragma once

#include "pg/postgres.hpp"

namespace hc::pg {

// Message, detail and context are masked by core::redact; details that hold whole rows, values in quotes after a colon
// (class 22) and context lines that quote data are left out. Changes the texts of `data`, not its code or its names.
void clean(ErrorData &data) noexcept;

// The server was told to add the caller's parameters to the CONTEXT of errors in its log.
bool context_has_parameters() noexcept;

// A text of our own, cut to the buffer on a character boundary; copy_clean masks it first.
void copy_cut(char *to, std::size_t size, std::string_view from) noexcept;
void copy_clean(char *to, std::size_t size, std::string_view from) noexcept;

} // namespace hc::pg
