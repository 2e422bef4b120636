/* Neteria: JSON datagrams over UDP, as in docs of the wire; fills struct ump_proto_ops of proto/proto.h.
 *
 * One instance serves one socket. It owns the registry of sessions, the verdicts and notifies that wait for their
 * confirmation, and the probes that ask whether a client is (still) there. What was judged before is the engine's to
 * know: for a copy of an event it calls answer() with `repeat`, and the same bytes go out once more, without a timer of
 * their own.
 *
 * Who may be sent what: an address that has not echoed an id of ours gets at most three bytes for each byte that came
 * from it.
 *
 * Three kinds of LEGAL go out that answer no event. The original client confirms each by OK EVENT with its euuid and
 * changes nothing, and so must any other, or it is gone 60 s after it registered: a probe under a UUID         is a
 * proven client still there; whose is the session that two addresses claim? a brief probe (47 bytes)     has the
 * address that registered a client? It comes before the first notify a challenge (52 bytes)       to newcomers when
 * there is no place, and to further claims; nothing is kept for it
 *
 * Notes for the driver: slices in an event borrow from the datagram that was given to recv, so pull the events while it
 * is there. flush needs a writer with room for 10240 bytes. deadline() is the time of the last call while something is
 * ready to be flushed. */
#ifndef UMP_PROTO_NETERIA_NETERIA_H
#define UMP_PROTO_NETERIA_NETERIA_H

#include "proto/proto.h"

#define UMP_NETERIA_PORT     40080
#define UMP_NETERIA_DATAGRAM 10240 /* bytes, both ways: wire section 2 */

extern const struct ump_proto_ops ump_neteria;

/* Checks that everything the instance keeps agrees with itself (counts, lists, order of times, limits). A constant
 * sentence that says what is wrong, or NULL. Walks everything: for tests and fuzzers. */
const char *ump_neteria_check(const void *self);

/* What the address of a session may still be sent, in bytes; INT64_MAX once it has proven itself. For tests and
 * fuzzers. */
int64_t ump_neteria_credit(const void *self, uint32_t session);

#endif
