// See handover.hpp.
#include "pg/handover.hpp"

#include "pg/bgworker.hpp"
#include "pg/dispatchers.hpp"
#include "pg/values.hpp"
#include "pg/wake.hpp"

extern "C" {
#include "access/xact.h"
}

namespace hc::pg {

namespace {

// Of sends, or of reports that nobody has looked at.
bool may_be_handed(std::int32_t queue) noexcept {
    return queue == kWebhookQueue || (queue >= kFirstProviderQueue && queue < kFirstEndpointQueue &&
                                      !core::is_executor_queue(queue) && !core::is_program_queue(queue));
}

bool is_receiver() noexcept { return my_database()->receiver.load() == my_worker_slot()->incarnation.load(); }

} // namespace

std::optional<std::int64_t> hand_over(std::int32_t queue, core::Time due) {
    // workers commit without a flush of their own
    const bool durable = synchronous_commit >= SYNCHRONOUS_COMMIT_LOCAL_FLUSH && my_worker_slot() == nullptr;
    if (!durable || !may_be_handed(queue) || due > now() || shared() == nullptr || my_database() == nullptr) {
        return std::nullopt;
    }
    const std::int64_t taker = my_database()->takers[bound_index(queue)].load(std::memory_order_relaxed);
    return taker != 0 && note_handover() ? std::optional(taker) : std::nullopt;
}

void become_receiver() noexcept {
    std::int64_t receiver = my_database()->receiver.load();
    if (!is_running_dispatcher(receiver)) {
        my_database()->receiver.compare_exchange_strong(receiver, my_worker_slot()->incarnation.load());
    }
}

void set_room(int bound, bool room) noexcept {
    if (is_receiver()) {
        my_database()->takers[bound].store(room ? my_worker_slot()->incarnation.load() : 0, std::memory_order_relaxed);
    }
}

void take_no_more() noexcept {
    for (int bound = 0; bound < kQueueBounds; ++bound) {
        set_room(bound, false);
    }
}

core::Time take_handed(int bound) noexcept {
    return is_receiver() ? from_timestamptz(my_database()->handed[bound].exchange(kNoDue)) : core::kNever;
}

void give_handed(int bound, core::Time due) noexcept {
    if (is_receiver()) {
        lower(my_database()->handed[bound], to_timestamptz(due));
    }
}

core::Time peek_handed(int bound) noexcept {
    return is_receiver() ? from_timestamptz(my_database()->handed[bound].load()) : core::kNever;
}

} // namespace hc::pg
