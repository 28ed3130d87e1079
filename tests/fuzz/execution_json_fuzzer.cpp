// Fuzzer of histories as JSON documents (libFuzzer): what parses must come out and parse to the same document; anything
// else may only raise hc::Error.
#include "core/error.hpp"
#include "core/execution_json.hpp"

#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    hc::core::ExecutionDocument document;
    try {
        document = hc::core::parse_execution_json({reinterpret_cast<const char *>(data), size});
    } catch (const hc::Error &) {
        return 0;
    }
    // a value that is none inside of its brackets is passed through in the input, and as a text in a payload
    const hc::core::ExecutionDocument again = hc::core::parse_execution_json(hc::core::execution_json(document));
    if (!(again == document))
        std::abort();
    return 0;
}
