/*
 * Reading a file that holds secrets: only one that nobody else can have written or can read. One place, so that keys
 * and cookie secrets cannot differ in what they accept. Any thread; reads a file, so it may block.
 */
#pragma once

#include <stddef.h>

/*
 * Refuses a symbolic link, anything but a regular file, an owner other than root and us, permissions for all or to
 * write for the group, and more than len_max octets. what is how errors call the file ("key file"). Returns 0 with the
 * text on the heap (a NUL behind its *out_len octets), which secret_file_wipe gives back; or -errno with
 * "FILE: what is wrong" in error, cut to error_cap. No octet of the file is ever in an error.
 */
int secret_file_read(const char *path, const char *what, size_t len_max, char **out, size_t *out_len,
		     char *error, size_t error_cap);

/* Wipes and frees. */
void secret_file_wipe(char *text, size_t len);
