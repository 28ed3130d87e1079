// See handover.hpp.
#include "pg/handover.hpp"

#include "pg/bgworker.hpp"
#include "pg/guc.hpp"
#include "pg/values.hpp"
#include "pg/wake.hpp"

extern "C" {
#include "access/xact.h"
#include "replication/syncrep.h"
}

namespace hc::pg {

namespace {

constexpr int kMaxHandovers = 64;

struct Handovers { // of the current transaction
    int count;
    int commit_level; // synchronous_commit at the first one
    bool lowered;     // it has been set to less after that,
    int lowered_to;   // which it is again behind the commit
};

Handovers g_handovers;

bool count_handover() noexcept {
    if (g_handovers.count == kMaxHandovers) {
        return false;
    }
    if (g_handovers.count++ == 0) {
        g_handovers.commit_level = synchronous_commit;
    }
    return true;
}

// Of sends, or of reports that nobody has looked at.
bool may_be_handed(std::int32_t queue) noexcept {
    return queue == kWebhookQueue || (queue >= kFirstProviderQueue && queue < kFirstEndpointQueue &&
                                      !core::is_executor_queue(queue) && !core::is_program_queue(queue));
}

// For all that a claim of a dispatcher would wait for.
bool commit_waits() noexcept {
    const bool standbys = SyncRepStandbyNames != nullptr && SyncRepStandbyNames[0] != '\0';
    return synchronous_commit >= (standbys ? SYNCHRONOUS_COMMIT_REMOTE_WRITE : SYNCHRONOUS_COMMIT_LOCAL_FLUSH);
}

bool is_receiver() noexcept { return my_database()->receiver.load() == my_worker_slot()->incarnation.load(); }

} // namespace

std::optional<std::int64_t> hand_over(std::int32_t queue, core::Time due) {
    // workers commit without a flush of their own
    if (!commit_waits() || my_worker_slot() != nullptr || !may_be_handed(queue) || !guc::outbound || due > now() ||
        shared() == nullptr || my_database() == nullptr) {
        return std::nullopt;
    }
    DatabaseSlot &slot = *my_database();
    const std::int64_t receiver = slot.receiver.load();
    const bool room = receiver != 0 && slot.receiver_room[bound_index(queue)].load(std::memory_order_relaxed) != 0;
    return room && count_handover() ? std::optional(receiver) : std::nullopt;
}

void hold_commit_level() noexcept {
    if (g_handovers.count != 0 && synchronous_commit < g_handovers.commit_level) {
        g_handovers.lowered = true;
        g_handovers.lowered_to = synchronous_commit;
        synchronous_commit = g_handovers.commit_level;
    }
}

void end_handovers() noexcept {
    if (g_handovers.lowered) {
        synchronous_commit = g_handovers.lowered_to;
    }
    g_handovers = {};
}

void become_receiver() noexcept {
    DatabaseSlot &slot = *my_database();
    std::int64_t nobody = 0;
    if (slot.receiver.load() == nobody) {
        for (std::atomic<std::uint8_t> &room : slot.receiver_room) { // of the one before
            room = 0;
        }
        slot.receiver.compare_exchange_strong(nobody, my_worker_slot()->incarnation.load());
    }
}

void end_receiver() noexcept {
    std::int64_t mine = my_worker_slot()->incarnation.load();
    if (DatabaseSlot *slot = my_database(); slot != nullptr) {
        slot->receiver.compare_exchange_strong(mine, 0);
    }
}

void set_room(int bound, bool room) noexcept {
    if (is_receiver()) {
        my_database()->receiver_room[bound].store(room ? 1 : 0, std::memory_order_relaxed);
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
