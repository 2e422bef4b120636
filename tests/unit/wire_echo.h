/* Two protocols that only give back what they get, to test the drivers: one on datagrams, one on streams.
 *
 * The stream speaks lines: "quit" closes once everything is written, "abort" closes at once, "flood N" writes N bytes
 * of 'x', everything else comes back. It stops reading while more than WIRE_ECHO_HIGH bytes wait to be written. */
#ifndef WIRE_ECHO_H
#define WIRE_ECHO_H

#include "proto/proto.h"

#define WIRE_ECHO_DATAGRAM 512
#define WIRE_ECHO_HIGH     (64 * 1024)

extern const struct ump_proto_ops wire_echo_datagram, wire_echo_stream;

/* What has happened on the instance that was created last (tests have one at a time). */
struct wire_echo_facts {
  size_t received, longest, flushed, batches; /* batches: times that flush found something after it had found nothing */
  size_t opened, closed, eofs, waiting, most_waiting;
  bool refuse; /* set by a test: open() says no */
};
struct wire_echo_facts *wire_echo_facts(void);

#endif
