/* A client as the engine and the rulebook know it, whatever its protocol. Created when a protocol reports CONNECT,
 * freed when its session is gone; the engine owns it, bindings read it and keep what belongs to Lua under its slot. */
#ifndef UMP_ENGINE_CLIENT_H
#define UMP_ENGINE_CLIENT_H

#include "base/addr.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/time.h"
#include "base/uuid.h"

struct ump_client {
  uint64_t serial;   /* 1, 2, 3...; never used twice, except after an early return of the same identity */
  uint32_t slot;     /* dense number, used again after the client is gone */
  uint32_t listener; /* index of the listener it came through */
  uint32_t session;  /* the protocol's handle */
  bool admitted;     /* connect said yes */
  bool leaving;      /* a kick is under way or the session is gone: nothing is delivered any more */

  /* The engine's own. Here, because every event needs it and what is above: one line of memory, or two. */
  bool lead_known;
  ump_time window_due; /* its share of the exactly-once window is used up to this time; see judge.c */
  int64_t lead[2];     /* how far its clock is behind ours, least seen in this span and the one before; see horizon.c */
  ump_time lead_since; /* when this span began */

  struct ump_uuid id;   /* the server's own, what rules may tell other players */
  const char *protocol; /* "neteria", a constant */
  struct ump_addr addr;
  char *name;          /* what it is logged in as, NUL-terminated, owned; NULL: nothing. At most 64 bytes of valid UTF-8
                          without control characters */
  char *version;       /* its own word, of the same kind, owned; NULL: it did not say (or said something else) */
  char *channel;       /* joint: the rulebook's channel that it is in, owned; NULL: its protocol has none */
  struct ump_list all; /* in the engine's list of clients, oldest first */

  /* The engine's own; nobody else reads or writes below here. */
  struct ump_list kicks;     /* in the queue of those to be kicked */
  struct ump_blob *farewell; /* the reason of the kick under way */
  uint64_t kicked_in;        /* the call into the rulebook that asked for its kick */
  struct ump_view *view;     /* what of the state it may see; NULL: nothing */
  uint64_t seen;             /* the version of the state that its view was evaluated for; 0: never, nothing goes out */
  struct ump__subscriber *subscription; /* NULL: none */
  uint64_t asked_in;                    /* the call that last asked for notifies to it */
  uint32_t asked;                       /* how many notifies that call has asked for */
};

#endif
