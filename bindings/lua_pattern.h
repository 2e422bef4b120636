/* Lua's patterns (Lua 5.4 manual, 6.4.1), with a limit on the work. Backtracking can take time that grows with any
 * power of the subject's length, and no hook interrupts it: so each step is counted. Pure functions on bytes; knows
 * nothing of Lua. */
#ifndef UMP_BINDINGS_LUA_PATTERN_H
#define UMP_BINDINGS_LUA_PATTERN_H

#include "base/bytes.h"

enum {
  UMP_PATTERN_CAPTURES = 32,
  UMP_PATTERN_STEPS = 1000000, /* some ms; a well-made pattern needs one to three per byte of the subject */
};

enum ump_pattern_fault {
  UMP_PATTERN_FINE,
  UMP_PATTERN_COSTLY, /* no steps left */
  UMP_PATTERN_DEEP,   /* too many choices inside of each other */
  UMP_PATTERN_ENDS_IN_ESCAPE,
  UMP_PATTERN_OPEN_SET,
  UMP_PATTERN_BALANCE,  /* %b without its two bytes */
  UMP_PATTERN_FRONTIER, /* %f without a set */
  UMP_PATTERN_MANY_CAPTURES,
  UMP_PATTERN_BAD_CLOSE,  /* ) without ( */
  UMP_PATTERN_BAD_INDEX,  /* %1 of a capture that is not there; see index */
  UMP_PATTERN_UNFINISHED, /* ( without ) */
};

struct ump_capture {
  const uint8_t *at;
  ptrdiff_t n; /* or one of these: */
};
enum { UMP_CAPTURE_OPEN = -1, UMP_CAPTURE_POSITION = -2 };

struct ump_pattern {
  struct ump_bytes subject, pattern; /* borrowed */
  uint64_t steps;                    /* left */
  int depth, n_captures;
  enum ump_pattern_fault fault;
  int index; /* of UMP_PATTERN_BAD_INDEX: which capture was asked for */
  struct ump_capture captures[UMP_PATTERN_CAPTURES];
};

/* A pattern is as the manual has it, but for an anchor in front ('^'), which is the caller's business. */
struct ump_pattern ump_pattern(struct ump_bytes subject, struct ump_bytes pattern);

/* Matches at `at`, which lies in the subject or at its end. The end of the match; NULL: none there, or fault is set.
 * Captures stay until the next call. Steps go on from where they were. */
const uint8_t *ump_pattern_match(struct ump_pattern *m, const uint8_t *at);

/* The i-th capture (from 0) of a match from `from` to `to`; without captures the 0th is the match itself. False: fault.
 */
bool ump_pattern_capture(struct ump_pattern *m, int i, const uint8_t *from, const uint8_t *to, struct ump_capture *out);

/* True when the text stands for nothing but itself, so that a plain search does. */
bool ump_pattern_is_plain(struct ump_bytes pattern);

#endif
