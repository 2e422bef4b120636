/* A client as the engine and the rulebook know it, whatever its protocol. Created when a protocol reports CONNECT, freed when
 * its session is gone; the engine owns it, bindings read it and keep what belongs to Lua under its slot. */
#ifndef UMP_ENGINE_CLIENT_H
#define UMP_ENGINE_CLIENT_H

#include "base/addr.h"
#include "base/list.h"
#include "base/uuid.h"

struct ump_client {
  struct ump_uuid id;      /* the server's own, what rules may tell other players */
  uint64_t serial;         /* 1, 2, 3...; never used twice, except after an early return of the same identity */
  uint32_t slot;           /* dense number, used again after the client is gone */
  uint32_t listener;       /* index of the listener it came through */
  uint32_t session;        /* the protocol's handle */
  const char *protocol;    /* "neteria", a constant */
  struct ump_addr addr;
  char *name;              /* what it is logged in as, NUL-terminated, owned; NULL: nothing. At most 64 bytes */
  char *version;           /* its own word, NUL-terminated, owned; NULL: it did not say. At most 64 bytes */
  bool admitted;           /* connect said yes */
  bool leaving;            /* a kick is under way: nothing is delivered any more */
  struct ump_list all;     /* in the engine's list of clients, oldest first */
};

#endif
