// What the tests of src/pg share: counted objects and every kind of failure. Test module only, in backends and workers.
#pragma once

#include "pg/function.hpp"

namespace hc::test {

// Lives on frames that an error passes. A jump over it would leave live() above zero.
class Probe {
public:
    Probe() noexcept;
    Probe(const Probe &) noexcept;
    Probe &operator=(const Probe &) = default;
    ~Probe();

private:
    std::string owned_; // long enough to be on the heap, so that ASan sees a second destruction
};

std::int64_t made() noexcept; // since the process started
std::int64_t live() noexcept; // made and not destroyed

// Fails in the way named, below several frames with live objects of all sorts. Kinds:
//   none          returns
//   postgres      ereport with SQLSTATE HCT01, DETAIL, HINT and CONTEXT     builtin   a server function raises 22P02
//   canceled      ereport as a query cancel would                           hc        hc::Error with DETAIL and HINT
//   std           std::runtime_error                                        unknown   throw 42
//   bad_alloc     std::bad_alloc                                            huge      too large for a memory context
//   starved       a memory context that has no memory left                  spi       a function called by SPI raises
//   spi_hc        a function called by SPI throws hc::Error at its boundary
//   second        a PostgreSQL error while one is handled                   second_hc hc::Error while one is handled
//   in_destructor a destructor meets and swallows an error of its own while another one travels
//   sleep         pg_sleep until interrupted                                spin      check_interrupts until
//   interrupted
void fail(const std::string &kind);

void raise_planned(); // the ereport of kind postgres; inside pg::call only

// Holds interrupts while it lives.
class InterruptHold {
public:
    InterruptHold() noexcept { HOLD_INTERRUPTS(); }
    ~InterruptHold() { RESUME_INTERRUPTS(); }
    InterruptHold(const InterruptHold &) = delete;
    InterruptHold &operator=(const InterruptHold &) = delete;
};

// A memory context whose allocations fail.
MemoryContext make_starved_context();

// SQLSTATE of a failure, whatever it came from.
std::string sqlstate_of(const pg::Failure &failure);
std::string message_of(const pg::Failure &failure);

// The test module is not preloaded: it joins the extension's shared memory by the hook that a preloaded one has called.
void join_shared_memory();

} // namespace hc::test
