/*
 * Secrets of server cookies from a file that a fleet shares: one or two lines of 32 hexadecimal digits. The first makes
 * and verifies, the second, if any, only verifies (RFC 9018 5): to roll over, put the new one second everywhere, then
 * exchange them everywhere, wait for an hour, and drop the old one. Empty lines and what follows a # are passed over.
 *
 * Secrets are kept out of error texts. Any thread; reads a file, so it may block.
 */
#pragma once

#include "dataplane/answer/cookie.h"

#define COOKIE_FILE_ERROR_CAP 512

/*
 * Refuses what others could have written or could read: a symbolic link, anything but a regular file, an owner other
 * than root and us, permissions for all or to write for the group. Returns 0 with secret and secret_cnt of *out set; or
 * -errno with "FILE:LINE: what is wrong" in error and *out untouched.
 */
int cookie_file_load(const char *path, struct cookie_config *out, char error[COOKIE_FILE_ERROR_CAP]);
