// Containers over memory contexts. Runs in backends.
#include "failures.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <new>

using namespace hc;

namespace {

struct alignas(64) Wide {
    char bytes[64];
};

bool aligned(const void *p, std::size_t alignment) { return reinterpret_cast<std::uintptr_t>(p) % alignment == 0; }

template <class F>
bool refused(F allocate) {
    try {
        allocate();
    } catch (const std::bad_alloc &) {
        return true;
    }
    return false;
}

// Blocks of many sizes at one alignment, all written to their end and given back.
bool holds_at(pg::memory_resource &resource, std::size_t alignment) {
    struct Block {
        char *p;
        std::size_t size;
    };
    std::vector<Block> blocks;
    bool good = true;
    for (std::size_t size = 0; size < 20000; size = size * 2 + 1) {
        auto *p = static_cast<char *>(resource.allocate(size, alignment));
        good = good && aligned(p, alignment);
        std::memset(p, static_cast<int>(size % 251), size);
        blocks.push_back({p, size});
    }
    for (const Block &block : blocks) {
        good = good && std::all_of(block.p, block.p + block.size,
                                   [&](char c) { return c == static_cast<char>(block.size % 251); });
        resource.deallocate(block.p, block.size, alignment);
    }
    return good;
}

std::int32_t count_contexts(const char *name) {
    std::int32_t found = 0;
    MemoryContext context = TopMemoryContext; // depth first, without a stack of its own
    while (context != nullptr) {
        found += std::strcmp(context->name, name) == 0 ? 1 : 0;
        if (context->firstchild != nullptr) {
            context = context->firstchild;
            continue;
        }
        while (context != nullptr && context->nextchild == nullptr) {
            context = context->parent;
        }
        context = context != nullptr ? context->nextchild : nullptr;
    }
    return found;
}

} // namespace

HC_FUNCTION(hc_test_alignment) {
    const auto alignment = static_cast<std::size_t>(args.integer(0, "alignment"));
    pg::context_scope memory("hermes boundary test");
    return pg::make_bool(holds_at(*memory.resource(), alignment));
}

HC_FUNCTION(hc_test_wide_vector) {
    pg::context_scope memory("hermes boundary test");
    pg::vector<Wide> values(memory.resource());
    bool good = true;
    for (int i = 0; i < 1000; ++i) {
        values.push_back(Wide{});
        good = good && aligned(values.data(), alignof(Wide));
    }
    return pg::make_bool(good);
}

// Sizes that a context would raise for, or that overflow when room for an alignment is added.
HC_FUNCTION(hc_test_refused_sizes) {
    pg::memory_resource resource(CurrentMemoryContext);
    std::string accepted;
    for (const std::size_t size : {std::size_t(MaxAllocHugeSize) + 1, SIZE_MAX - 7, SIZE_MAX}) {
        for (const std::size_t alignment : {8, 16, 4096}) {
            if (!refused([&] { resource.allocate(size, alignment); })) {
                accepted += fmt::format(" {}/{}", size, alignment);
            }
        }
    }
    return pg::make_text(accepted.empty() ? "all refused" : "accepted:" + accepted);
}

// Above MaxAllocSize (1 GB less a byte) a plain palloc refuses; a container may have it. Never touched, so it costs no
// memory.
HC_FUNCTION(hc_test_large_size) {
    pg::context_scope memory("hermes boundary test");
    constexpr std::size_t kSize = std::size_t(MaxAllocSize) + 4096;
    void *p = memory.resource()->allocate(kSize, 8);
    memory.resource()->deallocate(p, kSize, 8);
    return pg::make_bool(p != nullptr);
}

HC_FUNCTION(hc_test_starved_container) {
    pg::memory_resource resource(test::make_starved_context());
    const test::Probe probe;
    return pg::make_bool(refused([&] {
        pg::vector<test::Probe> probes(&resource);
        probes.resize(10);
    }));
}

HC_FUNCTION(hc_test_equality) {
    pg::context_scope first("hermes boundary test");
    pg::context_scope second("hermes boundary test");
    const pg::memory_resource same(first.context());
    const boost::container::pmr::memory_resource &heap = *boost::container::pmr::new_delete_resource();
    return pg::make_bool(first.resource()->is_equal(same) && !first.resource()->is_equal(*second.resource()) &&
                         !first.resource()->is_equal(heap));
}

// Between equal resources a container's memory moves; between different ones its elements do.
HC_FUNCTION(hc_test_moves) {
    pg::context_scope first("hermes boundary test");
    pg::context_scope second("hermes boundary test");
    pg::memory_resource same(first.context());
    pg::vector<test::Probe> source(100, first.resource());
    const test::Probe *data = source.data();
    pg::vector<test::Probe> taken(std::move(source), &same);
    pg::vector<test::Probe> copied(std::move(taken), second.resource());
    return pg::make_bool(taken.size() <= 100 && copied.size() == 100 && data != copied.data());
}

// A container in a scope, the scope's context gone afterwards. The count of contexts tells of one left behind.
HC_FUNCTION(hc_test_container) {
    const std::string kind = args.text(0, "kind");
    pg::context_scope memory("hermes boundary container");
    pg::vector<test::Probe> probes(50, memory.resource());
    pg::vector<char> letters(100000, 'x', memory.resource());
    {
        pg::context_scope inner("hermes boundary container");
        pg::vector<pg::vector<test::Probe>> nested(3, inner.resource());
        for (auto &probes_inside : nested) {
            probes_inside.resize(7);
        }
        test::fail(kind);
    }
    const bool gone = count_contexts("hermes boundary container") == 1;
    return pg::make_bool(gone && CurrentMemoryContext == memory.context() && letters.size() == 100000);
}

HC_FUNCTION(hc_test_contexts_named) {
    const std::string name = args.text(0, "name");
    return pg::make_int32(count_contexts(name.c_str()));
}
