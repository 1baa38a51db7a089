/*
 * The life of a zone as rows of (state, event) -> (state, actions), and scenarios where several steps make the point.
 * random is 0 unless a row says otherwise, so that timers come out without jitter.
 */
#include "control/secondary.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

/* Rows leave out what they do not look at. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define NOW   INT64_C(1000000000)
#define NEVER INT64_MAX

/* refresh 1 h, retry 10 min, expire 1 day */
#define REFRESH_MS 3600000
#define RETRY_MS   600000
#define EXPIRE_MS  86400000

static const struct secondary_caps no_caps;
static const struct secondary_timers timers = {.refresh = 3600, .retry = 600, .expire = 86400};

enum { NONE = SECONDARY_NO_CONTENT, SERVED = SECONDARY_SERVED, EXPIRED = SECONDARY_EXPIRED };
enum {
	IDLE = SECONDARY_IDLE,
	QUERYING = SECONDARY_QUERYING,
	TRANSFERRING = SECONDARY_TRANSFERRING,
	CHECKING = SECONDARY_CHECKING,
};

#define QUERY	     SECONDARY_QUERY
#define TRANSFER     SECONDARY_TRANSFER
#define PUBLISH	     SECONDARY_PUBLISH
#define DISCARD	     SECONDARY_DISCARD
#define WITHDRAW     SECONDARY_WITHDRAW
#define REPUBLISH    SECONDARY_REPUBLISH
#define OK	     SECONDARY_ROUND_OK
#define FAILED	     SECONDARY_ROUND_FAILED
#define LOWER	     SECONDARY_NOTE_LOWER
#define INCOMPARABLE SECONDARY_NOTE_INCOMPARABLE
#define CURRENT	     SECONDARY_NOTE_CURRENT
#define DEFERRED     SECONDARY_NOTE_DEFERRED
#define AHEAD	     SECONDARY_NOTE_AHEAD
#define FORGOTTEN    SECONDARY_NOTE_FORGOTTEN
#define ODD	     SECONDARY_NOTE_TIMERS_ODD
#define CHECK	     SECONDARY_CHECK
#define HOLD	     SECONDARY_HOLD
#define PUBLISH_HELD SECONDARY_PUBLISH_HELD
#define DROP_HELD    SECONDARY_DROP_HELD
#define PUBLISH_KEPT SECONDARY_PUBLISH_KEPT
#define CANCEL	     SECONDARY_CANCEL

/* Expire counts from "an hour ago" in every given state, so that a renewal shows. */
#define OLD_EXPIRE (NOW - 3600000 + EXPIRE_MS)
#define NEW_EXPIRE (NOW + EXPIRE_MS)

struct row {
	const char *claim;
	struct {
		int content;
		int activity;
		uint32_t serial;
		uint16_t primaries; /* 0: one */
		uint16_t step;
		bool forced;
		bool equal; /* round_equal */
		bool newer; /* round_newer */
		bool whole;
		uint32_t barred; /* 0: none */
		bool held;
	} given;
	struct secondary_event event;
	struct {
		uint32_t what;
		int content;
		int activity;
		uint32_t serial;
		uint16_t primary;  /* with QUERY, TRANSFER */
		int64_t check_in;  /* 0: not scheduled (a round runs) */
		int64_t expire_at; /* 0: not looked at */
	} expect;
};

#define EV_AT(k, at, ...)                                            \
	{                                                            \
		.kind = SECONDARY_EV_##k, .now = (at), ##__VA_ARGS__ \
	}
#define EV(k, ...) EV_AT(k, NOW, ##__VA_ARGS__)

static const struct row rows[] = {
	/* bootstrap */
	{"a_zone_without_content_transfers_at_once", {NONE, IDLE}, EV(START), {TRANSFER, NONE, TRANSFERRING}},
	{"the_first_version_is_published_whatever_its_serial",
	 {NONE, TRANSFERRING},
	 EV(RECEIVED, .serial = 0, .timers = timers),
	 {PUBLISH | OK, SERVED, IDLE, 0, 0, REFRESH_MS, NEW_EXPIRE}},
	{"a_failed_bootstrap_backs_off",
	 {NONE, TRANSFERRING},
	 EV(NOT_RECEIVED),
	 {FAILED, NONE, IDLE, 0, 0, 5000}},
	{"a_failed_bootstrap_asks_the_next_primary_first",
	 {NONE, TRANSFERRING, 0, 2},
	 EV(NOT_RECEIVED),
	 {TRANSFER, NONE, TRANSFERRING, 0, 1}},
	{"up_to_date_means_nothing_to_a_zone_without_content",
	 {NONE, TRANSFERRING},
	 EV(UP_TO_DATE),
	 {FAILED, NONE, IDLE, 0, 0, 5000}},

	/* refresh */
	{"the_refresh_timer_asks_for_the_soa",
	 {SERVED, IDLE, 5},
	 EV(TIMER),
	 {QUERY, SERVED, QUERYING, 5, 0, 0, OLD_EXPIRE}},
	{"a_newer_serial_is_transferred_from_who_has_it",
	 {SERVED, QUERYING, 5, 3, 1},
	 EV(ANSWER, .serial = 6),
	 {TRANSFER, SERVED, TRANSFERRING, 5, 1, 0, OLD_EXPIRE}},
	{"an_equal_serial_renews_refresh_and_expire",
	 {SERVED, QUERYING, 5},
	 EV(ANSWER, .serial = 5),
	 {OK, SERVED, IDLE, 5, 0, REFRESH_MS, NEW_EXPIRE}},
	{"a_lower_serial_is_kept_and_renews_refresh_but_not_expire",
	 {SERVED, QUERYING, 5},
	 EV(ANSWER, .serial = 4),
	 {OK | LOWER, SERVED, IDLE, 5, 0, REFRESH_MS, OLD_EXPIRE}},
	{"after_a_lower_serial_the_next_primary_is_asked",
	 {SERVED, QUERYING, 5, 2},
	 EV(ANSWER, .serial = 4),
	 {QUERY | LOWER, SERVED, QUERYING, 5, 1, 0, OLD_EXPIRE}},
	{"no_answer_retries_by_the_retry_timer",
	 {SERVED, QUERYING, 5},
	 EV(NO_ANSWER),
	 {FAILED, SERVED, IDLE, 5, 0, RETRY_MS, OLD_EXPIRE}},
	{"no_answer_asks_the_next_primary",
	 {SERVED, QUERYING, 5, 2},
	 EV(NO_ANSWER),
	 {QUERY, SERVED, QUERYING, 5, 1, 0, OLD_EXPIRE}},
	{"no_answer_after_an_equal_serial_is_a_success",
	 {SERVED, QUERYING, 5, 2, 1, .equal = true},
	 EV(NO_ANSWER),
	 {OK, SERVED, IDLE, 5, 0, REFRESH_MS}},

	/* serial arithmetic, RFC 1982: ours 0 */
	{"serial_0_against_0_is_equal",
	 {SERVED, QUERYING, 0},
	 EV(ANSWER, .serial = 0),
	 {OK, SERVED, IDLE, 0, 0, REFRESH_MS, NEW_EXPIRE}},
	{"serial_1_against_0_is_newer",
	 {SERVED, QUERYING, 0},
	 EV(ANSWER, .serial = 1),
	 {TRANSFER, SERVED, TRANSFERRING, 0}},
	{"serial_2_31_less_1_against_0_is_newer",
	 {SERVED, QUERYING, 0},
	 EV(ANSWER, .serial = 0x7FFFFFFF),
	 {TRANSFER, SERVED, TRANSFERRING, 0}},
	{"serial_2_31_against_0_is_not_newer",
	 {SERVED, QUERYING, 0},
	 EV(ANSWER, .serial = 0x80000000),
	 {OK | INCOMPARABLE, SERVED, IDLE, 0, 0, REFRESH_MS, OLD_EXPIRE}},
	{"serial_2_31_plus_1_against_0_is_lower",
	 {SERVED, QUERYING, 0},
	 EV(ANSWER, .serial = 0x80000001),
	 {OK | LOWER, SERVED, IDLE, 0, 0, REFRESH_MS, OLD_EXPIRE}},
	{"serial_2_32_less_1_against_0_is_lower",
	 {SERVED, QUERYING, 0},
	 EV(ANSWER, .serial = 0xFFFFFFFF),
	 {OK | LOWER, SERVED, IDLE, 0, 0, REFRESH_MS, OLD_EXPIRE}},
	{"serial_0_against_2_32_less_1_is_newer",
	 {SERVED, QUERYING, 0xFFFFFFFF},
	 EV(ANSWER, .serial = 0),
	 {TRANSFER, SERVED, TRANSFERRING, 0xFFFFFFFF}},
	{"serial_1_against_2_31_is_not_newer_and_lower",
	 {SERVED, QUERYING, 0x80000000},
	 EV(ANSWER, .serial = 1),
	 {OK | LOWER, SERVED, IDLE, 0x80000000, 0, REFRESH_MS, OLD_EXPIRE}},
	{"serial_0_against_2_31_is_incomparable",
	 {SERVED, QUERYING, 0x80000000},
	 EV(ANSWER, .serial = 0),
	 {OK | INCOMPARABLE, SERVED, IDLE, 0x80000000, 0, REFRESH_MS, OLD_EXPIRE}},
	{"serial_2_31_against_1_is_newer",
	 {SERVED, QUERYING, 1},
	 EV(ANSWER, .serial = 0x80000000),
	 {TRANSFER, SERVED, TRANSFERRING, 1}},

	/* transfer */
	{"a_received_newer_version_is_published",
	 {SERVED, TRANSFERRING, 5},
	 EV(RECEIVED, .serial = 6, .timers = timers),
	 {PUBLISH | OK, SERVED, IDLE, 6, 0, REFRESH_MS, NEW_EXPIRE}},
	{"a_received_equal_version_is_discarded_and_counts_as_contact",
	 {SERVED, TRANSFERRING, 5},
	 EV(RECEIVED, .serial = 5, .timers = timers),
	 {DISCARD | OK, SERVED, IDLE, 5, 0, REFRESH_MS, NEW_EXPIRE}},
	{"a_received_lower_version_is_discarded",
	 {SERVED, TRANSFERRING, 5},
	 EV(RECEIVED, .serial = 4, .timers = timers),
	 {DISCARD | OK | LOWER, SERVED, IDLE, 5, 0, REFRESH_MS, OLD_EXPIRE}},
	{"a_received_incomparable_version_is_discarded",
	 {SERVED, TRANSFERRING, 5},
	 EV(RECEIVED, .serial = 0x80000005, .timers = timers),
	 {DISCARD | OK | INCOMPARABLE, SERVED, IDLE, 5, 0, REFRESH_MS, OLD_EXPIRE}},
	{"a_failed_transfer_changes_nothing_and_retries",
	 {SERVED, TRANSFERRING, 5},
	 EV(NOT_RECEIVED),
	 {FAILED, SERVED, IDLE, 5, 0, RETRY_MS, OLD_EXPIRE}},
	{"a_failed_transfer_asks_the_next_primary_for_its_serial",
	 {SERVED, TRANSFERRING, 5, 2},
	 EV(NOT_RECEIVED),
	 {QUERY, SERVED, QUERYING, 5, 1, 0, OLD_EXPIRE}},
	{"an_equal_serial_elsewhere_does_not_excuse_a_failed_transfer",
	 {SERVED, QUERYING, 5, 2, 1, .newer = true},
	 EV(ANSWER, .serial = 5),
	 {FAILED, SERVED, IDLE, 5, 0, RETRY_MS, NEW_EXPIRE}},
	{"up_to_date_renews_refresh_and_expire",
	 {SERVED, TRANSFERRING, 5},
	 EV(UP_TO_DATE, .serial = 5),
	 {OK, SERVED, IDLE, 5, 0, REFRESH_MS, NEW_EXPIRE}},
	{"up_to_date_with_a_lower_serial_renews_refresh_but_not_expire",
	 {SERVED, TRANSFERRING, 5},
	 EV(UP_TO_DATE, .serial = 4),
	 {OK | LOWER, SERVED, IDLE, 5, 0, REFRESH_MS, OLD_EXPIRE}},
	{"up_to_date_with_a_lower_serial_makes_an_expired_zone_ask_for_all_of_it",
	 {EXPIRED, TRANSFERRING, 5},
	 EV(UP_TO_DATE, .serial = 4),
	 {TRANSFER, EXPIRED, TRANSFERRING, 5}},
	{"a_failed_ixfr_is_followed_by_axfr_from_the_same_primary",
	 {SERVED, TRANSFERRING, 5, 2},
	 EV(NOT_RECEIVED, .fall_back = true),
	 {TRANSFER, SERVED, TRANSFERRING, 5, 0, 0, OLD_EXPIRE}},
	{"a_failed_fallback_asks_the_next_primary",
	 {SERVED, TRANSFERRING, 5, 2, .whole = true},
	 EV(NOT_RECEIVED, .fall_back = true),
	 {QUERY, SERVED, QUERYING, 5, 1, 0, OLD_EXPIRE}},
	{"a_failed_fallback_of_the_last_primary_ends_the_round",
	 {SERVED, TRANSFERRING, 5, .whole = true},
	 EV(NOT_RECEIVED, .fall_back = true),
	 {FAILED, SERVED, IDLE, 5, 0, RETRY_MS, OLD_EXPIRE}},
	{"soa_timers_that_contradict_each_other_are_told",
	 {SERVED, TRANSFERRING, 5},
	 EV(RECEIVED, .serial = 6, .timers = {.refresh = 3600, .retry = 3600, .expire = 86400}),
	 {PUBLISH | OK | ODD, SERVED, IDLE, 6, 0, REFRESH_MS, NEW_EXPIRE}},
	{"a_refresh_longer_than_expire_does_not_take_the_zone_down_by_itself",
	 {SERVED, TRANSFERRING, 5},
	 EV(RECEIVED, .serial = 6, .timers = {.refresh = 3600, .retry = 600, .expire = 1000}),
	 {PUBLISH | OK | ODD, SERVED, IDLE, 6, 0, 500000, NOW + 1000000}},
	{"timers_of_zero_are_a_second",
	 {SERVED, TRANSFERRING, 5},
	 EV(RECEIVED, .serial = 6),
	 {PUBLISH | OK | ODD, SERVED, IDLE, 6, 0, 500, NOW + 1000}},
	{"timers_of_2_32_less_1_do_not_overflow",
	 {SERVED, TRANSFERRING, 5},
	 EV(RECEIVED, .serial = 6, .timers = {UINT32_MAX, UINT32_MAX, UINT32_MAX}),
	 {PUBLISH | OK | ODD, SERVED, IDLE, 6, 0, INT64_C(4294967295000) / 2, NOW + INT64_C(4294967295000)}},

	/* expiry */
	{"a_zone_expires_when_its_time_has_come_and_asks_at_once",
	 {SERVED, IDLE, 5},
	 EV_AT(TIMER, OLD_EXPIRE),
	 {WITHDRAW | QUERY, EXPIRED, QUERYING, 5}},
	{"a_zone_expires_while_a_query_runs",
	 {SERVED, QUERYING, 5},
	 EV_AT(TIMER, OLD_EXPIRE),
	 {WITHDRAW, EXPIRED, QUERYING, 5}},
	{"a_zone_expires_while_a_transfer_runs",
	 {SERVED, TRANSFERRING, 5},
	 EV_AT(TIMER, OLD_EXPIRE),
	 {WITHDRAW, EXPIRED, TRANSFERRING, 5}},
	{"a_zone_does_not_expire_a_millisecond_early",
	 {SERVED, QUERYING, 5},
	 EV_AT(TIMER, OLD_EXPIRE - 1),
	 {0, SERVED, QUERYING, 5}},
	{"an_expired_zone_comes_back_without_transfer_if_the_serial_is_the_same",
	 {EXPIRED, QUERYING, 5},
	 EV(ANSWER, .serial = 5),
	 {REPUBLISH | OK, SERVED, IDLE, 5, 0, REFRESH_MS, NEW_EXPIRE}},
	{"an_expired_zone_takes_a_newer_serial",
	 {EXPIRED, QUERYING, 5},
	 EV(ANSWER, .serial = 6),
	 {TRANSFER, EXPIRED, TRANSFERRING, 5}},
	{"an_expired_zone_takes_a_lower_serial",
	 {EXPIRED, QUERYING, 5},
	 EV(ANSWER, .serial = 4),
	 {TRANSFER, EXPIRED, TRANSFERRING, 5}},
	{"an_expired_zone_takes_an_incomparable_serial",
	 {EXPIRED, QUERYING, 5},
	 EV(ANSWER, .serial = 0x80000005),
	 {TRANSFER, EXPIRED, TRANSFERRING, 5}},
	{"an_expired_zone_publishes_a_lower_version",
	 {EXPIRED, TRANSFERRING, 5},
	 EV(RECEIVED, .serial = 4, .timers = timers),
	 {PUBLISH | OK, SERVED, IDLE, 4, 0, REFRESH_MS, NEW_EXPIRE}},
	{"an_expired_zone_retries_no_later_than_its_back_off",
	 {EXPIRED, QUERYING, 5},
	 EV(NO_ANSWER),
	 {FAILED, EXPIRED, IDLE, 5, 0, 5000}},

	/* NOTIFY */
	{"a_notify_asks_its_sender_first",
	 {SERVED, IDLE, 5, 3},
	 EV(NOTIFY, .primary = 2, .has_serial = true, .serial = 6),
	 {QUERY, SERVED, QUERYING, 5, 2, 0, OLD_EXPIRE}},
	{"a_notify_without_serial_asks", {SERVED, IDLE, 5}, EV(NOTIFY), {QUERY, SERVED, QUERYING, 5}},
	{"a_notify_of_our_serial_asks_nothing",
	 {SERVED, IDLE, 5},
	 EV(NOTIFY, .has_serial = true, .serial = 5),
	 {CURRENT, SERVED, IDLE, 5, 0, -1, OLD_EXPIRE}},
	{"a_notify_of_a_lower_serial_asks_nothing",
	 {SERVED, IDLE, 5},
	 EV(NOTIFY, .has_serial = true, .serial = 4),
	 {CURRENT, SERVED, IDLE, 5, 0, -1, OLD_EXPIRE}},
	{"a_notify_of_an_incomparable_serial_asks",
	 {SERVED, IDLE, 5},
	 EV(NOTIFY, .has_serial = true, .serial = 0x80000005),
	 {QUERY, SERVED, QUERYING, 5}},
	{"a_notify_never_sets_the_serial_to_transfer",
	 {SERVED, QUERYING, 5},
	 EV(NOTIFY, .has_serial = true, .serial = 6),
	 {DEFERRED, SERVED, QUERYING, 5, 0, 0, OLD_EXPIRE}},
	{"a_notify_during_a_transfer_is_deferred",
	 {SERVED, TRANSFERRING, 5},
	 EV(NOTIFY),
	 {DEFERRED, SERVED, TRANSFERRING, 5, 0, 0, OLD_EXPIRE}},
	{"a_notify_overtakes_a_query_that_stands_in_the_queue",
	 {SERVED, QUERYING, 5, 3},
	 EV(NOTIFY, .primary = 1, .waiting = true),
	 {QUERY, SERVED, QUERYING, 5, 1, 0, OLD_EXPIRE}},
	{"a_notify_of_an_old_serial_to_an_expired_zone_asks",
	 {EXPIRED, IDLE, 5},
	 EV(NOTIFY, .has_serial = true, .serial = 4),
	 {QUERY, EXPIRED, QUERYING, 5}},
	{"a_notify_to_a_zone_without_content_transfers",
	 {NONE, IDLE, 0, 2},
	 EV(NOTIFY, .primary = 1),
	 {TRANSFER, NONE, TRANSFERRING, 0, 1}},

	/* operator */
	{"refresh_asks_now", {SERVED, IDLE, 5}, EV(REFRESH), {QUERY, SERVED, QUERYING, 5, 0, 0, OLD_EXPIRE}},
	{"refresh_joins_a_round_that_runs",
	 {SERVED, QUERYING, 5},
	 EV(REFRESH),
	 {0, SERVED, QUERYING, 5, 0, 0, OLD_EXPIRE}},
	{"refresh_of_a_zone_without_content_transfers",
	 {NONE, IDLE},
	 EV(REFRESH),
	 {TRANSFER, NONE, TRANSFERRING}},
	{"retransfer_transfers_without_a_query",
	 {SERVED, IDLE, 5},
	 EV(RETRANSFER),
	 {TRANSFER, SERVED, TRANSFERRING, 5, 0, 0, OLD_EXPIRE}},
	{"retransfer_replaces_a_query_in_the_queue",
	 {SERVED, QUERYING, 5},
	 EV(RETRANSFER, .waiting = true),
	 {TRANSFER, SERVED, TRANSFERRING, 5}},
	{"a_forced_transfer_publishes_the_same_serial",
	 {SERVED, TRANSFERRING, 5, .forced = true},
	 EV(RECEIVED, .serial = 5, .timers = timers),
	 {PUBLISH | OK, SERVED, IDLE, 5, 0, REFRESH_MS, NEW_EXPIRE}},
	{"a_forced_transfer_publishes_a_lower_serial",
	 {SERVED, TRANSFERRING, 5, .forced = true},
	 EV(RECEIVED, .serial = 1, .timers = timers),
	 {PUBLISH | OK, SERVED, IDLE, 1, 0, REFRESH_MS, NEW_EXPIRE}},
	{"a_forced_transfer_that_fails_is_tried_at_the_next_primary",
	 {SERVED, TRANSFERRING, 5, 2, .forced = true},
	 EV(NOT_RECEIVED),
	 {TRANSFER, SERVED, TRANSFERRING, 5, 1}},

	/* the safety gate: what is held is barred, and puts expiry off */
	{"a_version_that_is_to_be_checked_is_not_published_yet",
	 {SERVED, TRANSFERRING, 5},
	 EV(RECEIVED, .serial = 6, .timers = timers, .gate = SECONDARY_GATE_CHECK),
	 {CHECK, SERVED, CHECKING, 5, 0, 0, OLD_EXPIRE}},
	{"a_version_that_passed_the_check_is_published",
	 {SERVED, CHECKING, 5},
	 EV(CHECKED, .serial = 6, .timers = timers),
	 {PUBLISH | OK, SERVED, IDLE, 6, 0, REFRESH_MS, NEW_EXPIRE}},
	{"a_version_that_did_not_pass_the_check_is_held",
	 {SERVED, CHECKING, 5},
	 EV(CHECKED, .serial = 6, .timers = timers, .gate = SECONDARY_GATE_HOLD),
	 {HOLD | FAILED, SERVED, IDLE, 5, 0, RETRY_MS, NEW_EXPIRE}},
	{"a_version_to_be_held_is_not_published",
	 {SERVED, TRANSFERRING, 5},
	 EV(RECEIVED, .serial = 6, .timers = timers, .gate = SECONDARY_GATE_HOLD),
	 {HOLD | FAILED, SERVED, IDLE, 5, 0, RETRY_MS, NEW_EXPIRE}},
	{"a_first_version_that_is_held_leaves_the_zone_without_content",
	 {NONE, TRANSFERRING},
	 EV(RECEIVED, .serial = 6, .timers = timers, .gate = SECONDARY_GATE_HOLD),
	 {HOLD | FAILED, NONE, IDLE, 0, 0, 5000}},
	{"a_zone_whose_first_version_is_held_asks_before_it_transfers",
	 {NONE, IDLE, .barred = 6, .held = true},
	 EV(TIMER),
	 {QUERY, NONE, QUERYING}},
	{"a_held_first_version_is_not_transferred_again",
	 {NONE, QUERYING, .barred = 6, .held = true},
	 EV(ANSWER, .serial = 6),
	 {OK, NONE, IDLE, 0, 0, 5000}},
	{"any_other_version_than_a_held_first_one_is_transferred",
	 {NONE, QUERYING, .barred = 6, .held = true},
	 EV(ANSWER, .serial = 0),
	 {TRANSFER, NONE, TRANSFERRING}},
	{"a_barred_serial_is_not_transferred_and_puts_expiry_off",
	 {SERVED, QUERYING, 5, .barred = 7},
	 EV(ANSWER, .serial = 7),
	 {OK, SERVED, IDLE, 5, 0, REFRESH_MS, NEW_EXPIRE}},
	{"a_serial_between_ours_and_the_barred_one_is_barred_too",
	 {SERVED, QUERYING, 5, .barred = 7},
	 EV(ANSWER, .serial = 6),
	 {OK, SERVED, IDLE, 5, 0, REFRESH_MS, NEW_EXPIRE}},
	{"a_newer_serial_than_the_barred_one_is_transferred",
	 {SERVED, QUERYING, 5, .barred = 7},
	 EV(ANSWER, .serial = 8),
	 {TRANSFER, SERVED, TRANSFERRING, 5}},
	{"a_lower_serial_is_kept_beside_a_barred_one_too",
	 {SERVED, QUERYING, 5, .barred = 7},
	 EV(ANSWER, .serial = 4),
	 {OK | LOWER, SERVED, IDLE, 5, 0, REFRESH_MS, OLD_EXPIRE}},
	{"a_notify_of_a_barred_serial_asks_nothing",
	 {SERVED, IDLE, 5, .barred = 7},
	 EV(NOTIFY, .has_serial = true, .serial = 7),
	 {CURRENT, SERVED, IDLE, 5, 0, -1, OLD_EXPIRE}},
	{"a_barred_version_that_comes_all_the_same_is_discarded",
	 {SERVED, TRANSFERRING, 5, .barred = 7},
	 EV(RECEIVED, .serial = 7, .timers = timers),
	 {DISCARD | OK, SERVED, IDLE, 5, 0, REFRESH_MS, NEW_EXPIRE}},
	{"a_retransfer_takes_a_barred_version",
	 {SERVED, TRANSFERRING, 5, .forced = true, .barred = 7, .held = true},
	 EV(RECEIVED, .serial = 7, .timers = timers),
	 {PUBLISH | DROP_HELD | OK, SERVED, IDLE, 7, 0, REFRESH_MS, NEW_EXPIRE}},
	{"a_newer_version_takes_the_place_of_the_held_one",
	 {SERVED, TRANSFERRING, 5, .barred = 7, .held = true},
	 EV(RECEIVED, .serial = 8, .timers = timers, .gate = SECONDARY_GATE_HOLD),
	 {HOLD | DROP_HELD | FAILED, SERVED, IDLE, 5, 0, RETRY_MS, NEW_EXPIRE}},
	{"a_barred_serial_does_not_bring_an_expired_zone_back",
	 {EXPIRED, QUERYING, 5, .barred = 7},
	 EV(ANSWER, .serial = 7),
	 {OK, EXPIRED, IDLE, 5, 0, REFRESH_MS, OLD_EXPIRE}},
	{"what_is_held_is_served_when_the_operator_accepts",
	 {SERVED, IDLE, 5, .barred = 7, .held = true},
	 EV(ACCEPT, .serial = 7, .timers = timers),
	 {PUBLISH_HELD, SERVED, IDLE, 7, 0, REFRESH_MS, NEW_EXPIRE}},
	{"what_is_held_brings_an_expired_zone_back_when_the_operator_accepts",
	 {EXPIRED, QUERYING, 5, .barred = 7, .held = true},
	 EV(ACCEPT, .serial = 7, .timers = timers),
	 {PUBLISH_HELD, SERVED, QUERYING, 7, 0, 0, NEW_EXPIRE}},
	{"accept_without_anything_held_changes_nothing",
	 {SERVED, IDLE, 5, .barred = 7},
	 EV(ACCEPT, .serial = 7, .timers = timers),
	 {0, SERVED, IDLE, 5, 0, -1, OLD_EXPIRE}},
	{"what_is_held_is_dropped_when_the_operator_rejects",
	 {SERVED, IDLE, 5, .barred = 7, .held = true},
	 EV(REJECT),
	 {DROP_HELD, SERVED, IDLE, 5, 0, -1, OLD_EXPIRE}},
	{"the_operator_can_go_back",
	 {SERVED, IDLE, 5},
	 EV(ROLLBACK, .serial = 4, .timers = timers),
	 {PUBLISH_KEPT, SERVED, IDLE, 4, 0, REFRESH_MS, NEW_EXPIRE}},
	{"a_zone_without_content_cannot_go_back",
	 {NONE, IDLE},
	 EV(ROLLBACK, .serial = 4, .timers = timers),
	 {0, NONE, IDLE, 0, 0, -1}},
	{"resume_asks_now",
	 {SERVED, IDLE, 5, .barred = 7, .held = true},
	 EV(RESUME),
	 {DROP_HELD | QUERY, SERVED, QUERYING, 5, 0, 0, OLD_EXPIRE}},

	/* the same serial, another content */
	{"another_content_under_our_serial_is_transferred_whole",
	 {SERVED, QUERYING, 5},
	 EV(ANSWER, .serial = 5, .differs = true),
	 {TRANSFER, SERVED, TRANSFERRING, 5, 0, 0, NEW_EXPIRE}},

	/* differences without a question first */
	{"a_notify_may_begin_with_the_differences",
	 {SERVED, IDLE, 5, 3},
	 EV(NOTIFY, .primary = 1, .has_serial = true, .serial = 6, .direct = true),
	 {TRANSFER, SERVED, TRANSFERRING, 5, 1, 0, OLD_EXPIRE}},
	{"an_expired_zone_is_asked_about_first",
	 {EXPIRED, IDLE, 5},
	 EV(NOTIFY, .has_serial = true, .serial = 6, .direct = true),
	 {QUERY, EXPIRED, QUERYING, 5}},
	{"what_failed_for_a_reason_that_is_gone_is_asked_for_again",
	 {SERVED, TRANSFERRING, 5},
	 EV(NOT_RECEIVED, .fall_back = true, .again = true),
	 {TRANSFER, SERVED, TRANSFERRING, 5, 0, 0, OLD_EXPIRE}},

	/* what the primary says of its own copy, RFC 7314 4 */
	{"an_expire_option_with_our_serial_lengthens_the_time_left",
	 {SERVED, QUERYING, 5},
	 EV(ANSWER, .serial = 5, .has_expire = true, .expire = 86000),
	 {OK, SERVED, IDLE, 5, 0, REFRESH_MS, NOW + 86000000}},
	{"an_expire_option_with_our_serial_never_shortens_the_time_left",
	 {SERVED, QUERYING, 5},
	 EV(ANSWER, .serial = 5, .has_expire = true, .expire = 60),
	 {OK, SERVED, IDLE, 5, 0, REFRESH_MS, OLD_EXPIRE}},
	{"an_expire_option_is_never_longer_than_the_soa",
	 {SERVED, QUERYING, 5},
	 EV(ANSWER, .serial = 5, .has_expire = true, .expire = 4000000000),
	 {OK, SERVED, IDLE, 5, 0, REFRESH_MS, NEW_EXPIRE}},
	{"an_expire_option_in_a_transfer_is_the_time_left",
	 {SERVED, TRANSFERRING, 5},
	 EV(RECEIVED, .serial = 6, .timers = timers, .has_expire = true, .expire = 60),
	 {PUBLISH | OK, SERVED, IDLE, 6, 0, REFRESH_MS, NOW + 60000}},
	{"a_primary_whose_copy_has_expired_confirms_nothing",
	 {SERVED, QUERYING, 5},
	 EV(ANSWER, .serial = 5, .has_expire = true, .expire = 1),
	 {FAILED, SERVED, IDLE, 5, 0, RETRY_MS, OLD_EXPIRE}},
	{"a_primary_whose_copy_has_expired_is_passed_over",
	 {SERVED, QUERYING, 5, 2},
	 EV(ANSWER, .serial = 6, .has_expire = true, .expire = 0),
	 {QUERY, SERVED, QUERYING, 5, 1, 0, OLD_EXPIRE}},
	{"up_to_date_from_an_expired_primary_confirms_nothing",
	 {SERVED, TRANSFERRING, 5},
	 EV(UP_TO_DATE, .serial = 5, .has_expire = true, .expire = 0),
	 {FAILED, SERVED, IDLE, 5, 0, RETRY_MS, OLD_EXPIRE}},

	/* what does not fit */
	{"an_answer_nobody_waits_for_changes_nothing",
	 {SERVED, IDLE, 5},
	 EV(ANSWER, .serial = 9),
	 {0, SERVED, IDLE, 5, 0, -1, OLD_EXPIRE}},
	{"a_failure_nobody_waits_for_changes_nothing",
	 {SERVED, IDLE, 5},
	 EV(NO_ANSWER),
	 {0, SERVED, IDLE, 5, 0, -1, OLD_EXPIRE}},
	{"a_version_nobody_waits_for_is_discarded",
	 {SERVED, IDLE, 5},
	 EV(RECEIVED, .serial = 9, .timers = timers),
	 {DISCARD, SERVED, IDLE, 5, 0, -1, OLD_EXPIRE}},
	{"a_failed_transfer_nobody_waits_for_changes_nothing",
	 {SERVED, QUERYING, 5},
	 EV(NOT_RECEIVED),
	 {0, SERVED, QUERYING, 5, 0, 0, OLD_EXPIRE}},
	{"up_to_date_that_nobody_waits_for_changes_nothing",
	 {SERVED, QUERYING, 5},
	 EV(UP_TO_DATE),
	 {0, SERVED, QUERYING, 5, 0, 0, OLD_EXPIRE}},
	{"an_early_timer_changes_nothing",
	 {SERVED, IDLE, 5},
	 EV_AT(TIMER, NOW - 1),
	 {0, SERVED, IDLE, 5, 0, -1, OLD_EXPIRE}},
};

#define GIVEN_CHECK NOW

static void set_up(struct secondary *s, const struct row *r)
{
	secondary_init(s, r->given.primaries == 0 ? 1 : r->given.primaries, &no_caps);
	s->content = (uint8_t)r->given.content;
	s->activity = (uint8_t)r->given.activity;
	s->serial = r->given.serial;
	s->step = r->given.step;
	s->asked = r->given.step;
	s->forced = r->given.forced;
	s->round_equal = r->given.equal;
	s->round_newer = r->given.newer;
	s->whole = r->given.whole;
	s->has_barred = r->given.barred != 0;
	s->barred_serial = s->held_serial = r->given.barred;
	s->held = r->given.held;
	s->timers = timers;
	s->round = 7;
	s->check_at = r->given.activity == IDLE ? GIVEN_CHECK : NEVER;
	s->expire_at = r->given.content == NONE ? NEVER : OLD_EXPIRE;
}

static void check_row(void **state)
{
	const struct row *r = *state;
	struct secondary s;
	struct secondary_actions a;

	set_up(&s, r);
	a = secondary_step(&s, &r->event);
	assert_int_equal(a.what, r->expect.what);
	assert_int_equal(s.content, r->expect.content);
	assert_int_equal(s.activity, r->expect.activity);
	assert_int_equal(s.serial, r->expect.serial);
	if (a.what & (QUERY | TRANSFER)) {
		assert_int_equal(a.primary, r->expect.primary);
		assert_int_equal(s.asked, r->expect.primary);
	}
	if (r->expect.check_in > 0)
		assert_int_equal(s.check_at, r->event.now + r->expect.check_in);
	else if (r->expect.check_in == 0)
		assert_int_not_equal(s.activity, IDLE);
	else
		assert_int_equal(s.check_at, GIVEN_CHECK);
	if (r->expect.expire_at != 0)
		assert_int_equal(s.expire_at, r->expect.expire_at);
}

/* --- scenarios --- */

static struct secondary_actions step_at(struct secondary *s, int64_t now, struct secondary_event e)
{
	e.now = now;
	return secondary_step(s, &e);
}

#define STEP(s, at, k, ...) \
	step_at((s), (at), (struct secondary_event){.kind = SECONDARY_EV_##k, __VA_ARGS__})

static void load(struct secondary *s, uint16_t primaries, uint32_t serial)
{
	secondary_init(s, primaries, &no_caps);
	assert_int_equal(STEP(s, NOW, START).what, TRANSFER);
	assert_int_equal(STEP(s, NOW, RECEIVED, .serial = serial, .timers = timers).what, PUBLISH | OK);
}

static void differences_are_wanted_only_where_they_can_help(void **state)
{
	struct secondary s;

	secondary_init(&s, 2, &no_caps);
	STEP(&s, NOW, START);
	assert_true(s.whole);
	STEP(&s, NOW, RECEIVED, .serial = 5, .timers = timers);
	STEP(&s, NOW, REFRESH);
	assert_int_equal(STEP(&s, NOW, ANSWER, .serial = 6).what, TRANSFER);
	assert_false(s.whole);
	/* Each primary is asked for differences first. */
	assert_int_equal(STEP(&s, NOW, NOT_RECEIVED, .fall_back = true).what, TRANSFER);
	assert_true(s.whole);
	assert_int_equal(STEP(&s, NOW, NOT_RECEIVED).what, QUERY);
	assert_int_equal(STEP(&s, NOW, ANSWER, .serial = 7).what, TRANSFER);
	assert_false(s.whole);
	STEP(&s, NOW, RECEIVED, .serial = 7, .timers = timers);
	/* The operator's is the whole zone. */
	assert_int_equal(STEP(&s, NOW, RETRANSFER).what, TRANSFER);
	assert_true(s.whole);
	STEP(&s, NOW, RECEIVED, .serial = 7, .timers = timers);
	/* Expired: from a newer version differences help, from an older one they do not. */
	s.content = SECONDARY_EXPIRED;
	STEP(&s, NOW, REFRESH);
	STEP(&s, NOW, ANSWER, .serial = 8);
	assert_false(s.whole);
	STEP(&s, NOW, NOT_RECEIVED);
	assert_int_equal(STEP(&s, NOW, ANSWER, .serial = 3).what, TRANSFER);
	assert_true(s.whole);
}

static void what_was_rolled_back_stays_back_until_a_newer_version_comes(void **state)
{
	struct secondary s;

	load(&s, 1, 5);
	assert_int_equal(STEP(&s, NOW, ROLLBACK, .serial = 3, .timers = timers).what, PUBLISH_KEPT);
	assert_int_equal(STEP(&s, NOW, NOTIFY, .has_serial = true, .serial = 5).what, CURRENT);
	STEP(&s, NOW, REFRESH);
	assert_int_equal(STEP(&s, NOW, ANSWER, .serial = 5).what, OK);
	/* Further back: the newest that was turned down counts. */
	assert_int_equal(STEP(&s, NOW, ROLLBACK, .serial = 2, .timers = timers).what, PUBLISH_KEPT);
	assert_int_equal(s.barred_serial, 5);
	assert_int_equal(STEP(&s, NOW, NOTIFY, .has_serial = true, .serial = 6).what, QUERY);
	assert_int_equal(STEP(&s, NOW, ANSWER, .serial = 6).what, TRANSFER);
	assert_int_equal(STEP(&s, NOW, RECEIVED, .serial = 6, .timers = timers).what, PUBLISH | OK);
	assert_false(s.has_barred);
	/* Back and forth again bars nothing. */
	STEP(&s, NOW, ROLLBACK, .serial = 2, .timers = timers);
	STEP(&s, NOW, ROLLBACK, .serial = 6, .timers = timers);
	assert_false(s.has_barred);
	assert_int_equal(s.serial, 6);
}

static void a_zone_can_expire_while_a_check_runs_and_comes_back_by_it(void **state)
{
	struct secondary s;

	load(&s, 1, 5);
	STEP(&s, NOW, REFRESH);
	STEP(&s, NOW, ANSWER, .serial = 6);
	assert_int_equal(
		STEP(&s, NOW, RECEIVED, .serial = 6, .timers = timers, .gate = SECONDARY_GATE_CHECK).what,
		CHECK);
	assert_int_equal(secondary_timer(&s), NOW + EXPIRE_MS);
	assert_int_equal(STEP(&s, NOW + EXPIRE_MS, TIMER).what, WITHDRAW);
	assert_int_equal(STEP(&s, NOW + EXPIRE_MS, NOTIFY).what, DEFERRED);
	assert_int_equal(STEP(&s, NOW + EXPIRE_MS, CHECKED, .serial = 6, .timers = timers).what,
			 PUBLISH | OK | QUERY);
	assert_int_equal(s.content, SERVED);
}

static void of_several_primaries_the_newest_version_is_taken_if_so_configured(void **state)
{
	static const struct secondary_caps best = {.best_serial = true};
	struct secondary_actions a;
	struct secondary s;

	load(&s, 4, 5);
	s.caps = &best;
	STEP(&s, NOW, REFRESH);
	assert_int_equal(STEP(&s, NOW, ANSWER, .serial = 6).what, QUERY);
	assert_int_equal(STEP(&s, NOW, ANSWER, .serial = 8).what, QUERY);
	assert_int_equal(STEP(&s, NOW, ANSWER, .serial = 5).what, QUERY);
	a = STEP(&s, NOW, NO_ANSWER);
	assert_int_equal(a.what, TRANSFER);
	assert_int_equal(a.primary, 1);
	assert_false(s.whole);
	assert_int_equal(STEP(&s, NOW, RECEIVED, .serial = 8, .timers = timers).what, PUBLISH | OK);
	/* None has something newer. */
	STEP(&s, NOW, REFRESH);
	for (int i = 0; i < 3; i++)
		assert_int_equal(STEP(&s, NOW, ANSWER, .serial = 8).what, QUERY);
	assert_int_equal(STEP(&s, NOW, ANSWER, .serial = 8).what, OK);
	/* Who notifies has it: nobody else is waited for. */
	STEP(&s, NOW, NOTIFY, .primary = 2, .has_serial = true, .serial = 9);
	a = STEP(&s, NOW, ANSWER, .serial = 9);
	assert_int_equal(a.what, TRANSFER);
	assert_int_equal(a.primary, 2);
	assert_int_equal(STEP(&s, NOW, NOT_RECEIVED).what, QUERY);
}

static void what_comes_under_our_serial_is_published_only_when_asked_for(void **state)
{
	struct secondary s;

	load(&s, 2, 5);
	STEP(&s, NOW, REFRESH);
	assert_int_equal(STEP(&s, NOW, ANSWER, .serial = 5, .differs = true).what, TRANSFER);
	/* From the next one it was not asked for. */
	assert_int_equal(STEP(&s, NOW, NOT_RECEIVED).what, QUERY);
	assert_false(s.replace);
	assert_int_equal(STEP(&s, NOW, ANSWER, .serial = 5, .differs = true).what, TRANSFER);
	assert_int_equal(STEP(&s, NOW, RECEIVED, .serial = 5, .timers = timers).what, PUBLISH | OK);
}

static void bootstrap_backs_off_by_the_square_up_to_two_hours(void **state)
{
	struct secondary s;
	int64_t now = NOW, delay = 0;
	int n;

	secondary_init(&s, 1, &no_caps);
	STEP(&s, now, START);
	for (n = 1; n <= 60; n++) {
		assert_int_equal(STEP(&s, now, NOT_RECEIVED).what, FAILED);
		delay = secondary_timer(&s) - now;
		assert_int_equal(delay, 5000 * n * n < 7200000 ? 5000 * n * n : 7200000);
		now = secondary_timer(&s);
		assert_int_equal(STEP(&s, now, TIMER).what, TRANSFER);
	}
	assert_int_equal(delay, 7200000);
}

static void bootstrap_back_off_is_spread(void **state)
{
	struct secondary s;

	secondary_init(&s, 1, &no_caps);
	STEP(&s, NOW, START);
	STEP(&s, NOW, NOT_RECEIVED, .random = UINT32_MAX);
	/* 5 s and nearly 10 s more */
	assert_in_range(secondary_timer(&s) - NOW, 14900, 15000);
}

static void notify_and_operator_reset_the_back_off(void **state)
{
	struct secondary s;
	int i;

	secondary_init(&s, 1, &no_caps);
	STEP(&s, NOW, START);
	for (i = 0; i < 10; i++) {
		STEP(&s, NOW, NOT_RECEIVED);
		STEP(&s, secondary_timer(&s), TIMER);
	}
	STEP(&s, NOW, NOT_RECEIVED);
	assert_int_equal(secondary_timer(&s) - NOW, 5000 * 121);
	assert_int_equal(STEP(&s, NOW, NOTIFY).what, TRANSFER);
	STEP(&s, NOW, NOT_RECEIVED);
	assert_int_equal(secondary_timer(&s) - NOW, 5000);
	for (i = 0; i < 10; i++) {
		STEP(&s, secondary_timer(&s), TIMER);
		STEP(&s, NOW, NOT_RECEIVED);
	}
	assert_int_equal(STEP(&s, NOW, REFRESH).what, TRANSFER);
	STEP(&s, NOW, NOT_RECEIVED);
	assert_int_equal(secondary_timer(&s) - NOW, 5000);
}

static void refresh_timer_comes_at_90_to_100_percent(void **state)
{
	struct secondary s;

	load(&s, 1, 5);
	STEP(&s, NOW + REFRESH_MS, TIMER);
	STEP(&s, NOW, ANSWER, .serial = 5, .random = UINT32_MAX);
	assert_in_range(secondary_timer(&s) - NOW, REFRESH_MS / 10 * 9, REFRESH_MS / 10 * 9 + 1);
	STEP(&s, NOW + REFRESH_MS, TIMER);
	STEP(&s, NOW, ANSWER, .serial = 5, .random = UINT32_MAX / 2);
	assert_in_range(secondary_timer(&s) - NOW, REFRESH_MS / 100 * 94, REFRESH_MS / 100 * 96);
}

static void the_jitter_of_the_longest_timers_does_not_overflow(void **state)
{
	const int64_t ms = INT64_C(4294967295000) / 2;
	struct secondary s;
	uint64_t random;

	for (random = 0; random <= UINT32_MAX; random += UINT32_MAX / 15) {
		secondary_init(&s, 1, &no_caps);
		STEP(&s, NOW, START);
		STEP(&s, NOW, RECEIVED, .random = (uint32_t)random,
		     .timers = {UINT32_MAX, UINT32_MAX, UINT32_MAX});
		assert_in_range(s.check_at - NOW, ms / 10 * 9, ms);
		assert_true(random == 0 || s.check_at - NOW < ms);
	}
}

static void timers_are_held_within_the_configured_bounds(void **state)
{
	static const struct secondary_caps caps = {.refresh_min = 100,
						   .refresh_max = 200,
						   .retry_min = 10,
						   .retry_max = 20,
						   .expire_min = 1000,
						   .expire_max = 2000};
	struct secondary s;

	secondary_init(&s, 1, &caps);
	STEP(&s, NOW, START);
	STEP(&s, NOW, RECEIVED, .serial = 1, .timers = {3600, 600, 86400});
	assert_int_equal(s.check_at - NOW, 200000);
	assert_int_equal(s.expire_at - NOW, 2000000);
	STEP(&s, NOW, REFRESH);
	STEP(&s, NOW, NO_ANSWER);
	assert_int_equal(s.check_at - NOW, 20000);
	STEP(&s, NOW, REFRESH);
	STEP(&s, NOW, ANSWER, .serial = 2);
	STEP(&s, NOW, RECEIVED, .serial = 2, .timers = {1, 1, 1});
	assert_int_equal(s.check_at - NOW, 100000);
	assert_int_equal(s.expire_at - NOW, 1000000);
	STEP(&s, NOW, REFRESH);
	STEP(&s, NOW, NO_ANSWER);
	assert_int_equal(s.check_at - NOW, 10000);
}

static void expire_counts_from_the_last_contact(void **state)
{
	struct secondary s;
	int64_t contact = NOW + 50000;

	load(&s, 1, 5);
	STEP(&s, contact, REFRESH);
	STEP(&s, contact, ANSWER, .serial = 5);
	STEP(&s, contact + 1000, REFRESH);
	STEP(&s, contact + 7000, NO_ANSWER);
	assert_int_equal(s.expire_at, contact + EXPIRE_MS);
	assert_int_equal(STEP(&s, contact + EXPIRE_MS, TIMER).what, WITHDRAW | QUERY);
}

static void all_primaries_behind_let_the_zone_expire(void **state)
{
	struct secondary s;
	int64_t now = NOW;

	load(&s, 2, 5);
	while (s.content == SERVED) {
		now = secondary_timer(&s);
		STEP(&s, now, TIMER);
		if (s.content != SERVED)
			break;
		STEP(&s, now, ANSWER, .serial = 4);
		STEP(&s, now, ANSWER, .serial = 3);
		assert_int_equal(s.activity, IDLE);
		assert_true(s.primary_behind);
	}
	assert_int_equal(now, NOW + EXPIRE_MS);
}

static void the_timer_is_the_earlier_of_check_and_expire(void **state)
{
	struct secondary s;

	load(&s, 1, 5);
	assert_int_equal(secondary_timer(&s), NOW + REFRESH_MS);
	STEP(&s, NOW + REFRESH_MS, TIMER);
	assert_int_equal(secondary_timer(&s), NOW + EXPIRE_MS);
}

static void a_deferred_notify_is_acted_on_after_the_query(void **state)
{
	struct secondary s;
	struct secondary_actions a;

	load(&s, 3, 5);
	STEP(&s, NOW, REFRESH);
	assert_int_equal(STEP(&s, NOW, NOTIFY, .primary = 2).what, DEFERRED);
	a = STEP(&s, NOW, ANSWER, .serial = 5);
	assert_int_equal(a.what, OK | QUERY);
	assert_int_equal(a.primary, 2);
	assert_int_equal(a.class, SECONDARY_BY_NOTIFY);
	assert_int_equal(a.ended_round + 1, s.round);
	assert_int_equal(STEP(&s, NOW, ANSWER, .serial = 5).what, OK);
}

static void a_deferred_notify_is_dropped_when_the_transfer_brought_its_serial(void **state)
{
	struct secondary s;

	load(&s, 1, 5);
	STEP(&s, NOW, NOTIFY, .has_serial = true, .serial = 6);
	STEP(&s, NOW, ANSWER, .serial = 7);
	assert_int_equal(STEP(&s, NOW, NOTIFY, .has_serial = true, .serial = 7).what, DEFERRED);
	assert_int_equal(STEP(&s, NOW, RECEIVED, .serial = 7, .timers = timers).what, PUBLISH | OK);
	assert_int_equal(s.activity, IDLE);
	assert_false(s.deferred);
}

static void a_deferred_notify_without_serial_is_never_dropped(void **state)
{
	struct secondary s;

	load(&s, 1, 5);
	STEP(&s, NOW, NOTIFY, .has_serial = true, .serial = 6);
	STEP(&s, NOW, ANSWER, .serial = 6);
	STEP(&s, NOW, NOTIFY);
	STEP(&s, NOW, NOTIFY, .has_serial = true, .serial = 6);
	assert_int_equal(STEP(&s, NOW, RECEIVED, .serial = 6, .timers = timers).what, PUBLISH | OK | QUERY);
}

static void many_notifies_during_a_transfer_make_one_more_query(void **state)
{
	struct secondary s;
	uint32_t i;

	load(&s, 1, 5);
	STEP(&s, NOW, NOTIFY, .has_serial = true, .serial = 6);
	STEP(&s, NOW, ANSWER, .serial = 6);
	for (i = 7; i < 1007; i++)
		assert_int_equal(STEP(&s, NOW, NOTIFY, .has_serial = true, .serial = i).what, DEFERRED);
	assert_int_equal(STEP(&s, NOW, RECEIVED, .serial = 6, .timers = timers).what, PUBLISH | OK | QUERY);
	assert_int_equal(STEP(&s, NOW, ANSWER, .serial = 1006).what, TRANSFER);
	assert_int_equal(STEP(&s, NOW, RECEIVED, .serial = 1006, .timers = timers).what, PUBLISH | OK);
	assert_int_equal(s.activity, IDLE);
}

static void a_notified_serial_not_there_is_asked_for_after_1_2_4_8_s_and_forgotten(void **state)
{
	static const int64_t delays[] = {1000, 2000, 4000, 8000};
	struct secondary s;
	int64_t now = NOW;
	unsigned i;

	load(&s, 1, 5);
	STEP(&s, now, NOTIFY, .has_serial = true, .serial = 9);
	for (i = 0; i < 4; i++) {
		assert_int_equal(STEP(&s, now, ANSWER, .serial = 5).what, OK | AHEAD);
		assert_int_equal(secondary_timer(&s) - now, delays[i]);
		now = secondary_timer(&s);
		assert_int_equal(STEP(&s, now, TIMER).what, QUERY);
	}
	assert_int_equal(STEP(&s, now, ANSWER, .serial = 5).what, OK | FORGOTTEN);
	assert_int_equal(secondary_timer(&s) - now, REFRESH_MS);
}

static void the_wait_for_a_notified_serial_is_capped_by_retry(void **state)
{
	struct secondary s;
	int64_t now = NOW;

	secondary_init(&s, 1, &no_caps);
	STEP(&s, NOW, START);
	STEP(&s, NOW, RECEIVED, .serial = 5, .timers = {.refresh = 3600, .retry = 3, .expire = 86400});
	STEP(&s, now, NOTIFY, .has_serial = true, .serial = 9);
	STEP(&s, now, ANSWER, .serial = 5);
	now = secondary_timer(&s);
	STEP(&s, now, TIMER);
	STEP(&s, now, ANSWER, .serial = 5);
	now = secondary_timer(&s);
	STEP(&s, now, TIMER);
	STEP(&s, now, ANSWER, .serial = 5);
	assert_int_equal(secondary_timer(&s) - now, 3000);
}

static void a_notified_serial_that_comes_while_waiting_ends_the_wait(void **state)
{
	struct secondary s;
	int64_t now = NOW;

	load(&s, 1, 5);
	STEP(&s, now, NOTIFY, .has_serial = true, .serial = 6);
	STEP(&s, now, ANSWER, .serial = 5);
	now = secondary_timer(&s);
	STEP(&s, now, TIMER);
	assert_int_equal(STEP(&s, now, ANSWER, .serial = 6).what, TRANSFER);
	assert_int_equal(STEP(&s, now, RECEIVED, .serial = 6, .timers = timers).what, PUBLISH | OK);
	assert_int_equal(secondary_timer(&s) - now, REFRESH_MS);
}

static void a_notified_serial_is_looked_for_at_the_other_primaries(void **state)
{
	struct secondary s;
	struct secondary_actions a;

	load(&s, 2, 5);
	a = STEP(&s, NOW, NOTIFY, .primary = 1, .has_serial = true, .serial = 6);
	assert_int_equal(a.primary, 1);
	a = STEP(&s, NOW, ANSWER, .serial = 5);
	assert_int_equal(a.what, QUERY);
	assert_int_equal(a.primary, 0);
	a = STEP(&s, NOW, ANSWER, .serial = 6);
	assert_int_equal(a.what, TRANSFER);
	assert_int_equal(a.primary, 0);
}

static void repeated_notifies_do_not_use_up_the_tries(void **state)
{
	struct secondary s;
	int64_t now = NOW;
	int i;

	load(&s, 1, 5);
	STEP(&s, now, NOTIFY, .has_serial = true, .serial = 9);
	for (i = 0; i < 100; i++) {
		STEP(&s, now, NOTIFY, .has_serial = true, .serial = 9);
		if (s.activity == QUERYING)
			assert_int_equal(STEP(&s, now, ANSWER, .serial = 5).what & FORGOTTEN, 0);
	}
	assert_true(s.has_wanted);
	assert_int_equal(s.wanted_tries, 1);
}

static void a_flood_of_notifies_makes_a_bounded_number_of_queries(void **state)
{
	struct secondary s;
	int64_t now;
	uint32_t serial = 6;
	unsigned queries = 0;

	load(&s, 1, 5);
	/* 100 a millisecond for a minute, each further ahead than the last. */
	for (now = NOW; now < NOW + 60000; now++) {
		int i;

		if (now >= secondary_timer(&s))
			queries += (STEP(&s, now, TIMER).what & QUERY) != 0;
		for (i = 0; i < 100; i++)
			queries += (STEP(&s, now, NOTIFY, .has_serial = true, .serial = serial++).what &
				    QUERY) != 0;
		if (s.activity == QUERYING)
			queries += (STEP(&s, now, ANSWER, .serial = 5).what & QUERY) != 0;
	}
	assert_in_range(queries, 50, 70);
}

static void a_primary_that_keeps_its_promises_is_never_held_back(void **state)
{
	struct secondary s;
	int64_t now = NOW;
	uint32_t serial;

	load(&s, 1, 5);
	for (serial = 6; serial < 1000; serial++, now += 10) {
		assert_int_equal(STEP(&s, now, NOTIFY, .has_serial = true, .serial = serial).what, QUERY);
		assert_int_equal(STEP(&s, now, ANSWER, .serial = serial).what, TRANSFER);
		assert_int_equal(STEP(&s, now, RECEIVED, .serial = serial, .timers = timers).what,
				 PUBLISH | OK);
	}
}

static void the_round_asks_the_notifier_then_all_others_in_order(void **state)
{
	static const uint16_t order[] = {2, 0, 1, 3};
	struct secondary s;
	struct secondary_actions a;
	unsigned i;

	load(&s, 4, 5);
	a = STEP(&s, NOW, NOTIFY, .primary = 2);
	for (i = 0; i < 4; i++) {
		assert_int_equal(a.what, QUERY);
		assert_int_equal(a.primary, order[i]);
		a = STEP(&s, NOW, NO_ANSWER);
	}
	assert_int_equal(a.what, FAILED);
}

static void a_command_during_a_round_waits_for_the_right_one(void **state)
{
	struct secondary s;
	struct secondary_actions a;
	uint32_t refresh, retransfer;

	load(&s, 1, 5);
	refresh = STEP(&s, NOW, REFRESH).wait_round;
	assert_int_equal(STEP(&s, NOW, REFRESH).wait_round, refresh);
	/* Which it ends: who waits for the first round is told by the second. */
	a = STEP(&s, NOW, RETRANSFER);
	assert_int_equal(a.what, CANCEL | TRANSFER);
	retransfer = a.wait_round;
	assert_int_equal(retransfer, refresh + 1);
	a = STEP(&s, NOW, RECEIVED, .serial = 5, .timers = timers);
	assert_int_equal(a.what, PUBLISH | OK);
	assert_int_equal(a.ended_round, retransfer);
}

static void a_retransfer_ends_the_transfer_that_runs_and_begins_anew_elsewhere(void **state)
{
	struct secondary s;
	struct secondary_actions a;
	uint32_t wait;

	load(&s, 2, 5);
	STEP(&s, NOW, REFRESH);
	STEP(&s, NOW, ANSWER, .serial = 6);
	a = STEP(&s, NOW, RETRANSFER);
	assert_int_equal(a.what, CANCEL);
	wait = a.wait_round;
	/* Said once. */
	a = STEP(&s, NOW, RETRANSFER);
	assert_int_equal(a.what, 0);
	assert_int_equal(a.wait_round, wait);
	/* However it ended, it is not followed by AXFR of its own. */
	a = STEP(&s, NOW, NOT_RECEIVED, .fall_back = true);
	assert_int_equal(a.what, TRANSFER);
	assert_int_equal(a.primary, 1);
	assert_true(s.whole);
	a = STEP(&s, NOW, RECEIVED, .serial = 5, .timers = timers);
	assert_int_equal(a.what, PUBLISH | OK);
	assert_int_equal(a.ended_round, wait);
}

static void a_transfer_that_succeeds_before_it_is_ended_is_published_and_another_follows(void **state)
{
	struct secondary s;
	struct secondary_actions a;
	uint32_t wait;

	load(&s, 1, 5);
	STEP(&s, NOW, REFRESH);
	STEP(&s, NOW, ANSWER, .serial = 6);
	wait = STEP(&s, NOW, RETRANSFER).wait_round;
	a = STEP(&s, NOW, RECEIVED, .serial = 6, .timers = timers);
	assert_int_equal(a.what, PUBLISH | OK | TRANSFER);
	assert_int_equal(a.ended_round, wait - 1);
	a = STEP(&s, NOW, RECEIVED, .serial = 6, .timers = timers);
	assert_int_equal(a.what, PUBLISH | OK);
	assert_int_equal(a.ended_round, wait);
}

static void a_retransfer_waits_for_the_verifier(void **state)
{
	struct secondary s;

	load(&s, 1, 5);
	STEP(&s, NOW, REFRESH);
	STEP(&s, NOW, ANSWER, .serial = 6);
	STEP(&s, NOW, RECEIVED, .serial = 6, .timers = timers, .gate = SECONDARY_GATE_CHECK);
	assert_int_equal(STEP(&s, NOW, RETRANSFER).what, 0);
	assert_int_equal(STEP(&s, NOW, CHECKED, .serial = 6, .timers = timers).what, PUBLISH | OK | TRANSFER);
}

/* --- pinned to the primary that the version is from --- */

#define TOLERANCE_MS 7200000
#define ELSEWHERE    SECONDARY_NOTE_ELSEWHERE
#define PIN_MOVED    SECONDARY_NOTE_PIN_MOVED

static const struct secondary_caps pinning = {.pin_tolerance = TOLERANCE_MS / 1000};

/* Three primaries; version 5 is from the second, the first having failed. */
static void load_pinned(struct secondary *s)
{
	secondary_init(s, 3, &pinning);
	STEP(s, NOW, START);
	assert_int_equal(STEP(s, NOW, NOT_RECEIVED).primary, 1);
	assert_int_equal(STEP(s, NOW, RECEIVED, .serial = 5, .timers = timers).what, PUBLISH | OK);
	assert_true(s->has_pinned);
	assert_int_equal(s->pinned, 1);
}

/* A round by NOTIFY of the first primary, which has 6; the others have 5. */
static struct secondary_actions newer_elsewhere(struct secondary *s, int64_t at)
{
	struct secondary_actions a = STEP(s, at, NOTIFY, .primary = 0, .has_serial = true, .serial = 6);

	assert_int_equal(a.what, QUERY);
	assert_int_equal(a.primary, 1);
	a = STEP(s, at, ANSWER, .serial = 5);
	assert_int_equal(a.what, QUERY);
	assert_int_equal(a.primary, 0);
	return STEP(s, at, ANSWER, .serial = 6);
}

static void a_round_begins_with_the_pinned_primary(void **state)
{
	struct secondary s;
	struct secondary_actions a;

	load_pinned(&s);
	a = STEP(&s, NOW + REFRESH_MS, TIMER);
	assert_int_equal(a.what, QUERY);
	assert_int_equal(a.primary, 1);
	STEP(&s, NOW + REFRESH_MS, ANSWER, .serial = 5);
	assert_int_equal(STEP(&s, NOW + REFRESH_MS, RETRANSFER).primary, 1);
}

static void a_newer_version_elsewhere_waits_for_the_pinned_primary(void **state)
{
	struct secondary s;
	struct secondary_actions a;

	load_pinned(&s);
	a = newer_elsewhere(&s, NOW);
	assert_int_equal(a.what, QUERY | ELSEWHERE);
	assert_int_equal(a.primary, 2);
	assert_int_equal(STEP(&s, NOW, ANSWER, .serial = 5).what, OK | AHEAD);
	assert_int_equal(secondary_pin_moves_at(&s), NOW + TOLERANCE_MS);
	/* It has got it: by differences, and the clock is back. */
	assert_int_equal(STEP(&s, s.check_at, TIMER).primary, 1);
	a = STEP(&s, NOW + 1000, ANSWER, .serial = 6);
	assert_int_equal(a.what, TRANSFER);
	assert_int_equal(a.primary, 1);
	assert_false(s.whole);
	assert_int_equal(STEP(&s, NOW + 1000, RECEIVED, .serial = 6, .timers = timers).what, PUBLISH | OK);
	assert_int_equal(s.pinned, 1);
	assert_int_equal(secondary_pin_moves_at(&s), NEVER);
}

static void after_the_tolerance_the_whole_zone_comes_from_elsewhere(void **state)
{
	struct secondary s;
	struct secondary_actions a;
	int64_t at;

	load_pinned(&s);
	newer_elsewhere(&s, NOW);
	STEP(&s, NOW, ANSWER, .serial = 5);
	/* What a NOTIFY tells is forgotten sooner; then the timer is REFRESH, and the tolerance. */
	for (at = s.check_at; at < NOW + TOLERANCE_MS; at = s.check_at) {
		a = STEP(&s, at, TIMER);
		assert_int_equal(a.what, QUERY);
		assert_int_equal(a.primary, 1);
		STEP(&s, at, ANSWER, .serial = 5);
		assert_int_equal(STEP(&s, at, ANSWER, .serial = 6).what, QUERY | ELSEWHERE);
		STEP(&s, at, ANSWER, .serial = 5);
		assert_int_equal(s.activity, IDLE);
	}
	assert_int_equal(at, NOW + TOLERANCE_MS);
	STEP(&s, at, TIMER);
	STEP(&s, at, ANSWER, .serial = 5);
	a = STEP(&s, at, ANSWER, .serial = 6);
	assert_int_equal(a.what, TRANSFER);
	assert_int_equal(a.primary, 0);
	assert_true(s.whole);
	assert_int_equal(STEP(&s, at, RECEIVED, .serial = 6, .timers = timers).what,
			 PUBLISH | OK | PIN_MOVED);
	assert_int_equal(s.pinned, 0);
}

static void the_tolerance_runs_while_the_pinned_primary_is_away(void **state)
{
	struct secondary s;
	struct secondary_actions a;

	load_pinned(&s);
	STEP(&s, NOW, REFRESH);
	STEP(&s, NOW, NO_ANSWER);
	assert_int_equal(STEP(&s, NOW, ANSWER, .serial = 6).what, QUERY | ELSEWHERE);
	assert_int_equal(STEP(&s, NOW, NO_ANSWER).what, FAILED);
	assert_int_equal(s.check_at, NOW + RETRY_MS);
	STEP(&s, NOW + TOLERANCE_MS, TIMER);
	STEP(&s, NOW + TOLERANCE_MS, NO_ANSWER);
	a = STEP(&s, NOW + TOLERANCE_MS, ANSWER, .serial = 6);
	assert_int_equal(a.what, TRANSFER);
	/* That fails too: it is a matter of RETRY. */
	STEP(&s, NOW + TOLERANCE_MS, NOT_RECEIVED);
	assert_int_equal(STEP(&s, NOW + TOLERANCE_MS, NO_ANSWER).what, FAILED);
	assert_int_equal(s.check_at, NOW + TOLERANCE_MS + RETRY_MS);
}

static void what_was_newer_elsewhere_and_is_gone_moves_nothing(void **state)
{
	struct secondary s;

	load_pinned(&s);
	newer_elsewhere(&s, NOW);
	STEP(&s, NOW, ANSWER, .serial = 5);
	STEP(&s, NOW + 1000, REFRESH);
	STEP(&s, NOW + 1000, ANSWER, .serial = 5);
	STEP(&s, NOW + 1000, ANSWER, .serial = 5);
	STEP(&s, NOW + 1000, ANSWER, .serial = 5);
	assert_int_equal(s.activity, IDLE);
	assert_int_equal(secondary_pin_moves_at(&s), NEVER);
}

static void a_zone_does_not_expire_for_its_pin(void **state)
{
	static const struct secondary_caps week = {.pin_tolerance = 604800};
	struct secondary s;

	load_pinned(&s);
	s.caps = &week;
	STEP(&s, NOW, REFRESH);
	STEP(&s, NOW, NO_ANSWER);
	STEP(&s, NOW, ANSWER, .serial = 6);
	STEP(&s, NOW, NO_ANSWER);
	assert_int_equal(secondary_pin_moves_at(&s), NOW + EXPIRE_MS - RETRY_MS);
	STEP(&s, NOW + EXPIRE_MS - RETRY_MS, TIMER);
	STEP(&s, NOW + EXPIRE_MS - RETRY_MS, NO_ANSWER);
	assert_int_equal(STEP(&s, NOW + EXPIRE_MS - RETRY_MS, ANSWER, .serial = 6).what, TRANSFER);
}

static void an_expired_zone_is_taken_whole_from_whoever_answers(void **state)
{
	struct secondary s;
	struct secondary_actions a;

	load_pinned(&s);
	assert_int_equal(STEP(&s, NOW + EXPIRE_MS, TIMER).what, WITHDRAW | QUERY);
	a = STEP(&s, NOW + EXPIRE_MS, ANSWER, .serial = 6);
	assert_int_equal(a.what, TRANSFER);
	assert_int_equal(a.primary, 0);
	assert_true(s.whole);
}

static void another_content_elsewhere_is_no_reason_to_transfer(void **state)
{
	struct secondary s;

	load_pinned(&s);
	STEP(&s, NOW, REFRESH);
	STEP(&s, NOW, NO_ANSWER);
	assert_int_equal(STEP(&s, NOW, ANSWER, .serial = 5, .differs = true).what, OK);
	STEP(&s, NOW, REFRESH);
	assert_int_equal(STEP(&s, NOW, ANSWER, .serial = 5, .differs = true).what, TRANSFER);
}

static void a_direct_request_is_for_the_pinned_primary_only(void **state)
{
	struct secondary s;

	load_pinned(&s);
	assert_int_equal(
		STEP(&s, NOW, NOTIFY, .primary = 0, .has_serial = true, .serial = 6, .direct = true).what,
		QUERY);
	load_pinned(&s);
	assert_int_equal(
		STEP(&s, NOW, NOTIFY, .primary = 1, .has_serial = true, .serial = 6, .direct = true).what,
		TRANSFER);
	assert_false(s.whole);
}

static void what_an_operator_accepts_pins_to_whom_it_is_from(void **state)
{
	struct secondary s;

	load_pinned(&s);
	STEP(&s, NOW, RETRANSFER);
	assert_int_equal(STEP(&s, NOW, NOT_RECEIVED).primary, 0);
	STEP(&s, NOW, RECEIVED, .serial = 6, .timers = timers, .gate = SECONDARY_GATE_HOLD);
	assert_int_equal(s.pinned, 1);
	assert_int_equal(STEP(&s, NOW, ACCEPT, .serial = 6, .timers = timers).what, PUBLISH_HELD | PIN_MOVED);
	assert_int_equal(s.pinned, 0);
}

static void an_expired_zone_recovers_through_a_failed_attempt(void **state)
{
	struct secondary s;
	int64_t now = NOW + EXPIRE_MS;
	struct secondary_actions a;

	load(&s, 1, 5);
	STEP(&s, now, TIMER);
	assert_int_equal(STEP(&s, now, NO_ANSWER).what, FAILED);
	now = secondary_timer(&s);
	assert_int_equal(STEP(&s, now, TIMER).what, QUERY);
	STEP(&s, now, ANSWER, .serial = 3);
	assert_int_equal(STEP(&s, now, NOT_RECEIVED).what, FAILED);
	assert_int_equal(s.content, EXPIRED);
	now = secondary_timer(&s);
	STEP(&s, now, TIMER);
	a = STEP(&s, now, ANSWER, .serial = 5);
	assert_int_equal(a.what, REPUBLISH | OK);
	assert_int_equal(s.expire_at, now + EXPIRE_MS);
}

/* --- several primaries that say there is news --- */

/* One has told of 6, the other (as PowerDNS does) of no serial, while the zone was being asked about. */
static void a_blind_notify_of_one_primary_does_not_hide_the_hint_of_another(void **state)
{
	struct secondary s;
	struct secondary_actions a;

	load(&s, 2, 5);
	STEP(&s, NOW, REFRESH);
	STEP(&s, NOW, NOTIFY, .primary = 0, .has_serial = true, .serial = 6);
	STEP(&s, NOW, NOTIFY, .primary = 1);
	a = STEP(&s, NOW, ANSWER, .serial = 5);
	assert_int_equal(a.what, OK | QUERY);
	assert_int_equal(a.primary, 1);
	a = STEP(&s, NOW, ANSWER, .serial = 5);
	assert_int_equal(a.what, QUERY);
	assert_int_equal(a.primary, 0);
	assert_int_equal(STEP(&s, NOW, ANSWER, .serial = 6).what, TRANSFER);
}

static void blind_notifies_of_two_primaries_are_followed_to_both(void **state)
{
	struct secondary s;
	struct secondary_actions a;

	load(&s, 3, 5);
	STEP(&s, NOW, REFRESH);
	STEP(&s, NOW, NOTIFY, .primary = 1);
	STEP(&s, NOW, NOTIFY, .primary = 2);
	assert_int_equal(STEP(&s, NOW, ANSWER, .serial = 5).primary, 2);
	assert_int_equal(STEP(&s, NOW, ANSWER, .serial = 5).primary, 0);
	assert_int_equal(STEP(&s, NOW, ANSWER, .serial = 5).primary, 1);
	a = STEP(&s, NOW, ANSWER, .serial = 5);
	assert_int_equal(a.what, OK);
	/* The next round is like any other. */
	STEP(&s, NOW, REFRESH);
	assert_int_equal(STEP(&s, NOW, ANSWER, .serial = 5).what, OK);
}

/* The question to the second stands in a queue, and the first says that it has something. */
static void a_notify_is_not_lost_to_the_queue_of_another_primary(void **state)
{
	struct secondary s;
	struct secondary_actions a;

	load(&s, 2, 5);
	assert_int_equal(STEP(&s, NOW, NOTIFY, .primary = 1).primary, 1);
	a = STEP(&s, NOW, NOTIFY, .primary = 0, .waiting = true);
	assert_int_equal(a.what, QUERY);
	assert_int_equal(a.primary, 0);
	/* Both are asked now; nobody can send it from queue to queue. */
	assert_int_equal(STEP(&s, NOW, NOTIFY, .primary = 1, .waiting = true).what, 0);
	a = STEP(&s, NOW, ANSWER, .serial = 5);
	assert_int_equal(a.what, QUERY);
	assert_int_equal(a.primary, 1);
	assert_int_equal(STEP(&s, NOW, ANSWER, .serial = 6).what, TRANSFER);
}

/* --- versions held --- */

/* Ours is 10, 5 is held, and the operator goes back to 9 before it accepts. */
static void what_is_held_can_be_accepted_after_a_rollback(void **state)
{
	struct secondary s;

	load(&s, 1, 10);
	STEP(&s, NOW, RETRANSFER);
	STEP(&s, NOW, RECEIVED, .serial = 5, .timers = timers, .gate = SECONDARY_GATE_HOLD);
	STEP(&s, NOW, ROLLBACK, .serial = 9, .timers = timers);
	assert_true(s.held);
	assert_int_equal(STEP(&s, NOW, ACCEPT, .serial = 5, .timers = timers).what, PUBLISH_HELD);
	assert_int_equal(s.serial, 5);
}

static void another_content_held_under_our_serial_does_not_let_ours_expire(void **state)
{
	struct secondary s;

	load(&s, 1, 5);
	STEP(&s, NOW, RETRANSFER);
	STEP(&s, NOW, RECEIVED, .serial = 5, .timers = timers, .gate = SECONDARY_GATE_HOLD);
	STEP(&s, NOW + EXPIRE_MS, TIMER);
	assert_int_equal(s.content, EXPIRED);
	assert_int_equal(STEP(&s, NOW + EXPIRE_MS, ANSWER, .serial = 5).what, REPUBLISH | OK);
	STEP(&s, NOW + EXPIRE_MS, REFRESH);
	/* Where it is looked at, it stays turned down. */
	assert_int_equal(STEP(&s, NOW + EXPIRE_MS, ANSWER, .serial = 5, .differs = true).what, OK);
}

/* --- other primaries --- */

#define GONE SECONDARY_GONE

/* load_pinned: three primaries, pinned to the second, which has serial 5. */
static void primaries_that_change_places_stay_who_they_are(void **state)
{
	static const uint16_t swapped[] = {1, 0, 2};
	struct secondary s;

	load_pinned(&s);
	STEP(&s, NOW, REFRESH);
	assert_int_equal(s.asked, 1);
	assert_int_equal(STEP(&s, NOW, PRIMARIES, .places = swapped, .primary_cnt = 3).what, 0);
	assert_int_equal(s.asked, 0);
	assert_int_equal(s.pinned, 0);
	/* The others are next in the round that runs. */
	assert_int_equal(STEP(&s, NOW, NO_ANSWER).primary, 1);
	assert_int_equal(STEP(&s, NOW, NO_ANSWER).primary, 2);
	assert_int_equal(STEP(&s, NOW, NO_ANSWER).what, FAILED);
}

static void a_zone_with_other_primaries_asks_them_at_once(void **state)
{
	static const uint16_t places[] = {GONE, 0, GONE};
	struct secondary s;

	load_pinned(&s);
	STEP(&s, NOW, PRIMARIES, .places = places, .primary_cnt = 1);
	assert_int_equal(secondary_timer(&s), NOW);
	assert_int_equal(STEP(&s, NOW, TIMER).primary, 0);
	assert_true(s.has_pinned);
	STEP(&s, NOW, ANSWER, .serial = 5);
	STEP(&s, NOW, PRIMARIES, .places = (const uint16_t[]){GONE}, .primary_cnt = 3);
	assert_int_equal(s.pinned, GONE);
	assert_int_equal(secondary_timer(&s), NOW);
}

/* Nobody is left whom it is worth waiting for, but what others have does not follow from ours. */
static void what_is_newer_is_taken_whole_and_at_once_when_the_pinned_primary_is_gone(void **state)
{
	static const uint16_t places[] = {0, GONE, 1}, again[] = {1, 0};
	struct secondary s;

	load_pinned(&s);
	STEP(&s, NOW, PRIMARIES, .places = places, .primary_cnt = 2);
	STEP(&s, NOW, PRIMARIES, .places = again, .primary_cnt = 2);
	/* No differences without a question. */
	assert_int_equal(
		STEP(&s, NOW, NOTIFY, .primary = 0, .has_serial = true, .serial = 6, .direct = true).what,
		QUERY);
	assert_int_equal(STEP(&s, NOW, ANSWER, .serial = 6).what, TRANSFER);
	assert_true(s.whole);
	STEP(&s, NOW, RECEIVED, .serial = 6, .timers = timers);
	assert_int_equal(s.pinned, 0);
}

/* The operator accepts what is from a primary that is gone meanwhile. */
static void what_is_held_from_a_primary_that_is_gone_pins_to_nobody(void **state)
{
	static const uint16_t places[] = {GONE, 0, 1};
	struct secondary s;

	load_pinned(&s);
	STEP(&s, NOW, RETRANSFER);
	assert_int_equal(STEP(&s, NOW, NOT_RECEIVED).primary, 0);
	STEP(&s, NOW, RECEIVED, .serial = 6, .timers = timers, .gate = SECONDARY_GATE_HOLD);
	STEP(&s, NOW, PRIMARIES, .places = places, .primary_cnt = 2);
	assert_int_equal(s.pinned, 0);
	STEP(&s, NOW, ACCEPT, .serial = 6, .timers = timers);
	assert_int_equal(s.pinned, GONE);
}

static void a_question_to_a_primary_that_is_gone_is_put_to_another_in_the_same_round(void **state)
{
	static const uint16_t places[] = {GONE, 0, 1};
	struct secondary s;
	struct secondary_actions a;
	uint32_t wait;

	load(&s, 3, 5);
	wait = STEP(&s, NOW, REFRESH).wait_round;
	a = STEP(&s, NOW, PRIMARIES, .places = places, .primary_cnt = 2);
	assert_int_equal(a.what, CANCEL | QUERY);
	assert_int_equal(a.primary, 0);
	a = STEP(&s, NOW, ANSWER, .serial = 5);
	assert_int_equal(a.what, OK);
	assert_int_equal(a.ended_round, wait);
	/* One that waits in a queue needs no end. */
	STEP(&s, NOW, REFRESH);
	a = STEP(&s, NOW, PRIMARIES, .places = places, .primary_cnt = 2, .waiting = true);
	assert_int_equal(a.what, QUERY);
}

static void a_transfer_from_a_primary_that_is_gone_ends_and_begins_anew_elsewhere(void **state)
{
	static const uint16_t places[] = {GONE, 0}, stays[] = {0};
	struct secondary s;
	struct secondary_actions a;
	uint32_t wait;

	load(&s, 2, 5);
	wait = STEP(&s, NOW, REFRESH).wait_round;
	STEP(&s, NOW, ANSWER, .serial = 6);
	a = STEP(&s, NOW, PRIMARIES, .places = places, .primary_cnt = 1);
	assert_int_equal(a.what, CANCEL);
	/* Said once. */
	assert_int_equal(STEP(&s, NOW, PRIMARIES, .places = stays, .primary_cnt = 1).what, 0);
	a = STEP(&s, NOW, NOT_RECEIVED, .fall_back = true);
	assert_int_equal(a.what, QUERY);
	assert_int_equal(a.primary, 0);
	STEP(&s, NOW, ANSWER, .serial = 6);
	a = STEP(&s, NOW, RECEIVED, .serial = 6, .timers = timers);
	assert_int_equal(a.what, PUBLISH | OK);
	assert_int_equal(a.ended_round, wait);
}

/* It is another one that has the name now. */
static void a_primary_that_has_moved_is_asked_anew(void **state)
{
	static const uint16_t stays[] = {0};
	struct secondary s;
	struct secondary_actions a;

	load(&s, 1, 5);
	STEP(&s, NOW, RETRANSFER);
	a = STEP(&s, NOW, PRIMARIES, .places = stays, .primary_cnt = 1, .gone = true);
	assert_int_equal(a.what, CANCEL);
	/* What the operator has ordered is still to be done. */
	assert_int_equal(STEP(&s, NOW, NOT_RECEIVED).what, TRANSFER);
	assert_int_equal(STEP(&s, NOW, RECEIVED, .serial = 5, .timers = timers).what, PUBLISH | OK);
}

/* A NOTIFY without a serial waits in the queue of who sent it. */
static void a_reload_does_not_forget_who_has_sent_a_notify(void **state)
{
	static const uint16_t places[] = {0, 1};
	struct secondary s;
	struct secondary_actions a;

	load(&s, 2, 5);
	assert_int_equal(STEP(&s, NOW, NOTIFY, .primary = 1).primary, 1);
	a = STEP(&s, NOW, PRIMARIES, .places = places, .primary_cnt = 3, .waiting = true);
	assert_int_equal(a.what, QUERY);
	assert_int_equal(a.primary, 1);
	assert_int_equal(STEP(&s, NOW, ANSWER, .serial = 5).primary, 0);
	assert_int_equal(STEP(&s, NOW, ANSWER, .serial = 5).primary, 2);
	assert_int_equal(STEP(&s, NOW, ANSWER, .serial = 5).what, OK);
}

static void what_is_checked_is_dropped_when_its_primary_is_gone(void **state)
{
	static const uint16_t places[] = {GONE, 0};
	struct secondary s;
	struct secondary_actions a;

	load(&s, 2, 5);
	STEP(&s, NOW, REFRESH);
	STEP(&s, NOW, ANSWER, .serial = 6);
	STEP(&s, NOW, RECEIVED, .serial = 6, .timers = timers, .gate = SECONDARY_GATE_CHECK);
	assert_int_equal(STEP(&s, NOW, PRIMARIES, .places = places, .primary_cnt = 1).what, 0);
	a = STEP(&s, NOW, CHECKED, .serial = 6, .timers = timers);
	assert_int_equal(a.what, DISCARD | QUERY);
	assert_int_equal(s.serial, 5);
}

static void timers_that_are_longer_than_they_may_be_now_are_cut(void **state)
{
	struct secondary_caps caps = {.refresh_max = 60, .expire_max = 7200};
	struct secondary s;

	load(&s, 1, 5);
	s.check_at = NOW + REFRESH_MS;
	s.caps = &caps;
	assert_int_equal(STEP(&s, NOW, CAPS).what, 0);
	assert_int_equal(s.check_at, NOW + 60000);
	assert_int_equal(s.expire_at, NOW + 7200000);
	caps = (struct secondary_caps){.refresh_max = 86400};
	STEP(&s, NOW, CAPS);
	assert_int_equal(s.check_at, NOW + 60000);
}

/* For four at most: some are gone, no two are in the same place. */
static void random_places(uint16_t places[4], uint16_t cnt, unsigned *seed)
{
	uint16_t from = (uint16_t)(rand_r(seed) % 4);

	for (uint16_t i = 0; i < 4; i++) {
		uint16_t to = (uint16_t)((from + i) % 4);

		places[i] = to < cnt && rand_r(seed) % 3 != 0 ? to : GONE;
	}
}

/* Whatever happens in whatever order, the invariants of the header hold. */
static void invariants_hold_for_random_events(void **state)
{
	static const struct secondary_caps best = {.best_serial = true};
	unsigned seed = 1, i, round;

	for (round = 0; round < 200; round++) {
		struct secondary s;
		int64_t now = NOW;
		uint16_t cnt = (uint16_t)(1 + rand_r(&seed) % 4);
		bool started = false;

		secondary_init(&s, cnt, round % 2 == 0 ? &no_caps : &best);
		for (i = 0; i < 2000; i++) {
			struct secondary_event e = {
				.kind = started ? (enum secondary_event_kind)(rand_r(&seed) %
									      (SECONDARY_EV_CAPS + 1))
						: SECONDARY_EV_START,
				.primary = (uint16_t)(rand_r(&seed) % cnt),
				.has_serial = rand_r(&seed) % 2,
				.waiting = rand_r(&seed) % 4 == 0,
				.serial = s.serial + (uint32_t)(rand_r(&seed) % 5) - 2,
				.random = (uint32_t)rand_r(&seed) * 2,
				.now = now,
				.timers = timers,
				.gate = (uint8_t)(rand_r(&seed) % 3),
				.direct = rand_r(&seed) % 2,
				.again = rand_r(&seed) % 4 == 0,
				.differs = rand_r(&seed) % 4 == 0,
				.has_expire = rand_r(&seed) % 2,
				.expire = (uint32_t)(rand_r(&seed) % 100),
			};
			bool held = s.held;
			int content = s.content, activity = s.activity;
			struct secondary_actions a;
			uint16_t places[4];

			if (e.kind == SECONDARY_EV_PRIMARIES) {
				cnt = e.primary_cnt = (uint16_t)(1 + rand_r(&seed) % 4);
				e.places = places;
				e.gone = rand_r(&seed) % 4 == 0;
				random_places(places, cnt, &seed);
			}
			if (started && e.kind == SECONDARY_EV_START)
				e.kind = SECONDARY_EV_TIMER;
			started = true;
			a = secondary_step(&s, &e);
			if (s.content != content)
				assert_int_not_equal(a.what & (PUBLISH | WITHDRAW | REPUBLISH | PUBLISH_HELD |
							       PUBLISH_KEPT),
						     0);
			if (a.what & PUBLISH)
				assert_true((e.kind == SECONDARY_EV_RECEIVED && activity == TRANSFERRING) ||
					    (e.kind == SECONDARY_EV_CHECKED && activity == CHECKING));
			/* One version waits at most, and none is lost. */
			if (a.what & (PUBLISH_HELD | DROP_HELD))
				assert_true(held);
			assert_int_equal(s.held,
					 (a.what & HOLD) != 0 ||
						 (held && (a.what & (PUBLISH_HELD | DROP_HELD)) == 0));
			assert_true(!s.held || s.has_barred);
			if (a.what & REPUBLISH)
				assert_int_equal(content, EXPIRED);
			/* Idle means that there is a time at which it goes on. */
			if (s.activity == IDLE)
				assert_true(secondary_timer(&s) < NEVER);
			assert_true(s.asked < cnt);
			assert_int_not_equal(a.what & (QUERY | TRANSFER), QUERY | TRANSFER);
			now += rand_r(&seed) % 3 == 0 ? rand_r(&seed) % 100000000 : rand_r(&seed) % 2000;
		}
	}
}

int main(void)
{
	static struct CMUnitTest tests[sizeof(rows) / sizeof(rows[0]) + 96];
	size_t cnt = 0;
	const struct CMUnitTest scenarios[] = {
		cmocka_unit_test(differences_are_wanted_only_where_they_can_help),
		cmocka_unit_test(what_was_rolled_back_stays_back_until_a_newer_version_comes),
		cmocka_unit_test(a_zone_can_expire_while_a_check_runs_and_comes_back_by_it),
		cmocka_unit_test(of_several_primaries_the_newest_version_is_taken_if_so_configured),
		cmocka_unit_test(what_comes_under_our_serial_is_published_only_when_asked_for),
		cmocka_unit_test(bootstrap_backs_off_by_the_square_up_to_two_hours),
		cmocka_unit_test(bootstrap_back_off_is_spread),
		cmocka_unit_test(notify_and_operator_reset_the_back_off),
		cmocka_unit_test(refresh_timer_comes_at_90_to_100_percent),
		cmocka_unit_test(the_jitter_of_the_longest_timers_does_not_overflow),
		cmocka_unit_test(timers_are_held_within_the_configured_bounds),
		cmocka_unit_test(expire_counts_from_the_last_contact),
		cmocka_unit_test(all_primaries_behind_let_the_zone_expire),
		cmocka_unit_test(the_timer_is_the_earlier_of_check_and_expire),
		cmocka_unit_test(a_deferred_notify_is_acted_on_after_the_query),
		cmocka_unit_test(a_deferred_notify_is_dropped_when_the_transfer_brought_its_serial),
		cmocka_unit_test(a_deferred_notify_without_serial_is_never_dropped),
		cmocka_unit_test(many_notifies_during_a_transfer_make_one_more_query),
		cmocka_unit_test(a_notified_serial_not_there_is_asked_for_after_1_2_4_8_s_and_forgotten),
		cmocka_unit_test(the_wait_for_a_notified_serial_is_capped_by_retry),
		cmocka_unit_test(a_notified_serial_that_comes_while_waiting_ends_the_wait),
		cmocka_unit_test(a_notified_serial_is_looked_for_at_the_other_primaries),
		cmocka_unit_test(repeated_notifies_do_not_use_up_the_tries),
		cmocka_unit_test(a_flood_of_notifies_makes_a_bounded_number_of_queries),
		cmocka_unit_test(a_primary_that_keeps_its_promises_is_never_held_back),
		cmocka_unit_test(the_round_asks_the_notifier_then_all_others_in_order),
		cmocka_unit_test(a_command_during_a_round_waits_for_the_right_one),
		cmocka_unit_test(a_retransfer_ends_the_transfer_that_runs_and_begins_anew_elsewhere),
		cmocka_unit_test(
			a_transfer_that_succeeds_before_it_is_ended_is_published_and_another_follows),
		cmocka_unit_test(a_retransfer_waits_for_the_verifier),
		cmocka_unit_test(a_round_begins_with_the_pinned_primary),
		cmocka_unit_test(a_newer_version_elsewhere_waits_for_the_pinned_primary),
		cmocka_unit_test(after_the_tolerance_the_whole_zone_comes_from_elsewhere),
		cmocka_unit_test(the_tolerance_runs_while_the_pinned_primary_is_away),
		cmocka_unit_test(what_was_newer_elsewhere_and_is_gone_moves_nothing),
		cmocka_unit_test(a_zone_does_not_expire_for_its_pin),
		cmocka_unit_test(an_expired_zone_is_taken_whole_from_whoever_answers),
		cmocka_unit_test(another_content_elsewhere_is_no_reason_to_transfer),
		cmocka_unit_test(a_direct_request_is_for_the_pinned_primary_only),
		cmocka_unit_test(what_an_operator_accepts_pins_to_whom_it_is_from),
		cmocka_unit_test(an_expired_zone_recovers_through_a_failed_attempt),
		cmocka_unit_test(a_blind_notify_of_one_primary_does_not_hide_the_hint_of_another),
		cmocka_unit_test(blind_notifies_of_two_primaries_are_followed_to_both),
		cmocka_unit_test(a_notify_is_not_lost_to_the_queue_of_another_primary),
		cmocka_unit_test(what_is_held_can_be_accepted_after_a_rollback),
		cmocka_unit_test(another_content_held_under_our_serial_does_not_let_ours_expire),
		cmocka_unit_test(primaries_that_change_places_stay_who_they_are),
		cmocka_unit_test(a_zone_with_other_primaries_asks_them_at_once),
		cmocka_unit_test(what_is_newer_is_taken_whole_and_at_once_when_the_pinned_primary_is_gone),
		cmocka_unit_test(what_is_held_from_a_primary_that_is_gone_pins_to_nobody),
		cmocka_unit_test(a_question_to_a_primary_that_is_gone_is_put_to_another_in_the_same_round),
		cmocka_unit_test(a_transfer_from_a_primary_that_is_gone_ends_and_begins_anew_elsewhere),
		cmocka_unit_test(a_primary_that_has_moved_is_asked_anew),
		cmocka_unit_test(a_reload_does_not_forget_who_has_sent_a_notify),
		cmocka_unit_test(what_is_checked_is_dropped_when_its_primary_is_gone),
		cmocka_unit_test(timers_that_are_longer_than_they_may_be_now_are_cut),
		cmocka_unit_test(invariants_hold_for_random_events),
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		tests[cnt++] = (struct CMUnitTest){
			.name = rows[i].claim, .test_func = check_row, .initial_state = (void *)&rows[i]};
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
		tests[cnt++] = scenarios[i];
	return _cmocka_run_group_tests("secondary", tests, cnt, NULL, NULL);
}
