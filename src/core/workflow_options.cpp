// See workflow_options.hpp. Pure.
#include "core/workflow_options.hpp"

#include "core/json_reader.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace hc::core {

namespace {

constexpr std::size_t kMaxBytes = 4096;
constexpr std::size_t kMaxTypeBytes = 65'536;
constexpr std::size_t kMaxDepth = 4;
constexpr std::size_t kMaxRoleName = 63;
constexpr std::size_t kMaxRequestId = 200;
constexpr std::size_t kMaxHandlerName = 200; // of an update or query
constexpr std::size_t kMaxSignature = 300;
constexpr Duration kShortest = std::chrono::milliseconds(1);
constexpr Duration kLongestTask = std::chrono::minutes(2); // Temporal's cap of a workflow task
constexpr Duration kLongestStep = std::chrono::hours(24);

void read_chain_options(const JsonObject &object, std::optional<Duration> &execution_timeout,
                        std::optional<RetryPolicy> &retry) {
    if (const auto timeout = object.find("execution_timeout"))
        execution_timeout = timeout->duration(kShortest, kLongestWait);
    if (const auto policy = object.find("retry"))
        retry = read_retry_policy(*policy);
}

// {"name": value, ..}; `read` makes the signature of the value.
template <class Read>
DeclaredHandlers read_handlers(const JsonNode &node, Read read) {
    if (!node.value().is_object())
        node.fail_type("an object", "Its members are the names.");
    if (node.value().size() > kMaxHandlers)
        node.fail_limit("has too many members", "At most 100 are declared.");
    DeclaredHandlers handlers;
    for (const auto &[name, value] : node.value().items()) {
        const JsonNode member = node.child(value, name);
        if (name.empty() || name.size() > kMaxHandlerName)
            member.fail("has a name that is empty or longer than 200 bytes", "");
        handlers[name] = read(member);
    }
    return handlers;
}

std::string read_update(const JsonNode &node) {
    static constexpr std::array<std::string_view, 1> kKeys{"validator"};
    const JsonObject object(node, kKeys);
    const auto validator = object.find("validator");
    return validator ? validator->text(kMaxSignature) : std::string();
}

} // namespace

WorkflowTypeOptions parse_workflow_type_options(std::string_view json) {
    static constexpr JsonDocumentRules kRules{"invalid workflow options", kMaxTypeBytes, kMaxDepth};
    static constexpr std::array<std::string_view, 10> kKeys{
        "run_as", "task_timeout", "step_timeout", "run_timeout", "execution_timeout",
        "retry",  "in_place",     "updates",      "queries",     "task_queue"};
    const nlohmann::json document = parse_json_document(json, kRules);
    const JsonObject object(JsonNode(document, "$", kRules.message), kKeys);
    WorkflowTypeOptions options;
    if (const auto run_as = object.find("run_as"))
        options.run_as = run_as->text(kMaxRoleName);
    if (const auto timeout = object.find("task_timeout"))
        options.task_timeout = timeout->duration(kShortest, kLongestTask);
    if (const auto timeout = object.find("step_timeout"))
        options.step_timeout = timeout->duration(kShortest, kLongestStep);
    if (const auto timeout = object.find("run_timeout"))
        options.run_timeout = timeout->duration(kShortest, kLongestWait);
    read_chain_options(object, options.execution_timeout, options.retry);
    if (const auto queue = object.find("task_queue"))
        options.task_queue = queue->text(kMaxHandlerName);
    if (const auto in_place = object.find("in_place"))
        options.in_place = in_place->boolean();
    if (const auto updates = object.find("updates"))
        options.updates = read_handlers(*updates, read_update);
    if (const auto queries = object.find("queries"))
        options.queries = read_handlers(*queries, [](const JsonNode &node) { return node.text(kMaxSignature); });
    return options;
}

constexpr std::array<JsonWord<ParentClosePolicy>, 3> kParentClose{
    {{"terminate", ParentClosePolicy::terminate},
     {"request_cancel", ParentClosePolicy::request_cancel},
     {"abandon", ParentClosePolicy::abandon}}};

ChildOptions parse_child_options(std::string_view json) {
    ChildOptions options;
    if (json == "{}")
        return options;
    static constexpr JsonDocumentRules kRules{"invalid child options", kMaxBytes, kMaxDepth};
    static constexpr std::array<std::string_view, 4> kKeys{"parent_close_policy", "run_timeout", "execution_timeout",
                                                           "retry"};
    const nlohmann::json document = parse_json_document(json, kRules);
    const JsonObject object(JsonNode(document, "$", kRules.message), kKeys);
    if (const auto policy = object.find("parent_close_policy"))
        options.parent_close = policy->word(kParentClose);
    if (const auto timeout = object.find("run_timeout"))
        options.run_timeout = timeout->duration(kShortest, kLongestWait);
    read_chain_options(object, options.execution_timeout, options.retry);
    return options;
}

CompensateOptions parse_compensate_options(std::string_view json) {
    CompensateOptions options;
    if (json == "{}")
        return options;
    static constexpr JsonDocumentRules kRules{"invalid options of a compensation", kMaxBytes, kMaxDepth};
    static constexpr std::array<std::string_view, 1> kKeys{"on_error"};
    static constexpr std::array<JsonWord<bool>, 2> kWords{{{"continue", false}, {"stop", true}}};
    const nlohmann::json document = parse_json_document(json, kRules);
    const JsonObject object(JsonNode(document, "$", kRules.message), kKeys);
    if (const auto on_error = object.find("on_error"))
        options.stop = on_error->word(kWords);
    return options;
}

StepOptions parse_step_options(std::string_view json) {
    StepOptions options;
    if (json == "{}")
        return options;
    static constexpr JsonDocumentRules kRules{"invalid step options", kMaxBytes, kMaxDepth};
    static constexpr std::array<std::string_view, 1> kKeys{"commit_first"};
    const nlohmann::json document = parse_json_document(json, kRules);
    const JsonObject object(JsonNode(document, "$", kRules.message), kKeys);
    if (const auto flag = object.find("commit_first"))
        options.commit_first = flag->boolean();
    return options;
}

std::string_view to_string(ParentClosePolicy policy) { return kParentClose[static_cast<std::size_t>(policy)].word; }

ParentClosePolicy parse_parent_close(std::string_view word) {
    for (const auto &known : kParentClose)
        if (known.word == word)
            return known.value;
    return ParentClosePolicy::terminate;
}

WorkflowStartOptions parse_workflow_start_options(std::string_view json, bool with_signal) {
    WorkflowStartOptions options;
    if (with_signal)
        options.conflict = ConflictPolicy::use_existing;
    if (json == "{}")
        return options;
    static constexpr JsonDocumentRules kRules{"invalid start options", kMaxBytes, kMaxDepth};
    static constexpr std::array<std::string_view, 8> kKeys{"conflict_policy", "reuse_policy",     "request_id",
                                                           "start_delay",     "run_timeout",      "execution_timeout",
                                                           "retry",           "signal_request_id"};
    static constexpr std::array<JsonWord<ConflictPolicy>, 3> kConflict{
        {{"fail", ConflictPolicy::fail},
         {"use_existing", ConflictPolicy::use_existing},
         {"terminate_existing", ConflictPolicy::terminate_existing}}};
    static constexpr std::array<JsonWord<ReusePolicy>, 3> kReuse{
        {{"allow_duplicate", ReusePolicy::allow_duplicate},
         {"allow_duplicate_failed_only", ReusePolicy::allow_duplicate_failed_only},
         {"reject_duplicate", ReusePolicy::reject_duplicate}}};
    const nlohmann::json document = parse_json_document(json, kRules);
    const JsonObject object(JsonNode(document, "$", kRules.message),
                            std::span(kKeys).first(kKeys.size() - (with_signal ? 0 : 1)));
    if (const auto policy = object.find("conflict_policy"))
        options.conflict = policy->word(kConflict);
    if (with_signal && options.conflict == ConflictPolicy::fail)
        object.find("conflict_policy")->fail("cannot be fail", "An open execution is signaled.");
    if (const auto id = object.find("signal_request_id"))
        options.signal_request_id = id->text(kMaxRequestId);
    if (const auto policy = object.find("reuse_policy"))
        options.reuse = policy->word(kReuse);
    if (const auto id = object.find("request_id"))
        options.request_id = id->text(kMaxRequestId);
    if (const auto delay = object.find("start_delay"))
        options.start_delay = delay->duration(Duration::zero(), kLongestWait);
    if (const auto timeout = object.find("run_timeout"))
        options.run_timeout = timeout->duration(kShortest, kLongestWait);
    read_chain_options(object, options.execution_timeout, options.retry);
    if (options.reuse == ReusePolicy::reject_duplicate && options.conflict == ConflictPolicy::terminate_existing)
        object.find("conflict_policy")
            ->fail("cannot be terminate_existing with reuse_policy reject_duplicate",
                   "The one ended would be the one that may not be followed.");
    return options;
}

StartCourse course_of_start(const WorkflowStartOptions &options, const CurrentExecution &current) {
    if (!options.request_id.empty() && options.request_id == current.request_id)
        return StartCourse::use_existing;
    if (current.status == ExecutionStatus::running) {
        switch (options.conflict) {
        case ConflictPolicy::fail:
            return StartCourse::refuse_open;
        case ConflictPolicy::use_existing:
            return StartCourse::use_existing;
        case ConflictPolicy::terminate_existing:
            return StartCourse::terminate_existing;
        }
    }
    switch (options.reuse) {
    case ReusePolicy::allow_duplicate:
        return StartCourse::start;
    case ReusePolicy::allow_duplicate_failed_only:
        return current.status == ExecutionStatus::completed ? StartCourse::refuse_closed : StartCourse::start;
    case ReusePolicy::reject_duplicate:
        break;
    }
    return StartCourse::refuse_closed;
}

Duration turn_retry_delay(std::uint32_t failures) {
    constexpr std::uint32_t kDoublings = 10; // past ten minutes
    const std::uint32_t doublings = std::min(failures == 0 ? 0 : failures - 1, kDoublings);
    return std::min<Duration>(std::chrono::seconds(1LL << doublings), std::chrono::minutes(10));
}

} // namespace hc::core
