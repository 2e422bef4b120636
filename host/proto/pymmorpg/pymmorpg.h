/* PYMMORPG (wire/pymmorpg): pickled lists over TCP, each with its size in front. A client asks, the server answers each
 * message with one reply and never speaks unasked; what else it has to tell rides on the next reply as flags.
 *
 * Everything that a client may ask for becomes an event whose name is the command and whose data is the array of its
 * arguments, except `ver` and `upgrade`, which are answered from what the rulebook declares, and `login` and `new`. */
#ifndef UMP_PROTO_PYMMORPG_H
#define UMP_PROTO_PYMMORPG_H

#include "proto/proto.h"

extern const struct ump_proto_ops ump_pymmorpg;

#endif
