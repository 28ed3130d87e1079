// Requests to webhooks: when a report may leave, what its answer means for the endpoint. See webhooks.hpp.
#include "core/address.hpp"
#include "core/webhook.hpp"
#include "pg/endpoint_pause.hpp"
#include "pg/guc.hpp"
#include "pg/request_slots.hpp"
#include "workers/webhooks.hpp"

#include <algorithm>

namespace hc::workers {

namespace {

constexpr std::int32_t kSlots = 256; // requests under way, of all endpoints

} // namespace

engine::RecordedReport Webhooks::answer_to(const engine::Report &report, core::WebhookAnswer answer) {
    engine::RecordedReport recorded;
    recorded.key = report.key;
    recorded.endpoint = report.endpoint;
    recorded.failed_tries = report.failed_tries;
    recorded.sequence = report.sequence;
    recorded.event = report.event;
    recorded.answer = std::move(answer);
    return recorded;
}

void Webhooks::start(http::Client &client, std::uint64_t &next_tag, core::Time now) {
    if (at_hand_ != 0) {
        auto it = desks_.upper_bound(next_started_);
        for (std::size_t i = 0; i < desks_.size(); ++i, ++it) {
            if (it == desks_.end()) {
                it = desks_.begin();
            }
            Desk &desk = it->second;
            if (pg::guc::dispatchers > 1 && !desk.at_hand.empty()) {
                desk.flow.pause(pg::endpoint_paused_until(it->first));
            }
            while (may_start(desk, now)) {
                next_started_ = it->first;
                engine::Report report = std::move(desk.at_hand.front());
                desk.at_hand.pop_front();
                --at_hand_;
                submit(client, next_tag++, std::move(report), now);
            }
            trim(desk, now);
        }
    }
    forget_idle(now);
}

std::int32_t Webhooks::free_slots() const { return kSlots - static_cast<std::int32_t>(under_way_.size()); }

// As with an endpoint, none takes more slots than it leaves free: a host that hangs may be that of many endpoints.
bool Webhooks::host_takes(const std::string &destination) const {
    return pg::host_load(destination) < std::min(pg::guc::host_concurrency, free_slots());
}

// Takes a slot and a token for the first report at hand.
bool Webhooks::may_start(Desk &desk, core::Time now) {
    if (desk.closed || desk.at_hand.empty()) {
        return false;
    }
    const std::string destination = core::destination_of(desk.at_hand.front().url);
    if (pg::take_host_slots(destination, std::min(pg::guc::host_concurrency, free_slots()), 1) == 0) {
        desk.crowded = destination;
        return false;
    }
    desk.crowded.clear();
    const bool starts = desk.flow.start(now, free_slots());
    if (!starts) {
        pg::give_host_slots(destination, 1);
    }
    return starts;
}

void Webhooks::submit(http::Client &client, std::uint64_t tag, engine::Report report, core::Time now) {
    const std::int64_t timestamp = core::to_unix_micros(now) / 1000000;
    http::Request request;
    request.tag = tag;
    request.method = "POST";
    request.url = report.url;
    request.headers = report.headers;
    request.headers.emplace_back("Content-Type", "application/json");
    request.headers.emplace_back("webhook-id", report.id);
    request.headers.emplace_back("webhook-timestamp", std::to_string(timestamp));
    if (!report.keys.empty()) {
        request.headers.emplace_back("webhook-signature",
                                     core::webhook_signature_header(report.keys, report.id, timestamp, report.body));
    }
    request.body = std::move(report.body);
    request.timeout = report.timeout;
    request.connect_timeout = std::chrono::seconds(5);
    under_way_.emplace(tag, UnderWay{std::move(report), now});
    client.submit(std::move(request));
}

bool Webhooks::end(http::Completion &completion, core::Time now) {
    const auto it = under_way_.find(completion.tag);
    if (it == under_way_.end()) {
        return false;
    }
    const UnderWay done = std::move(it->second);
    under_way_.erase(it);
    pg::give_host_slots(core::destination_of(done.report.url), 1);
    core::WebhookAnswer answer = core::classify_webhook_answer(completion.answer, now);
    Desk &desk = desks_[done.report.endpoint];
    const core::FlowEnd how = answer.throttle                                     ? core::FlowEnd::throttled
                              : answer.verdict == core::WebhookVerdict::delivered ? core::FlowEnd::delivered
                                                                                  : core::FlowEnd::failed;
    desk.flow.end(done.began, now, how, answer.retry_after);
    desk.closed = desk.closed || !answer.disable_reason.empty();
    if (how != core::FlowEnd::delivered && pg::guc::dispatchers > 1) {
        if (const core::Time open = desk.flow.open_at(now); open > now && open != core::kNever) {
            pg::pause_endpoint(done.report.endpoint, open);
        }
    }
    if (desk.closed || how != core::FlowEnd::delivered) {
        trim(desk, now);
    }
    answers_.push_back(answer_to(done.report, std::move(answer)));
    const auto taken = std::chrono::duration_cast<std::chrono::milliseconds>(completion.elapsed);
    answers_.back().duration_ms = static_cast<std::int32_t>(taken.count());
    return true;
}

void Webhooks::again(std::vector<engine::RecordedReport> answers) {
    answers_.insert(answers_.end(), std::make_move_iterator(answers.begin()), std::make_move_iterator(answers.end()));
}

void Webhooks::forget_idle(core::Time now) {
    std::erase_if(desks_, [now](const auto &entry) {
        const Desk &desk = entry.second;
        return desk.at_hand.empty() && desk.waiting.look == core::kNever && desk.replays.look == core::kNever &&
               !desk.closed && desk.flow.forgettable(now);
    });
}

} // namespace hc::workers
