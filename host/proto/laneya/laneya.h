/* laneya: netstrings with JSON over TCP (wire/laneya). Requests are validated, judged, performed, broadcast and
 * answered, in that order; what the server tells everyone are updates. */
#ifndef UMP_PROTO_LANEYA_H
#define UMP_PROTO_LANEYA_H

#include "proto/proto.h"

extern const struct ump_proto_ops ump_laneya;

#endif
