// Receipts of one provider account on their way to their cascades. Runs in callers' backends.
#pragma once

#include "core/receipt_parser.hpp"
#include "engine/definitions.hpp"
#include "engine/receive.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace hc::engine {

// The account whose receipts these are: the provider in use, and dropped ones of the same name.
struct Account {
    const Provider *provider = nullptr;
    std::vector<std::int32_t> ids;
    std::shared_ptr<const core::Connector> connector;

    const core::ReceiptSettings &settings() const { return provider->receipts; }
    core::PartMode part_mode() const { return settings().part_mode.value_or(connector->part_mode); }
};

// Throws 42501 when the user may not act for all tenants, 42704 for an unknown provider, 55000 for one that cannot be
// read.
Account find_account(const std::string &name, Oid user);

// Looks the ids up, applies the receipts, keeps those of attempts not stored yet, and parks what was not understood. A
// row a receipt, in order.
std::vector<ReceivedReceipt> deliver(const Account &account, const std::vector<core::CanonicalReceipt> &receipts,
                                     Oid user);

} // namespace hc::engine
