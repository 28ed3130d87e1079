// The gates before a send leaves (core/gates.hpp), for everything that a dispatcher claims in one transaction: a few
// statements for all of it, none when no rule, limit or entry asks for one. Rows that are counted in are locked until
// the commit, so that counts are exact whatever the number of dispatchers; nothing is locked after them.
#pragma once

#include "core/gates.hpp"
#include "engine/definitions.hpp"
#include "engine/suppression.hpp"
#include "store/contacts.hpp"
#include "store/executions.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hc::engine {

// A claimed send that nothing but the gates keeps from leaving.
struct Draft {
    std::size_t send = 0; // in its claim
    std::shared_ptr<const store::SendRow> row;
    core::State state;
    std::uint16_t attempt = 0;
    std::int32_t provider = 0;
    bool first_claim = true; // of its task

    const core::AttemptState &attempt_state() const { return state.attempts.at(attempt - 1U); }
};

// What a send has taken: its place in the window of its recipient, its cost of its tenant's day. A send that surely was
// not taken gives it back.
struct Toll {
    std::optional<core::WorkflowId> window;
    std::int64_t mark = 0;
    std::string tenant; // with a cost
    core::Time day{};
    core::Micros cost = 0;
};

class Gates {
public:
    explicit Gates(core::Time now) : now_(now) {}

    void add(const Draft &draft); // kept by reference, in the order in which they are to leave
    void look_up();               // once, after all of them
    // The reason why the i-th is not to be sent; empty: it is, and has paid its toll.
    std::string pass(std::size_t i);
    void undo(std::size_t i); // it is not sent after all
    void write();             // once, at the end

    Toll toll(std::size_t i) const;
    std::optional<Addressee> addressee(std::size_t i) const;

private:
    struct Passage {
        const Draft *draft = nullptr;
        const RuleVersion *rule = nullptr;
        const core::Step *step = nullptr;
        core::Recipient recipient;
        std::string reason;                     // by the rule, or suppressed
        std::optional<core::WorkflowId> window; // where the frequency is limited
        std::int64_t mark = 0;
        core::Micros cost = 0; // where the tenant's day is limited
        std::optional<core::Micros> cap;
        bool pays = false;
        bool placed = false, paid = false; // by pass()
    };
    struct Window {
        store::Window now, stored;
    };
    struct Purse {
        core::Micros wanted = 0, spent = 0, stored = 0;
    };

    void look_up_suppressions();
    void lock_windows();
    void lock_purses();
    bool take_place(Passage &p);
    bool pay(Passage &p);

    const core::Time now_;
    std::vector<Passage> passages_;
    std::map<core::WorkflowId, Window> windows_;
    std::map<std::string, Purse> purses_; // by tenant, in the order of bytes
};

// Gives back what sends had taken that surely were not taken by their providers.
void give_back(const std::vector<Toll> &tolls);

} // namespace hc::engine
