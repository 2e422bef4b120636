/* The recorder: stands between the engine and its protocols, and writes down what passes.
 *
 * A protocol that is wrapped works as before; each call goes through, and what an engine asks and answers leaves an
 * entry in a chunk of memory. Full chunks go to whoever keeps them. Nothing here waits, and nothing here is on the path
 * of a host that does not record.
 *
 * What is about persons: names, what clients send and are told, and client.data are recorded as they are. Passwords are
 * not, nor are addresses: both are replaced by pseudonyms under a key that is made for the run and never written, so
 * that the same address, and the same password of the same name, are the same pseudonym within one recording, and no
 * more can be known. */
#ifndef UMP_RECORD_TAP_H
#define UMP_RECORD_TAP_H

#include "base/hash.h"
#include "engine/engine.h"
#include "record/entry.h"

struct ump_tap;

struct ump_tap_chunk {
  uint8_t *p; /* of the tap's mem, cap bytes; whoever keeps it frees it */
  size_t n, cap;
  uint64_t events; /* entries of what came in */
  bool begins;     /* with a snapshot */
};

struct ump_tap_cfg {
  const struct ump_mem *mem;
  const struct ump_rng *rng; /* what the engine and rulebooks draw from; the tap's own key too. Borrowed */
  /* Takes a chunk over. False: there is no room for it; it is given up, and entries are counted as lost until the next
   * snapshot. Called from within any function of the tap's. */
  bool (*keep)(void *ctx, struct ump_tap_chunk *c);
  void *ctx;
  size_t chunk; /* bytes; 0: 256 KiB */
};

struct ump_tap *ump_tap_new(const struct ump_tap_cfg *cfg); /* NULL: no memory */
/* Hands over what there is. After the engine is freed. NULL is allowed. */
void ump_tap_free(struct ump_tap *t);

/* What the engine and VMs are given for chance: draws are recorded. */
struct ump_rng ump_tap_rng(struct ump_tap *t);
/* Wraps the next listener: *ops and *cfg become what ump_engine_listen is given. Listeners must be wrapped in the order
 * in which they are opened, all of them. The wrapped ops live as long as the tap. 0 or UMP_ENOMEM. */
int ump_tap_listen(struct ump_tap *t, const struct ump_proto_ops **ops, struct ump_proto_cfg *cfg);
/* For ump_engine_watch_timers. */
void ump_tap_timers(void *t, ump_time due, ump_time now, bool state);

/* An entry of the host's own. A snapshot begins a new chunk, and ends a time of lost entries. */
void ump_tap_put(struct ump_tap *t, const struct ump_entry *e);
/* The listeners there are, as entries: behind a snapshot. */
void ump_tap_put_listeners(struct ump_tap *t);
struct ump_addr ump_tap_pseudonym(const struct ump_tap *t, const struct ump_addr *a);
void ump_tap_seal(struct ump_tap *t); /* hands over the chunk under way, if there is anything in it */

struct ump_tap_stats {
  uint64_t events; /* of what came in */
  uint64_t bytes;
  uint64_t lost;  /* entries that there was no room for */
  uint64_t since; /* events since the last snapshot */
  uint64_t since_bytes;
  bool losing; /* until the next snapshot */
};
struct ump_tap_stats ump_tap_stats(const struct ump_tap *t);

#endif
