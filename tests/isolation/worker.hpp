// The frame of a worker's use case inside the caller's transaction, so that a spec can hold it open. Runs in backends.
#pragma once

#include "engine/verb.hpp"

namespace hc::test_iso {

// This module has its own copy of the extension's state in a process: joins it, once a session, to the server's shared
// memory, the transaction and invalidation callbacks and the settings, as a worker process has them.
void join_server();

// Identity, search_path, SPI and fresh definitions, as in a worker's transaction.
class Worker {
public:
    Worker() {
        join_server();
        verb_.emplace();
    }
    void finish() { verb_->finish(); }

private:
    std::optional<engine::Verb> verb_;
};

} // namespace hc::test_iso
