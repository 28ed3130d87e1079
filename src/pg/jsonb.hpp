// JSON text as a jsonb datum.
#pragma once

#include "pg/values.hpp"

#include <string>

namespace hc::pg {

jsonb_view jsonb_of(const std::string &json_text); // in the current memory context

} // namespace hc::pg
