/* What happens beside the sockets: something every now and then, and work on another thread. */
#ifndef UMP_NET_BACKGROUND_H
#define UMP_NET_BACKGROUND_H

#include "net/loop.h"

struct ump_beat;
/* call runs on the loop, each `every` ns (whole ms), until ump_beat_free. NULL: no memory. */
struct ump_beat *ump_beat_new(struct ump_loop *l, ump_time every, void (*call)(void *ctx), void *ctx);
void ump_beat_free(struct ump_beat *b); /* before ump_loop_free; NULL is allowed */

/* work runs on one of libuv's threads, then done on the loop: also while ump_loop_free runs, which waits for it. 0, or
 * a negative errno: neither will be called. */
int ump_work_start(struct ump_loop *l, void (*work)(void *ctx), void (*done)(void *ctx), void *ctx);

#endif
