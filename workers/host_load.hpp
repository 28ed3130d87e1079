// Requests of one dispatcher that are under way, by destination (host and port), whatever provider or endpoint they are
// of.
#pragma once

#include "pg/guc.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <unordered_map>

namespace hc::workers {

class HostLoad {
public:
    // Of one destination; the dispatchers divide what the setting allows.
    static std::int32_t cap() { return std::max(1, pg::guc::host_concurrency / std::max(1, pg::guc::dispatchers)); }

    std::int32_t of(const std::string &destination) const {
        const auto it = load_.find(destination);
        return it != load_.end() ? it->second : 0;
    }
    void begin(const std::string &destination) { ++load_[destination]; }
    // True when there was no room before.
    bool end(const std::string &destination) {
        const auto it = load_.find(destination);
        if (it == load_.end()) {
            return false;
        }
        const bool was_full = it->second >= cap();
        if (--it->second == 0) {
            load_.erase(it);
        }
        return was_full;
    }

private:
    std::unordered_map<std::string, std::int32_t> load_;
};

} // namespace hc::workers
