/*
 * The parts of config_load: from the text of the file (config_schema.h) to struct config, with everything that is wrong
 * going to errors. Each returns 0 or -ENOMEM; what is half done is freed by config_free.
 */
#pragma once

#include "control/config.h"
#include "control/config_errors.h"
#include "control/config_schema.h"

int config_read_server(const struct raw_config *raw, struct config *c, struct config_errors *e);
int config_read_answer(const struct raw_config *raw, struct config *c, struct config_errors *e);
int config_read_dataplane(const struct raw_config *raw, struct config *c, struct config_errors *e);
int config_read_keys(const struct raw_config *raw, struct config *c, struct config_errors *e);
int config_read_tls(const struct raw_config *raw, struct config *c, struct config_errors *e);
int config_read_primaries(const struct raw_config *raw, struct config *c, struct config_errors *e);
int config_read_zones(const struct raw_config *raw, struct config *c, struct config_errors *e);

/* A UNIX socket's path: absolute, and short enough for sockaddr_un. False when it was bad. */
struct config_value;
bool config_read_socket_path(const struct config_value *v, char *out, size_t cap);
