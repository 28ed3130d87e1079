// See executor_plan.hpp.
#include "core/executor_plan.hpp"

#include <algorithm>
#include <map>
#include <optional>

namespace hc::core {

namespace {

class Planner {
public:
    Planner(std::span<const ExecutorProcess> processes, const ExecutorLimits &limits, Time now)
        : processes_(processes), limits_(limits), now_(now), stopped_(processes.size()),
          occupied_(static_cast<std::int32_t>(processes.size())) {
        for (const ExecutorProcess &process : processes) {
            of_role_[process.role] += process.ending ? 0 : 1;
            ending_ += process.ending ? 1 : 0;
        }
    }

    ExecutorPlan run(std::span<const WaitingRole> waiting) {
        end_surplus();
        std::vector<WaitingRole> order(waiting.begin(), waiting.end());
        std::stable_sort(order.begin(), order.end(),
                         [](const WaitingRole &a, const WaitingRole &b) { return a.served < b.served; });
        std::int32_t hungry = 0;
        for (const WaitingRole &role : order) {
            if (of_role_[role.role] != 0)
                continue;
            plan_.waiting = true;
            if (role.may && limits_.per_role > 0 && !start(role.role))
                ++hungry;
        }
        for (const WaitingRole &role : order) { // helpers come after those who have nobody
            if (role.may && hungry == 0 && of_role_[role.role] < limits_.per_role && wants_help(role.role))
                start(role.role);
        }
        make_room(hungry);
        return std::move(plan_);
    }

private:
    bool start(std::int32_t role) {
        if (occupied_ >= limits_.total)
            return false;
        ++occupied_;
        ++of_role_[role];
        plan_.start.push_back(role);
        return true;
    }

    void stop(std::size_t i) {
        stopped_[i] = true;
        ++ending_;
        --of_role_[processes_[i].role];
        plan_.stop.push_back(i);
    }

    bool running(std::size_t i) const { return !processes_[i].ending && !stopped_[i]; }

    bool wants_help(std::int32_t role) const {
        return std::any_of(processes_.begin(), processes_.end(),
                           [role](const ExecutorProcess &p) { return p.role == role && !p.ending && p.wants_help; });
    }

    // More than the limits allow: a reload lowered them.
    void end_surplus() {
        std::int32_t left = occupied_ - ending_;
        for (std::size_t i = 0; i < processes_.size(); ++i) {
            if (running(i) && (of_role_[processes_[i].role] > limits_.per_role || left > limits_.total)) {
                --left;
                stop(i);
            }
        }
    }

    // Who ends first: idle ones, then helpers, then the one that has been at work longest, if it has had its turn.
    std::optional<std::size_t> next_to_end() const {
        std::optional<std::size_t> best;
        const auto rank = [this](std::size_t i) {
            return processes_[i].idle ? 0 : of_role_.at(processes_[i].role) > 1 ? 1 : 2;
        };
        for (std::size_t i = 0; i < processes_.size(); ++i) {
            if (!running(i) || (rank(i) == 2 && processes_[i].since + limits_.turn > now_))
                continue;
            if (!best || rank(i) < rank(*best) ||
                (rank(i) == rank(*best) && processes_[i].since < processes_[*best].since))
                best = i;
        }
        return best;
    }

    void make_room(std::int32_t hungry) {
        for (std::int32_t coming = ending_; coming < hungry; ++coming) {
            const std::optional<std::size_t> i = next_to_end();
            if (!i || limits_.total <= 0)
                return;
            stop(*i);
        }
    }

    std::span<const ExecutorProcess> processes_;
    const ExecutorLimits &limits_;
    Time now_;
    std::vector<bool> stopped_;
    std::int32_t occupied_ = 0, ending_ = 0;
    std::map<std::int32_t, std::int32_t> of_role_; // those that go on
    ExecutorPlan plan_;
};

} // namespace

ExecutorPlan plan_executors(std::span<const WaitingRole> waiting, std::span<const ExecutorProcess> processes,
                            const ExecutorLimits &limits, Time now) {
    return Planner(processes, limits, now).run(waiting);
}

} // namespace hc::core
