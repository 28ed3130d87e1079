// Blocks every signal of the calling thread for a scope: curl's resolver threads inherit the mask of their creator, and
// a signal handler of the host must never run on one of them.
// Process: dispatcher.
#pragma once

#include <csignal>
#include <ctime>
#include <pthread.h>

namespace hc::http {

class SignalBlock {
public:
    SignalBlock() noexcept {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
        pipe_was_pending_ = pipe_pending();
    }
    ~SignalBlock() {
        // A broken pipe inside the scope is curl's business and reported by its return codes: the signal is taken away
        // before the mask opens, because its default action ends the process.
        if (!pipe_was_pending_ && pipe_pending()) {
            sigset_t pipe;
            sigemptyset(&pipe);
            sigaddset(&pipe, SIGPIPE);
            const timespec zero{};
            sigtimedwait(&pipe, nullptr, &zero);
        }
        pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }
    SignalBlock(const SignalBlock &) = delete;
    SignalBlock &operator=(const SignalBlock &) = delete;

private:
    static bool pipe_pending() noexcept {
        sigset_t pending;
        return sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
    }

    sigset_t before_;
    bool pipe_was_pending_ = false;
};

} // namespace hc::http
