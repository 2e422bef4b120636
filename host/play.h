/* A recording played through a rulebook in Lua, in an engine and a VM of its own; what cmd_replay.c and the gate share.
 */
#ifndef UMP_HOST_PLAY_H
#define UMP_HOST_PLAY_H

#include <stdatomic.h>

#include "bindings/rules.h"
#include "record/replay.h"

#define UMP_PLAY_ACCEPTS 256

/* What may differ: "verdict", "verdict:move", "notify:*". Texts are borrowed. */
struct ump_accept {
  const char *v[UMP_PLAY_ACCEPTS];
  size_t n;
};
/* Is it one of those? False: error says what is expected. */
bool ump_accept_check(const char *text, char *error, size_t cap);

struct ump_play_cfg {
  const char *rulebook, *library;
  struct ump_watchdog *watchdog; /* NULL: instructions are counted, which is slower, and works on any thread */
  const struct ump_log *log;     /* what the rulebook and its errors say; may be NULL */
  size_t rule_memory;
  ump_time rule_time, load_time; /* 0: the usual */
  ump_time at_most;              /* 0: as long as it takes */
  const atomic_bool *cancelled;  /* set by another thread: end soon; may be NULL */
  const struct ump_accept *accept;
  /* expected: accept names it. why: of an internal verdict, the rulebook's error; else empty */
  void (*differs)(void *ctx, const struct ump_difference *d, bool expected, const char *why);
  void (*opened)(void *ctx, const struct ump_replay_start *s, struct ump_rules *rules);            /* may be NULL */
  void (*group)(void *ctx, const struct ump_entry *in, const struct ump_entry *out, size_t n_out); /* may be NULL */
  void *ctx;
};

struct ump_play_result {
  struct ump_replay_totals totals;
  uint64_t unexpected[UMP_N_DIFFERENCES], expected;
  ump_time took;     /* of the replay, by the wall clock */
  char hash[17];     /* of the rulebook that was played; empty: it was not loaded */
  char recorded[17]; /* of the one that was recorded */
  char path[256];    /* of the one that was recorded */
  bool over_time;
  char error[4096]; /* what went wrong: the rulebook was refused, or the recording cannot be played */
};

/* True: it was played (to its end, or at_most); else result->error. */
bool ump_play(const struct ump_play_cfg *cfg, struct ump_bytes entries, struct ump_play_result *result);
uint64_t ump_play_unexpected(const struct ump_play_result *r);

/* A difference in a line or two for people, NUL-terminated, cut. */
void ump_play_describe(const struct ump_difference *d, const char *why, char *out, size_t cap);
void ump_play_describe_side(const struct ump_difference *d, const struct ump_outcome *o, char *out, size_t cap);

#endif
