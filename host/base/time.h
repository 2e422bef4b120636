/* Time is an argument: nanoseconds of a monotonic clock whose zero means nothing. Nothing here reads a clock. */
#ifndef UMP_BASE_TIME_H
#define UMP_BASE_TIME_H

#include <stdint.h>

typedef int64_t ump_time; /* ns; differences are ump_time too */

#define UMP_NEVER INT64_MAX
#define UMP_US    ((ump_time)1000)
#define UMP_MS    ((ump_time)1000000)
#define UMP_S     ((ump_time)1000000000)

static inline ump_time ump_time_min(ump_time a, ump_time b) {
  return a < b ? a : b;
}
static inline double ump_seconds(ump_time t) {
  return (double)t / 1e9;
}

#endif
