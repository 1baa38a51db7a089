#include "control/stream_clients.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "control/random.h"

struct client {
	uint64_t address[2]; /* with the family: no IPv4 address is an IPv6 one */
	unsigned cnt;	     /* 0: the place is free */
};

/* Open addressing, never more than half full. */
struct stream_clients {
	pthread_mutex_t lock; /* guards place */
	uint64_t key;	      /* of the hash: a client cannot choose addresses that meet */
	unsigned cnt_max, mask;
	struct client place[];
};

struct stream_clients *stream_clients_new(unsigned cnt_max, unsigned connection_max)
{
	struct stream_clients *s;
	unsigned cnt = 2;

	while (cnt < 2 * connection_max)
		cnt *= 2;
	s = calloc(1, sizeof(*s) + cnt * sizeof(s->place[0]));
	if (s == NULL)
		return NULL;
	pthread_mutex_init(&s->lock, NULL);
	s->key = (uint64_t)random_u32() << 32 | random_u32();
	s->cnt_max = cnt_max;
	s->mask = cnt - 1;
	return s;
}

void stream_clients_free(struct stream_clients *s)
{
	if (s == NULL)
		return;
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static struct client make_client(const union config_sockaddr *a)
{
	struct client c = {.address = {(uint64_t)a->sa.sa_family}};

	if (a->sa.sa_family == AF_INET)
		memcpy(&c.address[1], &a->in4.sin_addr, 4);
	else
		memcpy(&c.address[1], &a->in6.sin6_addr, 8);
	return c;
}

static unsigned home_of(const struct stream_clients *s, const struct client *c)
{
	return (unsigned)XXH3_64bits_withSeed(c->address, sizeof(c->address), s->key) & s->mask;
}

/* The client's place, or the free one where it would be. */
static unsigned find(const struct stream_clients *s, const struct client *c)
{
	unsigned i = home_of(s, c);

	while (s->place[i].cnt > 0 && memcmp(s->place[i].address, c->address, sizeof(c->address)) != 0)
		i = (i + 1) & s->mask;
	return i;
}

bool stream_clients_enter(struct stream_clients *s, const union config_sockaddr *client)
{
	struct client c = make_client(client);
	struct client *place;
	bool may;

	pthread_mutex_lock(&s->lock);
	place = &s->place[find(s, &c)];
	may = place->cnt < s->cnt_max;
	if (may) {
		c.cnt = place->cnt + 1;
		*place = c;
	}
	pthread_mutex_unlock(&s->lock);
	return may;
}

/* Who comes behind a place that has become free, and could stand there, moves up: no search ends too early. */
static void close_gap(struct stream_clients *s, unsigned gap)
{
	for (unsigned i = (gap + 1) & s->mask; s->place[i].cnt > 0; i = (i + 1) & s->mask) {
		unsigned way = (i - home_of(s, &s->place[i])) & s->mask;

		if (way < ((i - gap) & s->mask))
			continue;
		s->place[gap] = s->place[i];
		s->place[i].cnt = 0;
		gap = i;
	}
}

void stream_clients_leave(struct stream_clients *s, const union config_sockaddr *client)
{
	struct client c = make_client(client);
	unsigned i;

	pthread_mutex_lock(&s->lock);
	i = find(s, &c);
	if (--s->place[i].cnt == 0)
		close_gap(s, i);
	pthread_mutex_unlock(&s->lock);
}
