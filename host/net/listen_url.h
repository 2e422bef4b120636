/* SCHEME://HOST:PORT[?option=value&...]: what --listen and a rulebook's `listen` list name.
 *
 * HOST is an IPv4 address, an IPv6 address in brackets, or a name. Without :PORT the protocol's own port is meant; port
 * 0 lets the system pick one. Values may use %XX. Options are those of every listener (limit, per_address, attempts)
 * and those that the protocol names in its table; the same tables make the help text. */
#ifndef UMP_NET_LISTEN_URL_H
#define UMP_NET_LISTEN_URL_H

#include <stdio.h>

#include "proto/proto.h"

#define UMP_LISTEN_OPTIONS 24   /* of one protocol */
#define UMP_LISTEN_TEXT    1024 /* bytes of a URL */

struct ump_listen {
  const struct ump_proto_ops *ops;
  char host[256]; /* without brackets */
  bool bracketed; /* was an IPv6 literal */
  uint16_t port;
  uint32_t limit, per_address, attempts;
  /* Every option of the protocol, given or fallback, in the order of its table. Texts point into `text`. */
  struct ump_option_value values[UMP_LISTEN_OPTIONS];
  size_t n_values;
  char text[UMP_LISTEN_TEXT];
  size_t text_used;
};

/* The protocols this program speaks. */
struct ump_protocols {
  const struct ump_proto_ops *const *list;
  size_t n;
};

/* 0, or UMP_EINVAL with a message in error: what is wrong, and what would be right (several lines for an unknown
 * option). out holds pointers into itself: do not copy it. */
int ump_listen_parse(const struct ump_protocols *known, const char *url, struct ump_listen *out, char *error,
                     size_t cap);

/* "neteria://127.0.0.1:40080" */
#define UMP_LISTEN_NAME 96
void ump_listen_name(const struct ump_proto_ops *ops, const struct ump_addr *addr, char out[UMP_LISTEN_NAME]);

/* Finds the address of the host (asks the resolver for a name; blocks). 0, or UMP_EINVAL with a message. */
int ump_listen_resolve(const struct ump_listen *l, struct ump_addr *out, char *error, size_t cap);

/* The options of every listener and of each protocol, with fallbacks and meanings. */
void ump_listen_help(const struct ump_protocols *known, FILE *out);

#endif
