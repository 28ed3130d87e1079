// See planning.hpp. Runs in backends and workers, inside the planner: plain data only.
#include "pg/planning.hpp"

#include <algorithm>

namespace hc::pg {

namespace {

get_relation_info_hook_type g_previous_relation_info = nullptr;

// jit: short statements whose estimated costs are high only because their tables count as large
constexpr const char *kOff[] = {"enable_bitmapscan", "enable_hashjoin", "enable_mergejoin", "enable_seqscan", "jit"};

// An executor's session may have them off: its role sets what it likes.
constexpr const char *kOn[] = {"enable_indexonlyscan", "enable_indexscan", "enable_nestloop", "enable_tidscan"};

bool planning_ours() { return !enable_bitmapscan && !enable_hashjoin && !enable_mergejoin && !enable_seqscan; }

// A queue that happened to be empty when statistics were made would look as cheap to scan as to look up in: a plan that
// reads all of it, and is kept while a backlog grows. So every table counts as a large one.
void on_relation_info(PlannerInfo *root, Oid relation, bool inherits, RelOptInfo *info) {
    constexpr double kRows = 1e6;
    constexpr BlockNumber kPages = 20'000;
    if (g_previous_relation_info != nullptr) {
        g_previous_relation_info(root, relation, inherits, info);
    }
    if (inherits || !planning_ours()) {
        return;
    }
    info->tuples = std::max(info->tuples, kRows);
    info->pages = std::max(info->pages, kPages);
    for (int i = 0; i < list_length(info->indexlist); ++i) {
        auto *index = static_cast<IndexOptInfo *>(list_nth(info->indexlist, i));
        index->tuples = std::max(index->tuples, kRows);
        index->pages = std::max<BlockNumber>(index->pages, kPages / 4);
    }
}

} // namespace

int enter_planner_settings() {
    const auto set = [](const char *name, const char *value) {
        set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
    };
    const int level = NewGUCNestLevel();
    for (const char *name : kOff) {
        set(name, "off");
    }
    for (const char *name : kOn) {
        set(name, "on");
    }
    return level;
}

void install_planner_hook() {
    g_previous_relation_info = get_relation_info_hook;
    get_relation_info_hook = on_relation_info;
}

} // namespace hc::pg
