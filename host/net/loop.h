/* The driver of the engine: waits for sockets and for the engine's deadline, feeds what arrives, sends what is due.
 *
 * A turn of the loop: wait; read what arrived, batch by batch, each batch followed by what it caused to be sent; when
 * the deadline has passed, let the engine expire; send. The clock is read once for each batch or turn, never for each
 * datagram. One loop, one thread. */
#ifndef UMP_NET_LOOP_H
#define UMP_NET_LOOP_H

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "engine/engine.h"

struct uv_loop_s;
struct ump_loop;
struct ump_logger;

/* ns of CLOCK_MONOTONIC: the time that the engine is given. */
ump_time ump_monotonic(void);
const char *ump_loop_release(void); /* of libuv: "1.44.2" */

struct ump_loop_cfg {
  const struct ump_mem *mem; /* borrowed, as are all of these, until ump_loop_free */
  struct ump_engine *engine;
  const struct ump_log *log;
  struct ump_logger *logger;        /* tells of suppressed lines in time even when nothing else happens; may be NULL */
  void (*asked_to_stop)(void *ctx); /* by a client (ump_engine_stop_asked), once each turn from then on; may be NULL */
  void *ctx;
};

struct ump_loop *ump_loop_new(const struct ump_loop_cfg *cfg); /* NULL: no memory or no file descriptor */
/* Closes every port that is left, then everything else, and frees the loop. NULL is allowed. */
void ump_loop_free(struct ump_loop *l);

void ump_loop_run(struct ump_loop *l);  /* until ump_loop_stop */
void ump_loop_stop(struct ump_loop *l); /* the turn under way is finished */
/* The end of a drain: takes in nothing more, and sends for at most so long, or until the engine has nothing queued. */
void ump_loop_settle(struct ump_loop *l, ump_time at_most);
/* Sends what is due: after something else than the loop's own sockets and timers changed the engine (a reload). */
void ump_loop_work(struct ump_loop *l);

/* The time of the turn or batch under way. */
ump_time ump_loop_now(struct ump_loop *l);

/* ---- for the other files of this room ---- */

/* A listening socket with what belongs to it, as the loop sees it. Embedded in its owner. */
struct ump_port {
  void (*flush)(struct ump_port *p, ump_time now); /* sends what the engine has for it */
  void (*deafen)(struct ump_port *p);              /* takes in nothing more, but still sends */
  void (*close)(struct ump_port *p);               /* ends it; frees it in its own time, while the loop still runs */
  bool blocked;                                    /* the kernel takes no more now: it waits for the socket to say so */
  struct ump_list link;
};

void ump_loop_add(struct ump_loop *l, struct ump_port *p);
void ump_loop_remove(struct ump_loop *l, struct ump_port *p);
void ump_loop_stale(struct ump_loop *l);           /* the next ump_loop_now reads the clock again */
struct ump_list *ump_loop_tcp(struct ump_loop *l); /* the ports of tcp.c, which share the descriptors there are */
struct uv_loop_s *ump_loop_uv(struct ump_loop *l);
struct ump_engine *ump_loop_engine(struct ump_loop *l);
const struct ump_mem *ump_loop_mem(struct ump_loop *l);
const struct ump_log *ump_loop_log(struct ump_loop *l);

#endif
