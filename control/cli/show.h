/*
 * Results of commands for people. Each takes the "result" of an answer (PROTOCOL.md) and writes to stdout; what is
 * missing in it is shown as "-".
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

void show_status(const json_t *result);
/* rows: how many were shown before this part; 0 prints the heading. */
void show_zones(const json_t *result, size_t rows);
void show_zone(const json_t *zone);
void show_timing(const json_t *result);

/* What a decision of the operator's led to. */
void show_decided(const json_t *result);
void show_ordered(const json_t *result, bool waited); /* refresh, retransfer */
void show_stats(const json_t *result);
void show_trace(const json_t *result);
/* What is not 0. */
void show_port_stats(const json_t *result);
void show_offenders(const json_t *result);
void show_reload(const json_t *result);
void show_help(const json_t *result);
