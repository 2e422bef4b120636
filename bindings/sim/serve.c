#include "serve.h"

#include "stream.h"

enum { SLICES = 32, FREE = 0 };

/* ---- numbers: as the driver of sockets gives them, the lowest that is free ---- */

static bool take_number(struct ump_sim_world *w, uint32_t peer) {
  uint32_t i = 0;
  while (i < w->cap_conns && w->conns[i] != FREE) i++;
  if (i == w->cap_conns) {
    uint32_t cap = w->cap_conns ? w->cap_conns * 2 : 16;
    uint32_t *conns = ump_realloc(&w->mem, w->conns, w->cap_conns * sizeof *conns, cap * sizeof *conns);
    if (!conns) return false;
    memset(conns + w->cap_conns, 0, (cap - w->cap_conns) * sizeof *conns);
    w->conns = conns, w->cap_conns = cap;
  }
  w->conns[i] = peer + 1;
  ump_sim_stream_set_conn(&w->net, peer, i);
  return true;
}

void ump_sim_serve_deinit(struct ump_sim_world *w) {
  ump_free(&w->mem, w->conns, w->cap_conns * sizeof *w->conns);
  w->conns = NULL, w->cap_conns = 0;
}

/* ---- one connection ---- */

static void tell_closed(struct ump_sim_world *w, uint32_t listener, uint32_t conn) {
  uint32_t peer = w->conns[conn] - 1;
  w->conns[conn] = FREE;
  ump_sim_stream_set_conn(&w->net, peer, UINT32_MAX);
  ump_engine_closed(w->engine, listener, conn, w->now);
}

/* Moves what the protocol holds into the connection until that is nothing or the window is full. False: something is
 * left. */
static bool write_out(struct ump_sim_world *w, uint32_t listener, uint32_t conn) {
  uint32_t peer = w->conns[conn] - 1;
  for (;;) {
    struct ump_bytes s[SLICES];
    size_t n = ump_engine_output(w->engine, listener, conn, s, SLICES), taken = 0, total = 0;
    for (size_t i = 0; i < n; i++) total += s[i].n;
    if (total == 0) return true;
    size_t room = ump_sim_stream_room(&w->net, peer);
    if (room == 0) return false;
    for (size_t i = 0; i < n && taken < room; i++) {
      size_t part = s[i].n < room - taken ? s[i].n : room - taken;
      if (ump_sim_stream_write(&w->net, peer, UMP_SIM_DOWN, ump_bytes(s[i].p, part)) == UMP_ENOMEM) return false;
      taken += part;
    }
    ump_engine_sent(w->engine, listener, conn, taken, w->now);
  }
}

static void serve(struct ump_sim_world *w, uint32_t listener, uint32_t conn) {
  uint32_t peer = w->conns[conn] - 1;
  unsigned wants = ump_engine_wants(w->engine, listener, conn);
  bool all = !(wants & UMP_WANTS_ABORT) && write_out(w, listener, conn);
  wants = ump_engine_wants(w->engine, listener, conn); /* writing may have made room */
  if (wants & UMP_WANTS_ABORT) {
    ump_sim_stream_reset(&w->net, peer, UMP_SIM_DOWN);
    tell_closed(w, listener, conn);
  } else if ((wants & UMP_WANTS_CLOSE) && all) {
    ump_sim_stream_shut(&w->net, peer, UMP_SIM_DOWN);
    ump_sim_stream_pause(&w->net, peer, UMP_SIM_UP, false); /* what still comes is read and thrown away */
    tell_closed(w, listener, conn);
  } else {
    ump_sim_stream_pause(&w->net, peer, UMP_SIM_UP, !(wants & UMP_WANTS_INPUT));
  }
}

/* ---- arrivals ---- */

static void dialled(struct ump_sim_world *w, const struct ump_sim_arrival *a) {
  ump_sim_stream_accept(&w->net, a->peer, w->now); /* the kernel accepts; what the protocol says to it comes after */
  if (!take_number(w, a->peer)) {
    ump_sim_stream_reset(&w->net, a->peer, UMP_SIM_DOWN);
    return;
  }
  uint32_t conn = ump_sim_stream_conn(&w->net, a->peer);
  if (ump_engine_open(w->engine, a->listener, conn, &a->from, w->now) < 0) {
    w->conns[conn] = FREE;
    ump_sim_stream_set_conn(&w->net, a->peer, UINT32_MAX);
    ump_sim_stream_shut(&w->net, a->peer, UMP_SIM_DOWN);
  } else {
    serve(w, a->listener, conn);
  }
}

void ump_sim_serve_arrival(struct ump_sim_world *w, const struct ump_sim_arrival *a) {
  uint32_t conn = ump_sim_stream_conn(&w->net, a->peer);
  if (a->news == UMP_SIM_DIALLED) {
    dialled(w, a);
    return;
  }
  if (conn == UINT32_MAX) return; /* closed by us: nobody listens any more */
  switch (a->news) {
  case UMP_SIM_DATA:
    ump_engine_input(w->engine, a->listener, conn, a->data, w->now);
    /* as sockets do: output waits for the end of the turn, but reading stops here and now when it should */
    ump_sim_stream_pause(&w->net, a->peer, UMP_SIM_UP,
                         !(ump_engine_wants(w->engine, a->listener, conn) & UMP_WANTS_INPUT));
    break;
  case UMP_SIM_END:
    ump_engine_eof(w->engine, a->listener, conn, w->now);
    serve(w, a->listener, conn);
    break;
  case UMP_SIM_RESET:
    tell_closed(w, a->listener, conn);
    break;
  default:
    break;
  }
}

void ump_sim_serve_touched(struct ump_sim_world *w) {
  uint32_t conn, peer;
  for (uint32_t l = 0; l < ump_engine_n_listeners(w->engine); l++) {
    if (ump_engine_listener(w->engine, l)->transport != UMP_STREAM) continue;
    while (ump_engine_touched(w->engine, l, &conn) == 1)
      if (conn < w->cap_conns && w->conns[conn] != FREE) serve(w, l, conn);
  }
  while (ump_sim_stream_writable(&w->net, &peer)) {
    conn = ump_sim_stream_conn(&w->net, peer);
    if (conn != UINT32_MAX) serve(w, ump_sim_stream_listener(&w->net, peer), conn);
  }
}
