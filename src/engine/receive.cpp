// See receive.hpp. Runs in callers' backends.
#include "engine/receive.hpp"

#include "core/error.hpp"
#include "core/json_path.hpp"
#include "core/logged_headers.hpp"
#include "core/signature.hpp"
#include "core/signature_secrets.hpp"
#include "engine/definitions.hpp"
#include "engine/pauses.hpp"
#include "engine/receipt_delivery.hpp"
#include "pg/guc.hpp"
#include "pg/wake.hpp"
#include "store/receipts.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace hc::engine {

namespace {

using core::CanonicalReceipt;
using core::Disposition;

// What the provider signed: of a GET the URL with its query, which is the payload.
struct Signed {
    std::string url;
    std::string_view body;
};
Signed signed_parts(const core::ReceiptSettings &settings, const core::ReceiptOptions &options,
                    std::string_view payload) {
    Signed parts{options.url.empty() ? settings.url : options.url, payload};
    if (options.query) {
        if (options.url.empty()) {
            parts.url.append(parts.url.find('?') == std::string::npos ? "?" : "&");
            parts.url.append(payload.substr(payload.starts_with('?') ? 1 : 0));
        }
        parts.body = {};
    }
    return parts;
}

void verify(const Account &account, const std::string &payload, const core::Headers &headers,
            const core::ReceiptOptions &options) {
    const core::ReceiptSettings &settings = account.settings();
    if (settings.secret_name.empty()) {
        return;
    }
    const std::optional<std::string> secret = definitions().secret(settings.secret_name);
    const std::string &scheme = settings.signature.empty() ? account.connector->signature : settings.signature;
    if (!secret || scheme.empty()) {
        throw Error(sqlstate::not_prerequisite,
                    fmt::format("receipts of provider \"{}\" cannot be verified", account.provider->name),
                    secret ? "Its connector names no signature scheme." : "Its receipts secret does not exist.",
                    secret ? "Name one in receipts.signature of the provider." : "Store it with hermes.set_secret.");
    }
    const Signed parts = signed_parts(settings, options, payload);
    core::SignatureRequest request;
    request.scheme = scheme;
    request.secrets = core::split_secrets(scheme, *secret);
    request.headers = headers;
    request.body = parts.body;
    request.url = parts.url;
    request.method = options.query ? "GET" : "POST";
    request.now = pg::now();
    request.window = settings.window;
    const core::SignatureCheck check = core::verify_signature(request);
    if (check != core::SignatureCheck::ok) {
        throw Error(sqlstate::invalid_authorization, "receipt signature does not verify",
                    fmt::format("Scheme {}: {}.", scheme, core::to_string(check)));
    }
}

// The parked receipts of an account from an id on, a few at a time.
class Parking {
public:
    Parking(const Account &account, std::int64_t after) : account_(account), position_(after) {}

    std::int32_t taken() const { return taken_; }
    std::int32_t read() const { return read_; }
    std::int64_t position() const { return position_; } // the last one looked at
    bool at_end() const { return at_end_; }
    bool more() const { return !at_end_ && !store::parked_receipts_after(account_.ids, position_, 1).empty(); }

    // Takes what is understood of the next ones, up to `limit` in all, out of the inbox.
    void read_on(std::int32_t limit, std::vector<CanonicalReceipt> &receipts);

private:
    const Account &account_;
    std::int64_t position_;
    std::int32_t taken_ = 0, read_ = 0;
    bool at_end_ = false;
};

bool is_understood(const std::vector<CanonicalReceipt> &receipts) {
    return std::none_of(receipts.begin(), receipts.end(), [](const CanonicalReceipt &r) {
        return r.disposition == Disposition::park || r.disposition == Disposition::reject;
    });
}

void Parking::read_on(std::int32_t limit, std::vector<CanonicalReceipt> &receipts) {
    constexpr std::int32_t kStep = 500; // of up to 16 kB each
    std::vector<std::pair<std::int64_t, std::vector<CanonicalReceipt>>> understood;
    const std::vector<store::ParkedRow> rows = store::parked_receipts_after(account_.ids, position_, kStep);
    at_end_ = rows.size() < static_cast<std::size_t>(kStep);
    for (const store::ParkedRow &row : rows) {
        if (taken_ + static_cast<std::int32_t>(understood.size()) == limit) {
            at_end_ = false;
            break;
        }
        position_ = row.id;
        ++read_;
        auto again = core::parse_parked(*account_.connector, row.payload, account_.settings().options);
        if (is_understood(again)) {
            understood.emplace_back(row.id, std::move(again));
        }
    }
    std::vector<std::int64_t> ids;
    ids.reserve(understood.size());
    for (const auto &[id, again] : understood) {
        ids.push_back(id);
    }
    ids = store::lock_parked_receipts(ids); // without those that another call takes just now
    for (auto &[id, again] : understood) {
        if (std::binary_search(ids.begin(), ids.end(), id)) {
            receipts.insert(receipts.end(), std::make_move_iterator(again.begin()),
                            std::make_move_iterator(again.end()));
        }
    }
    taken_ += static_cast<std::int32_t>(ids.size());
    store::delete_receipts(ids);
}

void refuse_unreadable(const Account &account, const std::vector<CanonicalReceipt> &receipts) {
    if (receipts.size() == 1 && receipts.front().disposition == Disposition::reject) {
        throw Error(sqlstate::invalid_parameter, "receipt payload cannot be read",
                    fmt::format("Connector \"{}\": {}", account.connector->name, receipts.front().reason),
                    "hermes.parse_receipts shows how a payload is read.");
    }
}

} // namespace

std::vector<ReceivedReceipt> receive_receipts(const std::string &provider, const std::string &payload,
                                              const core::Headers &headers, const std::string &options_json, Oid user) {
    const Account account = find_account(provider, user);
    core::ReceiptOptions options = core::parse_receipt_options(options_json, account.settings().options);
    if (options.time_zone != account.settings().options.time_zone) {
        options.zone = zone_clock(options.time_zone);
    }
    verify(account, payload, headers, options);
    const std::vector<CanonicalReceipt> receipts = core::parse_receipts(*account.connector, payload, headers, options);
    refuse_unreadable(account, receipts);
    std::vector<ReceivedReceipt> rows = deliver(account, receipts, user);
    if (pg::guc::receipt_log_retention_s > 0) {
        store::log_call(
            {account.provider->id, static_cast<std::int32_t>(receipts.size()), core::logged_headers(headers), payload},
            pg::now());
    }
    return rows;
}

core::Headers parse_headers(const std::string &json) {
    core::Headers headers;
    for (const auto &[name, value] : core::json_members(json)) {
        const std::vector<std::string_view> several = core::json_elements(value);
        const std::optional<std::string> text = core::json_scalar_text(several.empty() ? value : several.back());
        if (text) {
            headers.emplace_back(name, *text);
        }
    }
    return headers;
}

RetriedReceipts retry_parked_receipts(const std::string &provider, std::int32_t limit, std::int64_t after, Oid user) {
    if (limit < 1 || limit > kMaxParkedTaken) {
        throw Error(sqlstate::invalid_parameter, fmt::format("max_receipts must be between 1 and {}", kMaxParkedTaken));
    }
    const Account account = find_account(provider, user);
    Parking parking(account, after);
    std::vector<CanonicalReceipt> receipts;
    while (parking.taken() < limit && parking.read() < kMaxParkedRead && !parking.at_end()) {
        parking.read_on(limit, receipts);
    }
    RetriedReceipts result;
    if (parking.more()) {
        result.rest_after = parking.position();
    }
    result.receipts = deliver(account, receipts, user);
    return result;
}

} // namespace hc::engine
