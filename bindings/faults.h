/* Errors of a rulebook, each told once: the first time at once and whole, then at most once a minute with how often it
 * came meanwhile. Two errors are the same when their messages begin alike; and because a message may hold what a
 * stranger sent, from the fifth wording on when they come from the same file and line. */
#ifndef UMP_BINDINGS_FAULTS_H
#define UMP_BINDINGS_FAULTS_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/time.h"

enum { UMP_FAULTS = 32, UMP_FAULT_TEXT = 160, UMP_FAULT_WORDINGS = 4 };
#define UMP_FAULT_AGAIN (60 * UMP_S)

struct ump_fault {
  uint64_t count;            /* in all; 0: a free place */
  uint64_t untold;           /* since the last line about it */
  ump_time told, seen;       /* host clock */
  size_t n_place;            /* of text: "rules/arena.lua:12" */
  char text[UMP_FAULT_TEXT]; /* the beginning of its first message, NUL-terminated */
};
struct ump_faults {
  struct ump_fault v[UMP_FAULTS]; /* when all are taken, the one that was not seen for longest gives way */
};

/* An error with this message has happened. True: it is to be logged; *untold: so many like it were not. */
bool ump_faults_note(struct ump_faults *f, struct ump_bytes message, ump_time now, uint64_t *untold);

#endif
