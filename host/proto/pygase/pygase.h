/* PyGaSe: packages over UDP with MessagePack (wire/pygase); fills struct ump_proto_ops of proto/proto.h.
 *
 * One instance serves one socket. It owns a session for each address that has said something sensible lately, the
 * events that wait to be sent or confirmed, and for each session what its client has of the replicated state. The state
 * itself and what changed in it comes from cfg->feed; what one client is sent of it is encoded once and kept with the
 * patch for all others.
 *
 * Who may be sent what: until an address has named a sequence that was sent there it gets at most one small package for
 * each of its own, with neither state nor events in it.
 *
 * Events are at least once, by the protocol's nature: nothing in one tells whether it came before.
 *
 * Notes for the driver: slices in an event borrow from the datagram that was given to recv, so pull the events while it
 * is there. flush needs a writer with room for 2048 bytes, and must be called at each deadline: packages are due on a
 * clock, spread over their interval. deadline() is the time of the last call while something waits for next() or
 * flush(). */
#ifndef UMP_PROTO_PYGASE_PYGASE_H
#define UMP_PROTO_PYGASE_PYGASE_H

#include "proto/proto.h"

#define UMP_PYGASE_PORT     8080
#define UMP_PYGASE_DATAGRAM 2048 /* bytes, both ways: wire section 2 */

extern const struct ump_proto_ops ump_pygase;

/* Checks that everything the instance keeps agrees with itself. A constant sentence that says what is wrong, or NULL.
 * Walks everything: for tests and fuzzers. */
const char *ump_pygase_check(const void *self);

#endif
