/* The server's end of the simulated streams: what host/net/tcp.c is to sockets, for the simulated network. */
#ifndef UMP_SIM_SERVE_H
#define UMP_SIM_SERVE_H

#include "world.h"

void ump_sim_serve_arrival(struct ump_sim_world *w, const struct ump_sim_arrival *a); /* of a stream, at the server */
void ump_sim_serve_touched(struct ump_sim_world *w); /* connections that have something to say, or may say more again */
void ump_sim_serve_deinit(struct ump_sim_world *w);

#endif
