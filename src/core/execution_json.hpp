// A history as a JSON document that loses nothing: for replay tests kept beside the code, and for analysis.
//
// {"format": 1, "execution_id": "..", "workflow_type": "payment", "version": 2, "function": "app.payment(jsonb)",
//  "digest": "<hex>", "workflow_id": .., "tenant": .., "status": "Completed", "input": {..},
//  "events": [{"event_id": 1, "time": "2026-01-01T00:00:00.000000Z", "type": "WorkflowExecutionStarted", ..}, ..]}
// Of an event: command (number), kind (word), due (time), hash (16 hex digits), name, text, and payload: a JSON value,
// or payload_text where the payload is none. Payloads are never parsed into numbers: jsonb has more digits than a
// double.
#pragma once

#include "core/execution_events.hpp"
#include "core/id.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hc::core {

inline constexpr std::size_t kMaxHistoryJson = 256 * 1024 * 1024; // bytes

struct ExecutionDocument {
    WorkflowId id;
    std::string workflow_type;
    std::int32_t version = 0;
    std::string function; // signature
    std::string digest;   // bytes
    std::optional<std::string> workflow_id;
    std::optional<std::string> tenant;
    std::string input; // JSON
    std::vector<ExecutionEvent> events;

    bool operator==(const ExecutionDocument &) const = default;
};

std::string execution_json(const ExecutionDocument &document,
                           std::size_t first = 0); // without the events up to `first`

// Keys that are not known are passed over in the document, and refused in an event. The text must be UTF-8. Throws
// 22023 with the JSON path of what is wrong, 54000 past the caps.
ExecutionDocument parse_execution_json(std::string_view json);

// Whether it can be stored as a closed execution: it has one end, its last event; its commands and their ends fit
// together; payloads are JSON. Throws 22023 with the JSON path, WF004.
void check_closed_document(const ExecutionDocument &document);

} // namespace hc::core
