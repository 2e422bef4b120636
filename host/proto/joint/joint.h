/* The joint protocol of peote-net and peote-server: channels ("joints") over one TCP connection or WebSocket
 * (host/proto/joint/README.md). We are the broker between connections, and a rulebook owns channels itself. */
#ifndef UMP_PROTO_JOINT_JOINT_H
#define UMP_PROTO_JOINT_JOINT_H

#include "proto/proto.h"

extern const struct ump_proto_ops ump_joint;

/* What is wrong inside of an instance, as text; NULL: nothing. For tests and fuzzing. */
const char *ump_joint_check(const void *self);

#endif
