/*
 * ThreadSanitizer does not see what liburcu orders: the library is not built for it and uses inline assembly. In
 * such builds these say it: what happened before rcu_before(p) is visible after rcu_after(p), because one of
 * publication, call_rcu or a grace period is between the two. Nothing in other builds.
 */
#pragma once

#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>

static inline void rcu_before(const void *p)
{
	__tsan_release((void *)(uintptr_t)p);
}

static inline void rcu_after(const void *p)
{
	__tsan_acquire((void *)(uintptr_t)p);
}
#else
static inline void rcu_before(const void *p)
{
	(void)p;
}

static inline void rcu_after(const void *p)
{
	(void)p;
}
#endif
