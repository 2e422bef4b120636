/* The control socket: a unix socket of mode 0600 on which `umpire status`, `reload` and `stop` and a container's health
 * check talk to a running host. Each line that comes in is one JSON object ({"command":"status"}), each line that goes
 * out too. This file carries lines; what they mean is the host's business (the callback). */
#ifndef UMP_NET_CONTROL_H
#define UMP_NET_CONTROL_H

#include "net/loop.h"

#define UMP_CONTROL_LINE                                                                                               \
  16384                         /* bytes of a request, such as a line of the console; longer ones close the connection \
                                 */
#define UMP_CONTROL_PATH    108 /* what a unix socket's name may have, NUL included */
#define UMP_CONTROL_CLIENTS 16  /* connections at a time; further ones wait */

struct ump_control;
struct ump_control_conn;

struct ump_control_cfg {
  const char *path;
  /* One request. Answer with ump_control_reply, within this call, or later (ump_control_later). */
  void (*request)(void *ctx, struct ump_control_conn *c, struct ump_bytes line);
  void *ctx;
};

/* $UMPIRE_CONTROL, or $XDG_RUNTIME_DIR/umpire.sock, or /tmp/umpire-<uid>.sock. 0; UMP_EINVAL: longer than a socket's
 * name may be. */
int ump_control_default_path(char out[UMP_CONTROL_PATH]);

/* Takes the path. The socket of a host that is dead is replaced; a living one is an error. 0, or a negative errno with
 * a message that says what to do. */
int ump_control_open(struct ump_loop *l, const struct ump_control_cfg *cfg, struct ump_control **out, char *error,
                     size_t cap);
void ump_control_close(struct ump_control *c); /* removes the socket's file; before ump_loop_free; NULL is allowed */

/* Sends one line (the line feed is added); the bytes are copied. */
void ump_control_reply(struct ump_control_conn *c, struct ump_bytes line);

/* For an answer that takes its time: a number for the connection, by which it is found again. NULL: it is gone. */
uint64_t ump_control_later(struct ump_control_conn *c);
struct ump_control_conn *ump_control_find(struct ump_control *c, uint64_t ticket);

/* ---- the other end: blocks, needs no loop ---- */

int ump_control_connect(const char *path); /* a descriptor, or a negative errno */

/* Sends one request and waits for its reply, which is written to reply without its line feed and with a NUL;
 * until_gone: and then until the host has closed the connection, because it has ended. 0, or a negative errno with a
 * message that says what to do. */
int ump_control_ask(const char *path, struct ump_bytes request, ump_time at_most, bool until_gone, char *reply,
                    size_t reply_cap, char *error, size_t cap);

#endif
