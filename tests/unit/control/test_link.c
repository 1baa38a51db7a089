/* Who gets an answer on a connection that several queries share; the primary is a socket on 127.0.0.1. */
#include "control/link.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "dataplane/dns/protocol.h"
#include "dataplane/dns/wire.h"

#define QUERIES	  3
#define FRAME_LEN (2 + DNS_HEADER_LEN)

struct waiter {
	struct link_request link;
	uint8_t wire[FRAME_LEN];
	unsigned connected, answers, strange, ended;
};

struct world {
	uv_loop_t loop;
	struct config_primary primary;
	struct links *links;
	int listener, conn; /* the primary's */
	uint8_t buf[4096];
	struct waiter waiter[QUERIES];
};

static void on_connected(void *arg)
{
	((struct waiter *)arg)->connected++;
}

static bool on_octets(void *arg, uint8_t *octets, size_t len)
{
	struct waiter *q = arg;

	if (len == DNS_HEADER_LEN && memcmp(octets, q->wire + 2, len) == 0)
		q->answers++;
	else
		q->strange++;
	return true;
}

static void on_ended(void *arg, const char *why)
{
	((struct waiter *)arg)->ended++;
}

static void on_idle(void *arg)
{
}

static void primary_listen(struct world *w)
{
	struct sockaddr_in *a = &w->primary.address.in4;
	socklen_t len = sizeof(*a);

	*a = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	w->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(w->listener >= 0);
	assert_int_equal(bind(w->listener, (struct sockaddr *)a, len), 0);
	assert_int_equal(listen(w->listener, 1), 0);
	assert_int_equal(getsockname(w->listener, (struct sockaddr *)a, &len), 0);
}

static void ask(struct world *w, struct waiter *q, uint16_t id)
{
	wire_store16(q->wire, DNS_HEADER_LEN);
	wire_store16(q->wire + 2, id);
	q->link = (struct link_request){
		.calls = {.connected = on_connected, .octets = on_octets, .ended = on_ended, .arg = q},
		.primary = &w->primary,
		.wire = q->wire,
		.wire_len = sizeof(q->wire),
	};
	assert_int_equal(link_ask(w->links, &q->link), 0);
}

/* All queries have been sent, over one connection, with the ids 1, 2, 3. */
static void begin(struct world *w)
{
	uint8_t octets[QUERIES * FRAME_LEN];

	memset(w, 0, sizeof(*w));
	primary_listen(w);
	uv_loop_init(&w->loop);
	w->links = links_new(&(struct links_env){
		.loop = &w->loop, .buf = w->buf, .buf_cap = sizeof(w->buf), .idle = on_idle});
	assert_non_null(w->links);
	assert_int_equal(links_reserve(w->links, 1), 0);
	links_set_primaries(w->links, &w->primary, 1);
	for (unsigned i = 0; i < QUERIES; i++)
		ask(w, &w->waiter[i], (uint16_t)(i + 1));
	w->conn = accept(w->listener, NULL, NULL);
	assert_true(w->conn >= 0);
	while (w->waiter[QUERIES - 1].connected == 0)
		uv_run(&w->loop, UV_RUN_ONCE);
	assert_int_equal(recv(w->conn, octets, sizeof(octets), MSG_WAITALL), sizeof(octets));
}

static void say(struct world *w, uint16_t id)
{
	uint8_t wire[FRAME_LEN] = {0};

	wire_store16(wire, DNS_HEADER_LEN);
	wire_store16(wire + 2, id);
	assert_int_equal(send(w->conn, wire, sizeof(wire), MSG_NOSIGNAL), sizeof(wire));
}

/* Until it has been told something. */
static void wait_for(struct world *w, const struct waiter *q)
{
	while (q->answers + q->strange + q->ended == 0)
		uv_run(&w->loop, UV_RUN_ONCE);
}

static void end(struct world *w)
{
	for (unsigned i = 0; i < QUERIES; i++)
		link_end(&w->waiter[i].link, true);
	links_stop(w->links);
	while (!links_are_closed(w->links))
		uv_run(&w->loop, UV_RUN_ONCE);
	links_free(w->links);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	close(w->conn);
	close(w->listener);
}

static void a_late_answer_to_a_query_given_up_costs_the_others_nothing(void **state)
{
	static struct world w;

	for (unsigned given_up = 1; given_up < QUERIES; given_up++) {
		begin(&w);
		for (unsigned i = 0; i < given_up; i++)
			link_end(&w.waiter[i].link, false);
		for (uint16_t id = 1; id <= QUERIES; id++)
			say(&w, id);
		wait_for(&w, &w.waiter[QUERIES - 1]);
		for (unsigned i = 0; i < QUERIES; i++) {
			assert_int_equal(w.waiter[i].answers, i >= given_up);
			assert_int_equal(w.waiter[i].strange + w.waiter[i].ended, 0);
		}
		end(&w);
	}
}

static void an_answer_that_nobody_ever_waited_for_ends_the_connection(void **state)
{
	static struct world w;

	begin(&w);
	link_end(&w.waiter[0].link, false);
	say(&w, 1);
	say(&w, 1); /* a second time */
	for (unsigned i = 1; i < QUERIES; i++) {
		wait_for(&w, &w.waiter[i]);
		assert_int_equal(w.waiter[i].ended, 1);
		assert_int_equal(w.waiter[i].answers + w.waiter[i].strange, 0);
	}
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_late_answer_to_a_query_given_up_costs_the_others_nothing),
		cmocka_unit_test(an_answer_that_nobody_ever_waited_for_ends_the_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
