// The frame of every SQL verb: who calls, then the owner's identity, a pinned search_path and SPI for the statements.
#pragma once

#include "engine/definitions.hpp"
#include "pg/xact.hpp"

namespace hc::engine {

class Verb {
public:
    explicit Verb(pg::PinPath when = pg::PinPath::now);
    Verb(const Verb &) = delete;
    Verb &operator=(const Verb &) = delete;

    Oid user() const noexcept { return user_; } // the caller; never session_user
    void finish();                              // on success; an error leaves the clean-up to the abort

private:
    Oid user_;
    pg::search_path_scope path_;
    std::optional<pg::user_scope> identity_;
    std::optional<pg::spi_scope> spi_;
};

} // namespace hc::engine
