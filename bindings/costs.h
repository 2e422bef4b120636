/* What each part of a rulebook costs: calls, verdicts, errors, and how much time and memory a call takes, by handler,
 * event name and protocol. Always on, so it has to cost next to nothing itself: every call is counted, but after the
 * first 64 of its kind only one in 16 is measured.
 *
 * Names come from strangers: a name has a row of its own once an event of that name was legal; all others, and those
 * that find no room or are longer than 32 bytes, are counted together. */
#ifndef UMP_BINDINGS_COSTS_H
#define UMP_BINDINGS_COSTS_H

#include "base/mem.h"
#include "base/time.h"
#include "bindings/rules.h"
#include "proto/proto.h"

/* What a call into the rulebook is for. */
enum ump_deed {
  UMP_DO_EVENT,
  UMP_DO_CONNECT,
  UMP_DO_DISCONNECT,
  UMP_DO_LOGIN,
  UMP_DO_TICK,
  UMP_DO_TIMER,
  UMP_DO_THREAD,
  UMP_DO_VIEW,
  UMP_N_DEEDS,
};
struct ump_cause {
  enum ump_deed deed;
  const struct ump_client *client; /* NULL: nobody's */
  const struct ump_event *event;   /* of UMP_DO_EVENT */
};

enum { UMP_COST_NAME = 32, UMP_COST_ROWS = 192 };

struct ump_cost_row;
struct ump_costs;

/* The call under way; on the caller's stack. */
struct ump_costing {
  struct ump_cost_row *row; /* NULL: there was no memory for it */
  bool measured;
  ump_time at;        /* if measured: when the part under way began */
  uint64_t allocated; /* and what the VM had allocated until then */
  unsigned part;      /* 0, then 1: an event's execute, behind its legal */
};

struct ump_costs *ump_costs_new(const struct ump_mem *mem); /* NULL: no memory */
void ump_costs_free(struct ump_costs *costs);               /* NULL is allowed */

/* allocated: what the VM has allocated in its life, in bytes (ump_vm_allocated). */
void ump_costs_begin(struct ump_costs *costs, const struct ump_cause *cause, uint64_t allocated,
                     struct ump_costing *out);
void ump_costs_next_part(struct ump_costing *c, uint64_t allocated); /* legal has said yes: execute begins */
/* verdict: of an event; failed: the call ended in an error, which counts for the part under way. */
void ump_costs_end(struct ump_costs *costs, const struct ump_cause *cause, struct ump_costing *c, uint64_t allocated,
                   enum ump_verdict verdict, bool failed);

/* Rows with calls, events first, in order of their names. */
void ump_costs_each(const struct ump_costs *costs, ump_rules_cost_fn *tell, void *ctx);

#endif
