/* What a zone's status says about those it goes to, and the order to tell them. */
#include "control/ctl_internal.h"
#include "control/onward.h"

static json_t *serial_or_null(bool known, uint32_t serial)
{
	return known ? json_integer(serial) : json_null();
}

static json_t *target(const struct notify_out_info *t)
{
	char address[CONFIG_ADDRESS_TEXT_CAP];

	return json_pack("{s:o, s:s, s:o, s:o, s:b, s:I, s:s}", "name", ctl_text(t->to->name), "address",
			 config_address_text(&t->to->address, address), "told_serial",
			 serial_or_null(t->told, t->told_serial), "acknowledged_serial",
			 serial_or_null(t->acknowledged, t->acknowledged_serial), "waiting", (int)t->waiting,
			 "tries", (json_int_t)t->tries, "error", t->fault);
}

json_t *ctl_zone_targets(const struct ctl *ctl, uint32_t slot)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < onward_target_cnt(ctl->env.onward, slot); i++) {
		struct notify_out_info info;

		onward_target(ctl->env.onward, slot, i, &info);
		if (json_array_append_new(list, target(&info)) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

void ctl_zone_notify(struct ctl_conn *conn, const struct ctl_args *args)
{
	const struct ctl *ctl = conn->ctl;
	int index = ctl_zone_find(conn, args);
	struct zones_info z;

	if (index < 0)
		return;
	zones_info(ctl->env.zones, (unsigned)index, &z);
	if (!z.loaded || z.state == ZONES_EXPIRED) {
		ctl_reply_error(conn, "not-loaded", NULL, "nothing is served of %s", z.name);
		return;
	}
	if (onward_target_cnt(ctl->env.onward, z.slot) == 0) {
		ctl_reply_error(conn, "nothing-to-do", NULL, "nobody is told of %s: it has no `notify`",
				z.name);
		return;
	}
	onward_notify(ctl->env.onward, z.slot);
	ctl_reply(conn, json_pack("{s:[o]}", "zones", ctl_zone_info(ctl, (unsigned)index)));
}
