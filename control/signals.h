/*
 * Signals as events of the loop. HUP, INT and TERM are blocked in every thread from the start to the end of the process and
 * read from a descriptor: so no handler runs anywhere, and a second TERM while the daemon stops does not end it half-way.
 */
#pragma once

#include <uv.h>

struct signals;

/* Before the first thread is made: those made later inherit it. Ignores SIGPIPE too. */
void signals_block(void);

/* Calls on_signal on the loop for each signal that came, also before this. Returns 0 or -errno. */
int signals_start(uv_loop_t *loop, void (*on_signal)(void *arg, int signum), void *arg, struct signals **out);

/* What comes from now on is neither told nor does it do anything. Frees s when the loop has closed its handle. NULL: nothing. */
void signals_stop(struct signals *s);
