/* What an event, a response or a notify carries, whatever its encoding: is it the same, and how does a rule author
 * write it. Bytes that are not what their encoding says are taken as they are. */
#ifndef UMP_RECORD_DATUM_H
#define UMP_RECORD_DATUM_H

#include "proto/proto.h"

/* Equal for values that are equal to a rulebook: the order of keys does not count. 64 bits; not against forgers. */
uint64_t ump_datum_hash(enum ump_encoding encoding, struct ump_bytes data);
bool ump_datum_same(enum ump_encoding encoding, struct ump_bytes a, struct ump_bytes b);

/* Writes it as Lua: { 1, x = "ann" }. What does not fit is cut (w->full). exact: whatever it takes to be read back as
 * the same value (host.null, host.array); else for people. */
void ump_datum_show(struct ump_writer *w, enum ump_encoding encoding, struct ump_bytes data, bool exact);
void ump_datum_show_string(struct ump_writer *w, struct ump_bytes s); /* in quotes, as Lua reads it */

#endif
