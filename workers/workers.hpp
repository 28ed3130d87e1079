// Main functions of the background workers. States are drawn in workers/README.md.
#pragma once

#include <cstdint>

namespace hc::workers {

void run_launcher();
void run_supervisor(std::int32_t slot);
void run_dispatcher(std::int32_t slot);
void run_executor(std::int32_t slot);

} // namespace hc::workers
