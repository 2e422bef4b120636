/* What a rulebook supplies: a struct of functions. bindings/ fills it with Lua functions, tests with C functions.
 * The engine calls one function at a time and never from inside another. */
#ifndef UMP_ENGINE_RULEBOOK_H
#define UMP_ENGINE_RULEBOOK_H

#include "engine/client.h"
#include "proto/proto.h"

struct ump_judgement {
  enum ump_verdict verdict;
  struct ump_bytes reason; /* borrowed until the next call into the rulebook */
  struct ump_bytes data;   /* execute's return in the protocol's encoding; the same */
};

struct ump_rulebook_ops {
  /* Every function returns a negative enum ump_err when it failed (an error, a blown budget; already logged):
   * the engine then drops all effects of that call. */
  int (*connect)(void *self, struct ump_client *c, struct ump_bytes *reason); /* 1: admitted, 0: refused */
  /* legal, then execute */
  int (*judge)(void *self, struct ump_client *c, const struct ump_event *ev, struct ump_judgement *out);
  int (*disconnect)(void *self, struct ump_client *c, struct ump_bytes reason);
  /* create: the client wants a new account, and to be logged in with it. 1: yes, 0: no, UMP_ENOSUPPORT: the rulebook
   * has no login */
  int (*login)(void *self, struct ump_client *c, struct ump_bytes name, struct ump_bytes password, bool create,
               struct ump_bytes *reason);
  /* dt: 1 / tick_rate; after a stall there is one more, for all that was missed */
  int (*tick)(void *self, ump_time dt);
  /* 1 (of one that does not repeat): it did nothing, for others come first. It is called again in the next run of the
   * timers, after all that are due by now; in between the host looks at its sockets. */
  int (*timer)(void *self, uint64_t id);
  /* What the client may see of the state: plain data for ump__view_make of view.h, borrowed until the next call. Must
   * ask for nothing. May be NULL; asked only when `views` is set */
  int (*view)(void *self, struct ump_client *c, struct ump_bytes *plain);
  /* Not a call into the rulebook: makes the notice that tells a client of the state, which plain is, in the encoding of
   * its protocol; borrowed until the next call. 0, UMP_ENOSUPPORT, UMP_ENOMEM. May be NULL: nobody can subscribe */
  int (*tell)(void *self, const struct ump_client *c, struct ump_bytes plain, struct ump_notice *out);
  /* An event of this client will be judged soon: steps 0 and 1, some events apart, call for what of it is in memory. */
  void (*expect)(const void *self, const struct ump_client *c, int step); /* may be NULL */
  /* These two let go and do no more: they ask nothing of the engine, and a judgement's reason and data outlive them. */
  /* Fired for the last time, cancelled or never came to be. */
  void (*timer_gone)(void *self, uint64_t id);
  void (*forget)(void *self, struct ump_client *c); /* the client is about to be freed; also one that connect refused */
};

struct ump_rulebook {
  const struct ump_rulebook_ops *ops;
  void *self;
  bool views;              /* it decides who may see what of the state; else all see everything */
  double tick_rate;        /* Hz, at most 1000; 0: no ticks. Read when it is put in place */
  struct ump_bytes config; /* what it declares for protocols, for ops->configure of proto.h; may be empty. Must stay */
};

#endif
