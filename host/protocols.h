/* The protocols this program speaks. The first is the one that listens when nobody says what should. */
#ifndef UMP_HOST_PROTOCOLS_H
#define UMP_HOST_PROTOCOLS_H

#include "net/listen_url.h"

const struct ump_protocols *ump_protocols(void);

#endif
