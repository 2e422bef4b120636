/* The simulator's streams: TCP as two ends see it, between a peer and a listener. A peer dials once; to come back it is
 * a new peer (a new port), as in life.
 *
 * What an end writes is cut into pieces (the `split` of the link; whatever one moment wrote is one run of bytes,
 * however many writes it took) that arrive in order, after the link's lag, jitter and rate. A lost piece is sent again
 * after 200 ms or twice the lag, doubling, and holds up what is behind it. At most `window` bytes are under way or
 * unread each way: when a reader stops, the window fills and the writer has to wait, which is what back-pressure is.
 *
 * Ends: shut (FIN: what was written arrives first), reset (RST: what waits is thrown away), silence (a half-open
 * connection: nothing arrives anywhere, nobody is told; what was written arrives when it ends), and the link's `cut`,
 * the probability that a piece meets a reset of both ends instead of arriving. */
#ifndef UMP_SIM_STREAM_H
#define UMP_SIM_STREAM_H

#include "network.h"

/* The peer opens a connection to a listener; it may write at once. 0, UMP_EFULL (it has dialled before), UMP_ENOMEM */
int ump_sim_stream_dial(struct ump_sim_net *n, uint32_t peer, uint32_t listener);
/* UP: any number of bytes up to 64 MiB; DOWN: no more than room() says. 0, UMP_EFULL, UMP_EGONE (that end is closed),
 * UMP_ENOMEM
 */
int ump_sim_stream_write(struct ump_sim_net *n, uint32_t peer, enum ump_sim_way way, struct ump_bytes data);
size_t ump_sim_stream_room(const struct ump_sim_net *n, uint32_t peer);         /* what the server may write now */
void ump_sim_stream_accept(struct ump_sim_net *n, uint32_t peer, ump_time now); /* the server's answer to a DIALLED */
void ump_sim_stream_shut(struct ump_sim_net *n, uint32_t peer,
                         enum ump_sim_way way); /* the writer of this way says no more */
void ump_sim_stream_reset(struct ump_sim_net *n, uint32_t peer,
                          enum ump_sim_way way); /* the writer of this way resets */
void ump_sim_stream_pause(struct ump_sim_net *n, uint32_t peer, enum ump_sim_way way,
                          bool on); /* its reader does not read */
bool ump_sim_stream_dialled(const struct ump_sim_net *n, uint32_t peer);

/* Sends what can be sent now; the driver calls it before it asks for the next deadline. */
void ump_sim_stream_pump(struct ump_sim_net *n, ump_time now);
size_t ump_sim_stream_due(const struct ump_sim_net *n); /* connections for which pump would send something */
/* A connection whose server end ran out of room and has some again, each once. */
bool ump_sim_stream_writable(struct ump_sim_net *n, uint32_t *peer);

/* The driver's number of the connection, for its own use; UINT32_MAX: none. */
void ump_sim_stream_set_conn(struct ump_sim_net *n, uint32_t peer, uint32_t conn);
uint32_t ump_sim_stream_listener(const struct ump_sim_net *n, uint32_t peer);
uint32_t ump_sim_stream_conn(const struct ump_sim_net *n, uint32_t peer);

#endif
