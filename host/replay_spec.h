/* A recording as a busted spec on the simulator: the clients' events at their times, with the verdicts they got. */
#ifndef UMP_HOST_REPLAY_SPEC_H
#define UMP_HOST_REPLAY_SPEC_H

#include <stdio.h>

#include "record_file.h"

/* The rulebook that was recorded; NULL: it does not say. */
const char *ump_spec_rulebook(const struct ump_recording *rec, char *out, size_t cap);
/* An exit code; what is wrong is printed to standard error. */
int ump_spec_write(const struct ump_recording *rec, const char *file, const char *rulebook, FILE *out);

#endif
