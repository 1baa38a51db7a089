/*
 * A capture as a file that tcpdump and wireshark read: pcap with nanoseconds, Ethernet.
 */
#pragma once

#include <jansson.h>
#include <stdio.h>

/* "-": the standard output. NULL and errno when it cannot be made. Closed by pcap_close. */
FILE *pcap_open(const char *path);
/* Appends the "frames" of a part of an answer (PROTOCOL.md). Returns how many, or -1 when one of them makes no sense. */
int pcap_append(FILE *f, const json_t *part);
/* Returns 0, or -1 and errno when something could not be written. */
int pcap_close(FILE *f);
