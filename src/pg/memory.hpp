// PostgreSQL memory contexts for C++ containers.
//
// A container over a context lives on the C++ stack inside a context_scope that owns a private context, so it dies
// before its memory. If a longjmp ever skips its destructor, the context still frees the memory with the statement.
// Never: such a container in a static, as a member of a longer-lived object, or over a commit.
#pragma once

#include "pg/postgres.hpp"

namespace hc::pg {

// boost::container::pmr resource over a MemoryContext. Out of memory is std::bad_alloc, never a PostgreSQL error.
class memory_resource final : public boost::container::pmr::memory_resource {
public:
    explicit memory_resource(MemoryContext context) noexcept : context_(context) {}

private:
    void *do_allocate(std::size_t bytes, std::size_t alignment) override;
    void do_deallocate(void *p, std::size_t bytes, std::size_t alignment) override;
    bool do_is_equal(const boost::container::pmr::memory_resource &other) const noexcept override;

    MemoryContext context_;
};

// A private child of the current context, current while the scope lives, deleted with it.
class context_scope {
public:
    explicit context_scope(const char *name); // name: a string literal
    ~context_scope();
    context_scope(const context_scope &) = delete;
    context_scope &operator=(const context_scope &) = delete;

    MemoryContext context() const noexcept { return context_; }
    memory_resource *resource() noexcept { return &resource_; }

private:
    MemoryContext parent_;
    MemoryContext context_;
    memory_resource resource_;
};

template <class T>
using vector = boost::container::pmr::vector<T>;

} // namespace hc::pg
