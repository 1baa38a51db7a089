#include "control/datagram.h"

#include <stdlib.h>

#include "dataplane/dns/protocol.h"

/* A socket's life ends after its asker's may have. */
struct datagram {
	struct datagrams *all;
	struct datagram_calls calls;
	bool closed;
	uv_udp_t udp;
};

static void on_closed(uv_handle_t *handle)
{
	struct datagram *d = handle->data;
	struct datagrams *all = d->all;

	free(d);
	if (--all->live == 0 && all->idle != NULL)
		all->idle(all->arg);
}

void datagram_close(struct datagram *d)
{
	if (d == NULL || d->closed)
		return;
	d->closed = true;
	uv_close((uv_handle_t *)&d->udp, on_closed);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct datagram *d = handle->data;

	buf->base = (char *)d->all->buf;
	buf->len = DNS_MSG_MAX;
}

static void on_recv(uv_udp_t *udp, ssize_t len, const uv_buf_t *buf, const struct sockaddr *from,
		    unsigned flags)
{
	struct datagram *d = udp->data;

	if (d->closed || (len == 0 && from == NULL))
		return;
	if (len >= 0)
		d->calls.received(d->calls.arg, (uint8_t *)buf->base, (size_t)len);
	else
		d->calls.failed(d->calls.arg, (int)len);
}

static int open_and_send(struct datagram *d, const struct config_primary *p, const uint8_t *msg, size_t len)
{
	uv_buf_t buf = uv_buf_init((char *)msg, (unsigned)len);
	int ret = 0;

	if (p->source.sa.sa_family != AF_UNSPEC)
		ret = uv_udp_bind(&d->udp, &p->source.sa, 0);
	if (ret == 0)
		ret = uv_udp_connect(&d->udp, &p->address.sa);
	if (ret == 0)
		ret = uv_udp_recv_start(&d->udp, on_alloc, on_recv);
	if (ret == 0)
		ret = uv_udp_try_send(&d->udp, &buf, 1, NULL);
	return ret < 0 ? ret : 0;
}

int datagram_send(struct datagrams *all, const struct config_primary *primary, const uint8_t *msg, size_t len,
		  const struct datagram_calls *calls, struct datagram **out)
{
	struct datagram *d = calloc(1, sizeof(*d));
	int ret;

	if (d == NULL)
		return UV_ENOMEM;
	d->all = all;
	d->calls = *calls;
	ret = uv_udp_init_ex(all->loop, &d->udp, primary->address.sa.sa_family);
	if (ret < 0) {
		free(d);
		return ret;
	}
	d->udp.data = d;
	all->live++;
	ret = open_and_send(d, primary, msg, len);
	if (ret < 0) {
		datagram_close(d);
		return ret;
	}
	*out = d;
	return 0;
}
