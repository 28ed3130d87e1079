// The job of pg_cron that does recurring maintenance, where there is pg_cron.
#pragma once

#include <cstdint>
#include <string>

namespace hc::store {

bool has_cron(); // in this database
std::int64_t put_cron_job(const std::string &cron);
void drop_cron_job();

} // namespace hc::store
