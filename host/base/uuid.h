/* UUIDs (RFC 9562): version 4 from a random stream, version 1 only read. */
#ifndef UMP_BASE_UUID_H
#define UMP_BASE_UUID_H

#include "base/bytes.h"
#include "base/rng.h"
#include "base/time.h"

#define UMP_UUID_TEXT 36

struct ump_uuid {
  uint8_t b[16];
};

struct ump_uuid ump_uuid_v4(const struct ump_rng *r);                   /* 122 random bits */
void ump_uuid_print(const struct ump_uuid *u, char out[UMP_UUID_TEXT]); /* lower case, no NUL */
bool ump_uuid_parse(struct ump_bytes text, struct ump_uuid *out);       /* exactly 8-4-4-4-12 hex digits, either case */
bool ump_uuid_equal(const struct ump_uuid *a, const struct ump_uuid *b);
/* True for a version 1 UUID; *t is its own clock in ns since 1582-10-15 (100 ns steps), a stranger's word: never trust
 * it. */
bool ump_uuid_v1_time(struct ump_bytes text, uint64_t *t_100ns);

#endif
