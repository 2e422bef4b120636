/* Sequences and time_orders: 1 to 65535, and 1 again. 0 means "nothing yet". Wire sections 3 to 5. */
#ifndef UMP_PROTO_PYGASE_SEQUENCE_H
#define UMP_PROTO_PYGASE_SEQUENCE_H

#include <stdbool.h>
#include <stdint.h>

/* How far a is ahead of b: -32767 to 32767. */
static inline int pg_ahead(uint16_t a, uint16_t b) {
  int d = (int)a - (int)b;
  return d > 32767 ? d - 65535 : d < -32767 ? d + 65535 : d;
}

static inline uint16_t pg_after(uint16_t a) {
  return a == 65535 ? 1 : (uint16_t)(a + 1);
}
static inline uint16_t pg_add(uint16_t a, uint32_t n) { /* n steps further; from 0: n */
  return (uint16_t)((a + n - 1) % 65535 + 1);
}

/* What came: the newest sequence, and the 32 before it as the wire has them, the highest bit for newest - 1. */
struct pg_window {
  uint16_t newest;
  uint32_t before;
};

enum pg_place { PG_NEWEST, PG_LATE, PG_DOUBLED, PG_TOO_OLD };

static inline enum pg_place pg_window_place(const struct pg_window *w, uint16_t sequence) {
  int d = w->newest ? pg_ahead(sequence, w->newest) : 1;
  if (d > 0) return PG_NEWEST;
  if (d == 0) return PG_DOUBLED;
  if (d < -32) return PG_TOO_OLD;
  return w->before >> (32 + d) & 1 ? PG_DOUBLED : PG_LATE;
}

/* Takes it in; it is PG_NEWEST or PG_LATE. */
static inline void pg_window_put(struct pg_window *w, uint16_t sequence) {
  int d = w->newest ? pg_ahead(sequence, w->newest) : 0;
  if (!w->newest) {
    w->newest = sequence;
  } else if (d < 0) {
    w->before |= (uint32_t)1 << (32 + d);
  } else {
    w->before = (d < 32 ? w->before >> d : 0) | (d <= 32 ? (uint32_t)1 << (32 - d) : 0);
    w->newest = sequence;
  }
}

#endif
