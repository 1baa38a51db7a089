/* A B+tree of slotted pages. Reading it is hot path; changing it is the builder's. Contracts in the header. */
#include "dataplane/zone/order.h"
#include "dataplane/zone/draft_internal.h"

#include <errno.h>

#define PAGE_MIN  512u
#define PAGE_MAX  4096u
#define ITEM_HEAD 6u /* u32 reference (0 in leaves), u16 length of the key */

size_t order_key(const uint8_t *rel, size_t len, uint8_t out[ORDER_KEY_MAX])
{
	uint8_t at[NAME_LABELS_MAX];
	unsigned cnt = 0;
	size_t n = 0;

	for (size_t i = 0; i < len; i += 1u + rel[i])
		at[cnt++] = (uint8_t)i;
	while (cnt-- > 0) {
		const uint8_t *label = rel + at[cnt];

		for (unsigned i = 1; i <= *label; i++) {
			if (label[i] <= 1)
				out[n++] = 1;
			out[n++] = (uint8_t)(label[i] + (label[i] <= 1));
		}
		out[n++] = 0;
	}
	return n;
}

size_t order_name(const uint8_t *key, size_t len, uint8_t out[NAME_LEN_MAX])
{
	uint8_t buf[NAME_LEN_MAX + 1];
	size_t start = sizeof(buf);

	for (size_t i = 0; i < len; i++) {
		uint8_t label[NAME_LABEL_MAX];
		uint8_t n = 0;

		for (; key[i] != 0; i++)
			label[n++] = key[i] == 1 ? (uint8_t)(key[++i] - 1) : key[i];
		start -= n;
		memcpy(buf + start, label, n);
		buf[--start] = n;
	}
	memcpy(out, buf + start, sizeof(buf) - start);
	return sizeof(buf) - start;
}

static uint8_t *item(const struct order_node *n, unsigned i)
{
	return (uint8_t *)(uintptr_t)n + n->off[i];
}

static uint32_t item_ref(const struct order_node *n, unsigned i)
{
	return set_get32(item(n, i));
}

static void item_set_ref(struct order_node *n, unsigned i, uint32_t ref)
{
	memcpy(item(n, i), &ref, sizeof(ref));
}

static size_t item_len(const struct order_node *n, unsigned i)
{
	return set_get16(item(n, i) + 4);
}

static const uint8_t *item_key(const struct order_node *n, unsigned i)
{
	return item(n, i) + ITEM_HEAD;
}

static int compare_key(const struct order_node *n, unsigned i, const uint8_t *key, size_t len)
{
	size_t mine = item_len(n, i);
	int d = memcmp(item_key(n, i), key, mine < len ? mine : len);

	return d != 0 ? d : (mine > len) - (mine < len);
}

/* How many items are not above key. */
static unsigned count_upto(const struct order_node *n, const uint8_t *key, size_t len)
{
	unsigned lo = 0, hi = n->cnt;

	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;

		if (compare_key(n, mid, key, len) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* The last leaf item below ref. Pages other than the root are never empty. */
static bool last_of(uint8_t *base, uint32_t ref, const uint8_t **out_key, size_t *out_len)
{
	const struct order_node *n = arena_at(base, ref);

	while (n->level > 0)
		n = arena_at(base, item_ref(n, n->cnt - 1u));
	if (n->cnt == 0)
		return false;
	*out_key = item_key(n, n->cnt - 1u);
	*out_len = item_len(n, n->cnt - 1u);
	return true;
}

bool order_before(uint8_t *base, uint32_t root, const uint8_t *key, size_t len, const uint8_t **out_key,
		  size_t *out_len)
{
	const struct order_node *n;
	uint32_t left = 0; /* the subtree just before the one we are in */
	unsigned upto;

	if (root == 0)
		return false;
	n = arena_at(base, root);
	for (;;) {
		upto = count_upto(n, key, len);
		if (n->level == 0)
			break;
		if (upto > 1)
			left = item_ref(n, upto - 2);
		n = arena_at(base, item_ref(n, upto == 0 ? 0 : upto - 1));
	}
	if (upto == 0)
		return last_of(base, left != 0 ? left : root, out_key, out_len);
	*out_key = item_key(n, upto - 1);
	*out_len = item_len(n, upto - 1);
	return true;
}

static uint32_t page_new(struct draft *d, unsigned level, size_t cap)
{
	uint32_t ref = draft_alloc(d, cap);
	struct order_node *n;

	if (ref == 0)
		return 0;
	n = arena_at(d->base, ref);
	*n = (struct order_node){
		.birth = d->version, .level = (uint16_t)level, .cap = (uint16_t)cap, .tail = (uint16_t)cap};
	return ref;
}

/* There is room: the caller has looked. */
static void page_put(struct order_node *n, unsigned at, uint32_t ref, const uint8_t *key, size_t len)
{
	uint16_t len16 = (uint16_t)len;

	n->tail -= (uint16_t)(ITEM_HEAD + len);
	memmove(n->off + at + 1, n->off + at, (n->cnt - at) * sizeof(n->off[0]));
	n->off[at] = n->tail;
	n->cnt++;
	item_set_ref(n, at, ref);
	memcpy(item(n, at) + 4, &len16, sizeof(len16));
	memcpy(item(n, at) + ITEM_HEAD, key, len);
}

static void page_copy(struct order_node *dst, const struct order_node *src, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		page_put(dst, dst->cnt, item_ref(src, i), item_key(src, i), item_len(src, i));
}

static size_t page_need(const struct order_node *n, unsigned from, unsigned to)
{
	size_t need = sizeof(*n);

	for (unsigned i = from; i < to; i++)
		need += 2 + ITEM_HEAD + item_len(n, i);
	return need;
}

/* A copy of *ref in the draft's version with cap octets, in its place. */
static int page_rewrite(struct draft *d, uint32_t *ref, size_t cap)
{
	struct order_node *old = arena_at(d->base, *ref);
	uint32_t next = page_new(d, old->level, cap);

	if (next == 0)
		return -ENOMEM;
	page_copy(arena_at(d->base, next), old, 0, old->cnt);
	if (draft_drop(d, *ref, old->birth) < 0) {
		arena_release(d->arena, next);
		return -ENOMEM;
	}
	*ref = next;
	return 0;
}

/* The way from the root to a leaf, all pages on it the draft's own. */
struct path {
	uint32_t ref[ORDER_LEVEL_MAX];
	unsigned at[ORDER_LEVEL_MAX]; /* which item led on */
	unsigned len;
};

static struct order_node *page(const struct draft *d, uint32_t ref)
{
	return arena_at(d->base, ref);
}

/* The page at depth i of the path has moved to ref. */
static void path_moved(struct draft *d, struct path *p, unsigned i, uint32_t ref)
{
	p->ref[i] = ref;
	if (i == 0)
		d->order_root = ref;
	else
		item_set_ref(page(d, p->ref[i - 1]), p->at[i - 1], ref);
}

static int path_open(struct draft *d, struct path *p, const uint8_t *key, size_t len)
{
	uint32_t ref = d->order_root;

	for (p->len = 0;;) {
		unsigned i = p->len++;
		struct order_node *n = page(d, ref);
		unsigned upto;

		if (n->birth != d->version && page_rewrite(d, &ref, n->cap) < 0)
			return -ENOMEM;
		path_moved(d, p, i, ref);
		n = page(d, ref);
		if (n->level == 0)
			return 0;
		upto = count_upto(n, key, len);
		p->at[i] = upto == 0 ? 0 : upto - 1;
		ref = item_ref(n, p->at[i]);
	}
}

static bool page_fits(const struct order_node *n, size_t len)
{
	return sizeof(*n) + (n->cnt + 1u) * 2 + ITEM_HEAD + len <= n->tail;
}

/* Splits the full page at depth i; the new item goes to `at`. Sets where it goes now. */
static int page_split(struct draft *d, struct path *p, unsigned i, unsigned *at, uint32_t *out_ref,
		      uint32_t *out_right)
{
	struct order_node *n = page(d, p->ref[i]);
	/* Names mostly arrive in order: then the left page stays full. */
	unsigned half = *at == n->cnt ? n->cnt : n->cnt / 2u;
	uint32_t right = page_new(d, n->level, PAGE_MAX);
	uint32_t left = p->ref[i];

	if (right == 0)
		return -ENOMEM;
	page_copy(page(d, right), n, half, n->cnt);
	if (half < n->cnt) {
		n->cnt = (uint16_t)half;
		if (page_rewrite(d, &left, PAGE_MAX) < 0) {
			arena_release(d->arena, right);
			return -ENOMEM;
		}
		path_moved(d, p, i, left);
	}
	*out_right = right;
	*out_ref = *at >= half ? right : left;
	*at -= *at >= half ? half : 0;
	return 0;
}

static int root_add(struct draft *d, uint32_t left, uint32_t right)
{
	uint32_t root = page_new(d, page(d, left)->level + 1u, PAGE_MIN * 2);

	if (root == 0)
		return -ENOMEM;
	page_put(page(d, root), 0, left, (const uint8_t *)"", 0);
	page_put(page(d, root), 1, right, item_key(page(d, right), 0), item_len(page(d, right), 0));
	d->order_root = root;
	return 0;
}

/* Puts an item into the page at depth i, and what a split makes of it into those above. */
static int path_put(struct draft *d, struct path *p, uint32_t ref, const uint8_t *key, size_t len)
{
	uint8_t copy[ORDER_KEY_MAX];

	for (unsigned i = p->len - 1;; i--) {
		struct order_node *n = page(d, p->ref[i]);
		unsigned at = count_upto(n, key, len);
		uint32_t to = p->ref[i], right = 0;
		size_t need = page_need(n, 0, n->cnt) + 2 + ITEM_HEAD + len;

		if (!page_fits(n, len)) {
			int rc;

			if (need <= PAGE_MAX) {
				size_t cap = n->cap;

				while (cap < need)
					cap *= 2;
				rc = page_rewrite(d, &to, cap);
				if (rc == 0)
					path_moved(d, p, i, to);
			} else {
				rc = page_split(d, p, i, &at, &to, &right);
			}
			if (rc < 0)
				return rc;
		}
		page_put(page(d, to), at, ref, key, len);
		if (right == 0)
			return 0;
		if (i == 0)
			return root_add(d, p->ref[0], right);
		len = item_len(page(d, right), 0);
		memcpy(copy, item_key(page(d, right), 0), len);
		key = copy;
		ref = right;
	}
}

int order_add(struct draft *d, const uint8_t *key, size_t len)
{
	struct path p;

	if (d->order_root == 0)
		d->order_root = page_new(d, 0, PAGE_MIN);
	if (d->order_root == 0 || path_open(d, &p, key, len) < 0)
		return -ENOMEM;
	return path_put(d, &p, 0, key, len);
}

static void page_remove(struct order_node *n, unsigned at)
{
	n->cnt--;
	memmove(n->off + at, n->off + at + 1, (n->cnt - at) * sizeof(n->off[0]));
}

int order_del(struct draft *d, const uint8_t *key, size_t len)
{
	struct path p;
	unsigned i;

	if (path_open(d, &p, key, len) < 0)
		return -ENOMEM;
	i = p.len - 1;
	page_remove(page(d, p.ref[i]), count_upto(page(d, p.ref[i]), key, len) - 1u);
	for (; i > 0 && page(d, p.ref[i])->cnt == 0; i--) {
		draft_drop(d, p.ref[i], d->version);
		page_remove(page(d, p.ref[i - 1]), p.at[i - 1]);
	}
	/* A root with one child is no use; an empty one is no tree. */
	while (d->order_root != 0) {
		struct order_node *root = page(d, d->order_root);
		uint32_t next;

		if (root->cnt > 1 || (root->cnt == 1 && root->level == 0) || root->birth != d->version)
			break;
		next = root->cnt == 0 ? 0 : item_ref(root, 0);
		draft_drop(d, d->order_root, d->version);
		d->order_root = next;
	}
	return 0;
}

void order_visit_younger(uint8_t *base, uint32_t root, uint64_t after, tree_visit_fn fn, void *arg)
{
	struct {
		uint32_t ref;
		unsigned next;
	} way[ORDER_LEVEL_MAX];
	unsigned depth = 0;

	if (root == 0 || ((const struct order_node *)arena_at(base, root))->birth <= after)
		return;
	way[0].ref = root;
	way[0].next = 0;
	for (;;) {
		const struct order_node *n = arena_at(base, way[depth].ref);

		if (n->level > 0 && way[depth].next < n->cnt) {
			uint32_t child = item_ref(n, way[depth].next++);

			if (((const struct order_node *)arena_at(base, child))->birth > after) {
				depth++;
				way[depth].ref = child;
				way[depth].next = 0;
			}
			continue;
		}
		fn(arg, way[depth].ref);
		if (depth-- == 0)
			return;
	}
}
