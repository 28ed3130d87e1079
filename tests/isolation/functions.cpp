// What dispatchers and the supervisor do in their transactions, as SQL functions that run in the caller's transaction:
// thin wrappers over src/engine, with the bounds taken and given as the workers do. Declared by setup.cpp.
// Runs in backends.
#include "core/error.hpp"
#include "engine/dispatch.hpp"
#include "engine/receipts.hpp"
#include "engine/timers.hpp"
#include "engine/webhooks.hpp"
#include "pg/function.hpp"
#include "pg/wake.hpp"
#include "store/tasks.hpp"
#include "worker.hpp"

#include <nlohmann/json.hpp>

#include <charconv>

using namespace hc;
using test_iso::Worker;

namespace {

std::vector<std::int64_t> incarnations(const pg::Arguments &args, int i) {
    std::vector<std::int64_t> live;
    for (const std::optional<std::string> &word : args.texts(i, "live")) {
        std::int64_t incarnation = 0;
        std::from_chars(word->data(), word->data() + word->size(), incarnation);
        live.push_back(incarnation);
    }
    return live;
}

core::SendVerdict verdict_of(const std::string &word) {
    if (word == "accepted") {
        return core::SendVerdict::accepted;
    }
    if (word == "retry_same") {
        return core::SendVerdict::retry_same;
    }
    if (word == "next_channel") {
        return core::SendVerdict::next_channel;
    }
    if (word == "skip") {
        return core::SendVerdict::skip;
    }
    throw Error(sqlstate::invalid_parameter, "unknown verdict \"" + word + "\"");
}

// What this dispatcher has to bury, as in Dispatcher: outside the claim, which waits for nobody.
std::vector<engine::Burial> &burials() {
    static auto *list = new std::vector<engine::Burial>(); // for the life of the process
    return *list;
}

engine::RecordedSend send_of(const nlohmann::json &json) {
    engine::RecordedSend send;
    send.key.workflow_id = core::parse_workflow_id(json.at("cascade").get<std::string>()).value();
    send.key.number = json.at("task").get<std::int32_t>();
    send.provider = json.at("provider").get<std::int32_t>();
    send.answer.attempt = json.at("attempt").get<std::uint16_t>();
    send.answer.task = static_cast<std::uint32_t>(send.key.number);
    send.answer.verdict = verdict_of(json.at("verdict").get<std::string>());
    send.answer.provider_message_id = json.value("message_id", "");
    send.answer.reason = json.value("reason", "");
    return send;
}

} // namespace

// ---- bounds ----

HC_FUNCTION(hc_test_iso_take_bound) {
    test_iso::join_server();
    return pg::make_timestamptz(pg::take_bound(args.integer(0, "queue")));
}

HC_FUNCTION(hc_test_iso_give_bound) {
    test_iso::join_server();
    pg::give_bound(args.integer(0, "queue"), args.timestamptz(1, "due"));
    return pg::make_void();
}

HC_FUNCTION(hc_test_iso_peek_bound) {
    test_iso::join_server();
    return pg::make_timestamptz(pg::peek_bound(args.integer(0, "queue")));
}

// ---- the dispatcher ----

// (queue, owner, live incarnations, limit, from): with `from` null the bound is taken before and given after.
HC_FUNCTION(hc_test_iso_claim) {
    pg::ResultSet rows(args);
    Worker worker;
    engine::ClaimRequest request;
    request.queue = args.integer(0, "queue");
    request.owner = args.bigint(1, "owner");
    request.live = incarnations(args, 2);
    request.newest = INT64_MAX; // `live` names all there are
    request.limit = args.integer(3, "limit");
    request.now = pg::now();
    const bool bound = args.is_null(4);
    request.from = bound ? pg::take_bound(request.queue) : args.timestamptz(4, "from");
    engine::Claim claim;
    try {
        claim = engine::claim_sends(request);
        engine::finish_claims({&claim, 1});
    } catch (...) {
        if (bound) {
            pg::give_bound(request.queue, request.from);
        }
        throw;
    }
    if (bound && claim.resume) {
        pg::give_bound(request.queue, *claim.resume);
    }
    worker.finish();
    burials().insert(burials().end(), claim.burials.begin(), claim.burials.end());
    for (const engine::Send &send : claim.sends) {
        const bool skipped = !send.leaves && send.immediate.answer.verdict == core::SendVerdict::skip;
        rows.add(send.key.workflow_id, send.key.number, std::int32_t{send.attempt}, send.provider,
                 skipped ? std::optional(send.immediate.answer.reason) : std::nullopt);
    }
    return rows.done();
}

// A batch of answers: [{"cascade", "task", "attempt", "provider", "verdict", "message_id"}]; the positions (from 0) of
// those whose cascade somebody else holds.
HC_FUNCTION(hc_test_iso_record) {
    std::vector<engine::RecordedSend> sends;
    for (const nlohmann::json &json : nlohmann::json::parse(args.text(0, "answers"))) {
        sends.push_back(send_of(json));
    }
    pg::ResultSet rows(args);
    Worker worker;
    std::vector<std::int64_t> hashes;
    const std::vector<std::size_t> locked = engine::record_sends(sends, hashes);
    worker.finish();
    for (const std::size_t i : locked) {
        rows.add(static_cast<std::int32_t>(i));
    }
    return rows.done();
}

// (provider's id, provider message id): true when nothing is left to try again.
HC_FUNCTION(hc_test_iso_rematch) {
    Worker worker;
    const std::int64_t hash = engine::attempt_hash(args.integer(0, "provider"), args.text(1, "provider_message_id"));
    const bool all = engine::rematch({hash});
    worker.finish();
    return pg::make_bool(all);
}

// (cascade, task, endpoint): the receiver took the report.
HC_FUNCTION(hc_test_iso_record_report) {
    engine::RecordedReport report;
    report.key = {args.uuid(0, "cascade"), args.integer(1, "task")};
    report.endpoint = args.integer(2, "endpoint");
    report.answer.verdict = core::WebhookVerdict::delivered;
    Worker worker;
    engine::record_reports({report}, pg::now());
    worker.finish();
    return pg::make_void();
}

HC_FUNCTION(hc_test_iso_bury) {
    const store::TaskKey key{args.uuid(0, "cascade"), args.integer(1, "task")};
    Worker worker;
    const bool done = engine::bury(key, args.text(2, "error"));
    worker.finish();
    return pg::make_bool(done);
}

// Buries what the claims of this session gave up; the number of those that others hold: tried again.
HC_FUNCTION(hc_test_iso_bury_given_up) {
    Worker worker;
    std::erase_if(burials(), [](const engine::Burial &burial) { return engine::bury(burial.key, burial.reason); });
    worker.finish();
    return pg::make_int32(static_cast<std::int32_t>(burials().size()));
}

// ---- the supervisor ----

// (from): with null the bound of the timer queue is taken before and given after. Tasks read, and whether one was held.
HC_FUNCTION(hc_test_iso_fire) {
    pg::ResultSet rows(args);
    Worker worker;
    const bool bound = args.is_null(0);
    const core::Time from = bound ? pg::take_bound(pg::kTimerQueue) : args.timestamptz(0, "from");
    engine::Fired fired;
    std::vector<store::TaskKey> read;
    try {
        fired = engine::fire_due(from, pg::now(), 1000, read);
    } catch (...) {
        if (bound) {
            pg::give_bound(pg::kTimerQueue, from);
        }
        throw;
    }
    if (bound && fired.resume) {
        pg::give_bound(pg::kTimerQueue, *fired.resume);
    }
    worker.finish();
    rows.add(static_cast<std::int32_t>(fired.tasks), fired.locked);
    return rows.done();
}
