// See memory.hpp. Runs in every process of the extension.
#include "pg/memory.hpp"

#include "pg/call.hpp"

#include <new>

namespace hc::pg {

namespace {

// palloc aligns to MAXIMUM_ALIGNOF; a larger alignment over-allocates and keeps the block's address before the result.
bool over_aligned(std::size_t alignment) noexcept { return alignment > MAXIMUM_ALIGNOF; }

MemoryContext make_context(const char *name) {
    return call([name] { return AllocSetContextCreateInternal(CurrentMemoryContext, name, ALLOCSET_DEFAULT_SIZES); });
}

} // namespace

void *memory_resource::do_allocate(std::size_t bytes, std::size_t alignment) {
    const std::size_t extra = over_aligned(alignment) ? alignment + sizeof(void *) : 0;
    // a size over the limit raises even with MCXT_ALLOC_NO_OOM, so it is refused before the call
    if (bytes > MaxAllocHugeSize - extra) {
        throw std::bad_alloc();
    }
    void *block = MemoryContextAllocExtended(context_, bytes + extra, MCXT_ALLOC_NO_OOM | MCXT_ALLOC_HUGE);
    if (block == nullptr) {
        throw std::bad_alloc();
    }
    if (extra == 0) {
        return block;
    }
    auto address = reinterpret_cast<std::uintptr_t>(block) + sizeof(void *);
    address = (address + alignment - 1) & ~(static_cast<std::uintptr_t>(alignment) - 1);
    auto *result = reinterpret_cast<void **>(address);
    result[-1] = block;
    return result;
}

void memory_resource::do_deallocate(void *p, std::size_t /*bytes*/, std::size_t alignment) {
    pfree(over_aligned(alignment) ? static_cast<void **>(p)[-1] : p);
}

bool memory_resource::do_is_equal(const boost::container::pmr::memory_resource &other) const noexcept {
    const auto *same = dynamic_cast<const memory_resource *>(&other);
    return same != nullptr && same->context_ == context_;
}

context_scope::context_scope(const char *name)
    : parent_(CurrentMemoryContext), context_(make_context(name)), resource_(context_) {
    MemoryContextSwitchTo(context_);
}

context_scope::~context_scope() {
    // After an error PostgreSQL is already in the error home, and abort deletes the context with its parent.
    if (CurrentMemoryContext == context_) {
        MemoryContextSwitchTo(parent_);
        MemoryContextDelete(context_);
    }
}

} // namespace hc::pg
