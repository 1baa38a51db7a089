/* Between draft.c and directory.c. */
#pragma once

#include "dataplane/zone/draft.h"

/* Memory of the draft's version. 0: none left. */
uint32_t draft_alloc(struct draft *d, size_t size);

/* The draft no longer needs ref: released when its own, otherwise noted as dead. */
int draft_drop(struct draft *d, uint32_t ref, uint64_t birth);

/*
 * In the slots of the block with this prefix and depth: a in the lower half, b in the upper half (a == b: all). For
 * a != b directory_deepen comes before.
 */
int directory_point(struct draft *d, uint8_t kind, uint64_t prefix, unsigned depth, uint32_t a, uint32_t b);

/* Grows the directory until a block of this depth has two slots at least. -ENOSPC: it is as deep as it gets. */
int directory_deepen(struct draft *d, uint8_t kind, uint64_t prefix, unsigned depth);
