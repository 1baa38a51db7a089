/*
 * Giving up what the daemon does not need, before anything from the network is read.
 */
#pragma once

/*
 * Keeps only the capabilities that ports, XDP and locked memory need, for this thread and those it makes; no new
 * privileges by exec, no core dumps that hold keys. Call before the first thread is made. Without root it keeps what
 * it has. Returns 0 or -errno.
 */
int privilege_reduce(void);
