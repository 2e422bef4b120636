#include "protocols.h"

#include "proto/joint/joint.h"
#include "proto/laneya/laneya.h"
#include "proto/neteria/neteria.h"
#include "proto/pygase/pygase.h"
#include "proto/pymmorpg/pymmorpg.h"

static const struct ump_proto_ops *const list[] = {&ump_neteria, &ump_pygase, &ump_laneya, &ump_joint, &ump_pymmorpg};
static const struct ump_protocols all = {list, sizeof list / sizeof *list};

const struct ump_protocols *ump_protocols(void) {
  return &all;
}
