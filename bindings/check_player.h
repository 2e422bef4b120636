/* A protocol without a wire, for `umpire check`: clients are made and say what they are told to, and what they are told
 * is dropped. One listener; the scheme is whatever the rulebook shall believe that its clients speak. */
#ifndef UMP_BINDINGS_CHECK_PLAYER_H
#define UMP_BINDINGS_CHECK_PLAYER_H

#include "engine/engine.h"

enum { UMP__PLAYERS = 16 };

struct ump__player {
  struct ump_proto_ops ops;
  struct ump_event pending;                 /* type UMP_EVENT_NONE: nothing */
  struct ump_client *clients[UMP__PLAYERS]; /* by session; NULL: refused, or gone */
  uint32_t listener;
};

/* Adds it to the engine, which borrows it. 0 or a negative enum ump_err */
int ump__player_listen(struct ump__player *p, struct ump_engine *e, const char *scheme, ump_time now);
/* What it says, with its effects, is over when this returns. */
void ump__player_say(struct ump__player *p, struct ump_engine *e, const struct ump_event *ev, ump_time now);

#endif
