/* Judged once, executed once: which events have been judged lately, and how.
 *
 * A cell of 16 bytes per event: a 64-bit fingerprint of (serial, id) made with a secret key, the second in which it was
 * last seen, and the verdict. A cell lives 300 s after the last sight of the event (wire/neteria section 5: client
 * horizon 10 s and 120 s life in the network, more than twice over). A live cell is never evicted: when there is no
 * room the event is not judged and not answered, and the client asks again. Growth is by segments of bounded size, so
 * no insertion pauses the host. False matches: n live cells make one with probability n / 2^64 per new event.
 *
 * Life is kept in whole seconds: a cell lives at least 300 s and less than 301 s after the last sight.
 *
 * One event goes: key; find; if it is new: reserve, judge, put. Nothing else may be reserved between reserve and its
 * put. */
#ifndef UMP_ENGINE_VERDICT_H
#define UMP_ENGINE_VERDICT_H

#include "base/bytes.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/time.h"
#include "proto/proto.h"

#define UMP_VERDICT_LIFE (300 * UMP_S)

struct ump_verdicts;

/* max_bytes bounds cells and remembered reasons together; at least one segment (some 16 KiB) is there always.
 * The key is copied. NULL: no memory. */
struct ump_verdicts *ump_verdicts_new(const struct ump_mem *mem, const struct ump_hash_key *key, size_t max_bytes,
                                      ump_time now);
void ump_verdicts_free(struct ump_verdicts *v); /* NULL is allowed */

/* The fingerprint of an event, which the calls below are given, so that it is made once for all of them. id: 1-64
 * bytes. */
uint64_t ump_verdicts_key(const struct ump_verdicts *v, uint64_t serial, struct ump_bytes id);

/* Looks an event up. 1: judged before; *out tells how (repeat is set; reason borrowed until the next put or tidy), and
 * it counts as seen now. 0: new. */
int ump_verdicts_find(struct ump_verdicts *v, uint64_t key, struct ump_answer *out, ump_time now);

/* Makes room for one more event, before it is judged: 0, or UMP_EFULL / UMP_ENOMEM: do not judge it. The event must be
 * new. */
int ump_verdicts_reserve(struct ump_verdicts *v, uint64_t key, ump_time now);

/* Remembers a judgement; follows a successful reserve of the same key, and cannot fail. (A reason that finds no room is
 * left out of later repeats; the verdict itself is kept.) */
void ump_verdicts_put(struct ump_verdicts *v, uint64_t key, const struct ump_answer *a, ump_time now);

/* Gives memory back that a busier time needed: a bounded step (some 20 us at most), for about once a second while
 * ump_verdicts_untidy. */
void ump_verdicts_tidy(struct ump_verdicts *v, ump_time now);
bool ump_verdicts_untidy(const struct ump_verdicts *v); /* holds more than the least */

size_t ump_verdicts_count(const struct ump_verdicts *v, ump_time now); /* live cells; walks, for status and tests */
size_t ump_verdicts_bytes(const struct ump_verdicts *v);

#endif
