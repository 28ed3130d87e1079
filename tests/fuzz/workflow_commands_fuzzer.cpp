// Fuzzer of answers of outside programs (libFuzzer): whatever comes, the commands are taken, and then a replay takes
// what they record, or hc::Error is raised with a path.
#include "core/error.hpp"
#include "core/execution_replay.hpp"
#include "core/workflow_commands.hpp"

#include <cstdint>
#include <cstdlib>
#include <string_view>

using namespace hc::core;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    static const std::vector<ProgramUpdate> kUpdates{{"u", "add", "{}"}};
    static const std::vector<ExecutionEvent> kHistory{
        {.type = ExecutionEventType::workflow_execution_started, .name = "fuzz"},
        {.type = ExecutionEventType::timer_started, .command = 1, .kind = CommandKind::timer, .due = Time{}},
        {.type = ExecutionEventType::activity_scheduled, .command = 2, .name = "a"},
        {.type = ExecutionEventType::child_started, .command = 3, .name = "c", .payload = "abandon"},
        {.type = ExecutionEventType::update_accepted, .name = "add", .text = "taken"}};
    ProgramRules rules;
    rules.max_payload = rules.max_memo = 10'000;
    rules.attributes = {{"City", AttributeType::keyword}};
    rules.activity_type = [](const std::string &) { return parse_activity_type(R"({"start_to_close": "1s"})"); };
    rules.updates = kUpdates;
    std::vector<ProgramCommand> commands;
    try {
        commands = read_program_answer({reinterpret_cast<const char *>(data), size},
                                       program_state(Replay({}, kHistory)), rules);
    } catch (const hc::Error &e) {
        if (!e.detail().starts_with('$'))
            std::abort();
        return 0;
    }
    Replay replay({}, kHistory);
    for (std::size_t i = 0; i < commands.size(); ++i) {
        ProgramCommand &command = commands[i];
        if (command.closes() != (command.closes() && i + 1 == commands.size()))
            std::abort();
        if (command.number != 0) {
            replay.append(std::move(command.event));
            if (replay.events().back().command != command.number)
                std::abort();
        } else if (command.event.type != ExecutionEventType{}) {
            replay.add(std::move(command.event));
        }
    }
    return 0;
}
