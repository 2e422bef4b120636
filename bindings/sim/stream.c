#include "stream.h"

#include "base/buffer.h"
#include "base/err.h"
#include "inside.h"

#define RESEND (200 * UMP_MS) /* Linux' least retransmission timeout */
enum {
  RESENDS = 6,        /* doublings of it: 12.6 s, more than any test waits for one piece */
  SEGMENT = 1460,     /* bytes of a piece on a link with a rate: Ethernet's */
  WRITTEN = 64 << 20, /* a client may have so much unsent */
  WINDOW = 64 * 1024, /* unless the link says otherwise */
};

enum what { SYN, ACCEPTED, DATA, FIN, RST };

struct piece {
  struct ump__sim_due due;
  struct piece *next; /* while it is held by silence */
  uint32_t peer;
  enum ump_sim_way way;
  enum what what;
  size_t n;
  uint8_t p[];
};

struct pipe {                /* one way */
  struct ump__sim_due nudge; /* what waited for its reader is looked at */
  uint32_t peer;
  enum ump_sim_way way;
  struct ump_buffer out; /* written, not sent: for want of window, of a handshake, or of a line */
  struct ump_buffer in;  /* arrived, not read */
  size_t flying;         /* bytes under way */
  enum { OPEN, PLANNED, SENT, ARRIVED, TOLD } fin;
  bool reset; /* its writer has to send an RST */
  bool deaf;  /* its reader has closed: what arrives is thrown away */
  bool paused;
};

struct ump__sim_stream {
  uint32_t peer, listener, conn;
  enum { DIALLED, SYN_SENT, ESTABLISHED } state;
  struct pipe pipe[2];
  bool silent[2]; /* by way: what arrives is held back */
  bool starved;   /* the server end ran out of room */
  struct piece *held, **held_end;
  struct ump_list stirred, writable;
};

static struct ump__sim_stream *stream_of(const struct ump_sim_net *n, uint32_t peer) {
  return peer < n->n_peers ? n->peers[peer]->stream : NULL;
}

static size_t held_in(const struct ump_buffer *b) {
  return ump_buffer_bytes(b).n;
}

static void stir(struct ump_sim_net *n, struct ump__sim_stream *s) {
  if (!ump_list_linked(&s->stirred)) ump_list_push(&n->stirred, &s->stirred);
}

/* ---- life ---- */

int ump_sim_stream_dial(struct ump_sim_net *n, uint32_t peer, uint32_t listener) {
  struct ump_sim_peer *p = n->peers[peer];
  if (p->stream) return UMP_EFULL;
  struct ump__sim_stream *s = ump_zalloc(n->mem, sizeof *s);
  if (!s) return UMP_ENOMEM;
  s->peer = peer, s->listener = listener, s->conn = UINT32_MAX;
  s->held_end = &s->held;
  for (int way = 0; way < 2; way++) {
    s->pipe[way] = (struct pipe){.nudge.kind = UMP__NUDGE, .peer = peer, .way = (enum ump_sim_way)way};
    ump_buffer_init(&s->pipe[way].out, n->mem, WRITTEN);
    ump_buffer_init(&s->pipe[way].in, n->mem, WRITTEN);
    s->silent[way] = p->cut[way];
  }
  p->stream = s;
  stir(n, s);
  return 0;
}

void ump__sim_piece_free(struct ump_sim_net *n, struct ump__sim_due *due) {
  struct piece *c = (struct piece *)due;
  ump_free(n->mem, c, sizeof *c + c->n);
}

void ump__sim_stream_free(struct ump_sim_net *n, struct ump_sim_peer *p) {
  struct ump__sim_stream *s = p->stream;
  if (!s) return;
  while (s->held) {
    struct piece *c = s->held;
    s->held = c->next;
    ump__sim_piece_free(n, &c->due);
  }
  for (int way = 0; way < 2; way++) {
    ump_heap_remove(&n->heap, &s->pipe[way].nudge.node);
    ump_buffer_deinit(&s->pipe[way].out), ump_buffer_deinit(&s->pipe[way].in);
  }
  ump_list_remove(&s->stirred), ump_list_remove(&s->writable);
  ump_free(n->mem, s, sizeof *s);
  p->stream = NULL;
}

void ump__sim_stream_unplug(struct ump_sim_peer *p) {
  if (p->stream) p->stream->silent[UMP_SIM_UP] = p->stream->silent[UMP_SIM_DOWN] = true;
}

bool ump_sim_stream_dialled(const struct ump_sim_net *n, uint32_t peer) {
  return stream_of(n, peer) != NULL;
}
void ump_sim_stream_set_conn(struct ump_sim_net *n, uint32_t peer, uint32_t conn) {
  stream_of(n, peer)->conn = conn;
}
uint32_t ump_sim_stream_listener(const struct ump_sim_net *n, uint32_t peer) {
  return stream_of(n, peer)->listener;
}
uint32_t ump_sim_stream_conn(const struct ump_sim_net *n, uint32_t peer) {
  return stream_of(n, peer)->conn;
}

/* ---- what the ends do ---- */

static size_t room_of(const struct ump_sim_net *n, const struct pipe *p) {
  size_t own = ump__sim_link(n, p->peer, p->way)->window, window = own ? own : WINDOW;
  size_t used = p->flying + held_in(&p->in);
  return used < window ? window - used : 0;
}

size_t ump_sim_stream_room(const struct ump_sim_net *n, uint32_t peer) {
  struct ump__sim_stream *s = stream_of(n, peer);
  size_t room = room_of(n, &s->pipe[UMP_SIM_DOWN]), waiting = held_in(&s->pipe[UMP_SIM_DOWN].out);
  s->starved |= room <= waiting;
  return room > waiting ? room - waiting : 0;
}

int ump_sim_stream_write(struct ump_sim_net *n, uint32_t peer, enum ump_sim_way way, struct ump_bytes data) {
  struct ump__sim_stream *s = stream_of(n, peer);
  if (!s || s->pipe[way].fin != OPEN || s->pipe[way].reset) return UMP_EGONE;
  int err = ump_buffer_append(&s->pipe[way].out, data);
  stir(n, s);
  return err == UMP_ETOOBIG ? UMP_EFULL : err;
}

void ump_sim_stream_shut(struct ump_sim_net *n, uint32_t peer, enum ump_sim_way way) {
  struct ump__sim_stream *s = stream_of(n, peer);
  if (!s || s->pipe[way].fin != OPEN) return;
  s->pipe[way].fin = PLANNED;
  stir(n, s);
}

static void forget_waiting(struct ump_sim_net *n, struct pipe *p) {
  ump_buffer_deinit(&p->out), ump_buffer_deinit(&p->in);
  ump_heap_remove(&n->heap, &p->nudge.node);
}

void ump_sim_stream_reset(struct ump_sim_net *n, uint32_t peer, enum ump_sim_way way) {
  struct ump__sim_stream *s = stream_of(n, peer);
  struct pipe *out = s ? &s->pipe[way] : NULL, *in = s ? &s->pipe[!way] : NULL;
  if (!s || out->reset || out->fin == TOLD) return;
  ump_buffer_deinit(&out->out);
  forget_waiting(n, in);
  out->reset = in->deaf = true;
  out->fin = PLANNED;
  stir(n, s);
}

static void nudge(struct ump_sim_net *n, struct pipe *p, ump_time at) {
  if (p->paused || (held_in(&p->in) == 0 && p->fin != ARRIVED)) return;
  if (!ump_heap_linked(&p->nudge.node)) ump_heap_insert(&n->heap, &p->nudge.node, at);
}

void ump_sim_stream_pause(struct ump_sim_net *n, uint32_t peer, enum ump_sim_way way, bool on) {
  struct ump__sim_stream *s = stream_of(n, peer);
  if (!s || s->pipe[way].paused == on) return;
  s->pipe[way].paused = on;
  if (!on) stir(n, s); /* pump nudges */
}

/* Sent again, in order. False: no memory; it stays where it is. */
static bool send_again(struct ump_sim_net *n, uint32_t peer, struct piece *c, ump_time now) {
  struct ump__sim_lane *lane = &n->peers[peer]->lane[c->way];
  ump_time at = now + RESEND;
  if (at < lane->last) at = lane->last;
  if (ump_heap_insert(&n->heap, &c->due.node, at) != 0) return false;
  lane->last = at;
  n->under_way++;
  return true;
}

static void release(struct ump_sim_net *n, struct ump__sim_stream *s, enum ump_sim_way way, ump_time now) {
  struct piece **at = &s->held;
  bool room = true;
  while (*at) {
    struct piece *c = *at, *next = c->next; /* once it is sent again, it may be freed at any time */
    if (room && c->way == way && (room = send_again(n, s->peer, c, now)))
      *at = next;
    else
      at = &c->next;
  }
  s->held_end = at;
}

void ump__sim_stream_cut(struct ump_sim_net *n, uint32_t peer, enum ump_sim_way way, bool on, ump_time now) {
  struct ump__sim_stream *s = stream_of(n, peer);
  if (!s || s->silent[way] == on) return;
  s->silent[way] = on;
  if (on) return;
  stir(n, s);
  release(n, s, way, now);
}

/* ---- sending ---- */

/* The dice for one piece, always thrown together. */
struct fate {
  double loss, cut, delay, split, small;
};

static struct fate draw(struct ump_sim_net *n, uint32_t peer, enum ump_sim_way way) {
  struct ump_rng rng = ump_rng_of(&n->peers[peer]->rng[way]);
  struct fate f;
  f.loss = ump_rng_unit(&rng), f.cut = ump_rng_unit(&rng), f.delay = ump_rng_unit(&rng);
  f.split = ump_rng_unit(&rng), f.small = ump_rng_unit(&rng);
  return f;
}

static ump_time resends(const struct ump_sim_link *link, double dice) {
  ump_time each = 2 * link->lag > RESEND ? 2 * link->lag : RESEND, all = 0;
  double p = link->loss;
  for (int i = 0; i < RESENDS && dice < p; i++, p *= link->loss) all += each, each *= 2;
  return all;
}

static size_t cut_at(const struct ump_sim_link *link, size_t n, const struct fate *f) {
  size_t most = link->rate > 0 ? SEGMENT : n;
  if (link->split > 0) most = (size_t)link->split;
  if (link->split < 0)
    most = f->small < 0.25 ? 1 : 1 + (size_t)((double)(n < SEGMENT ? n : SEGMENT) * f->split * f->split);
  return n < most ? n : most;
}

/* Puts one piece under way. False: no memory; it is tried again later. */
static bool launch(struct ump_sim_net *n, struct ump__sim_stream *s, enum ump_sim_way way, enum what what,
                   struct ump_bytes data, const struct fate *f, ump_time now) {
  const struct ump_sim_link *link = ump__sim_link(n, s->peer, way);
  struct ump__sim_lane *lane = &n->peers[s->peer]->lane[way];
  struct piece *c = ump_alloc(n->mem, sizeof *c + data.n);
  if (!c) return false;
  *c = (struct piece){.due.kind = UMP__PIECE, .peer = s->peer, .way = way, .what = what, .n = data.n};
  if (data.n) memcpy(c->p, data.p, data.n);
  ump_time out = lane->busy > now ? lane->busy : now, late = resends(link, f->loss);
  if (link->rate > 0) lane->busy = out += (ump_time)((double)data.n / link->rate * 1e9);
  ump_time at = out + late + ump__sim_delay(link, f->delay);
  if (at < lane->last) at = lane->last;
  if (ump_heap_insert(&n->heap, &c->due.node, at) != 0) {
    ump__sim_piece_free(n, &c->due);
    return false;
  }
  lane->last = at;
  s->pipe[way].flying += data.n;
  n->under_way++;
  n->counts[UMP_SIM_SENT]++, n->counts[UMP_SIM_BYTES] += data.n, n->counts[UMP_SIM_LOST] += late > 0;
  ump__sim_note(n, 0x1000u | (unsigned)way << 8 | (unsigned)what << 4 | (late > 0), s->peer, data, now);
  return true;
}

static void pump_data(struct ump_sim_net *n, struct ump__sim_stream *s, struct pipe *p, ump_time now) {
  for (size_t waiting; (waiting = held_in(&p->out)) > 0;) {
    size_t room = room_of(n, p);
    struct fate f = draw(n, s->peer, p->way);
    if (room == 0) return;
    if (f.cut < ump__sim_link(n, s->peer, p->way)->cut) {
      ump_sim_stream_reset(n, s->peer, UMP_SIM_UP), ump_sim_stream_reset(n, s->peer, UMP_SIM_DOWN);
      n->counts[UMP_SIM_CUT]++;
      s->pipe[UMP_SIM_UP].deaf = s->pipe[UMP_SIM_DOWN].deaf = false; /* neither did it, both are told */
      return;
    }
    size_t take = cut_at(ump__sim_link(n, s->peer, p->way), waiting < room ? waiting : room, &f);
    if (!launch(n, s, p->way, DATA, ump_bytes(ump_buffer_bytes(&p->out).p, take), &f, now)) return;
    ump_buffer_consume(&p->out, take);
  }
}

static void pump_pipe(struct ump_sim_net *n, struct ump__sim_stream *s, struct pipe *p, ump_time now) {
  pump_data(n, s, p, now);
  if (p->fin == PLANNED && held_in(&p->out) == 0) {
    struct fate f = draw(n, s->peer, p->way);
    if (launch(n, s, p->way, p->reset ? RST : FIN, ump_bytes(NULL, 0), &f, now)) p->fin = SENT;
  }
}

static void pump(struct ump_sim_net *n, struct ump__sim_stream *s, ump_time now) {
  bool up = !s->silent[UMP_SIM_UP], down = !s->silent[UMP_SIM_DOWN];
  if (up && s->state == DIALLED) {
    struct fate f = draw(n, s->peer, UMP_SIM_UP);
    if (launch(n, s, UMP_SIM_UP, SYN, ump_bytes(NULL, 0), &f, now)) s->state = SYN_SENT;
  }
  if (up && s->state == ESTABLISHED) pump_pipe(n, s, &s->pipe[UMP_SIM_UP], now);
  if (down) pump_pipe(n, s, &s->pipe[UMP_SIM_DOWN], now);
  nudge(n, &s->pipe[UMP_SIM_UP], now), nudge(n, &s->pipe[UMP_SIM_DOWN], now);
}

void ump_sim_stream_pump(struct ump_sim_net *n, ump_time now) {
  while (!ump_list_empty(&n->stirred)) {
    struct ump__sim_stream *s = UMP_CONTAINER(n->stirred.next, struct ump__sim_stream, stirred);
    ump_list_remove(&s->stirred); /* first: a cut on the way stirs it again */
    pump(n, s, now);
  }
}

static bool can_send(const struct ump_sim_net *n, const struct pipe *p) {
  size_t waiting = held_in(&p->out);
  return waiting ? room_of(n, p) > 0 : p->fin == PLANNED;
}

size_t ump_sim_stream_due(const struct ump_sim_net *n) {
  size_t due = 0;
  for (const struct ump_list *at = n->stirred.next; at != &n->stirred; at = at->next) {
    const struct ump__sim_stream *s = UMP_CONTAINER(at, struct ump__sim_stream, stirred);
    bool up = s->state == DIALLED || (s->state != SYN_SENT && can_send(n, &s->pipe[UMP_SIM_UP]));
    bool down = can_send(n, &s->pipe[UMP_SIM_DOWN]);
    due += (up && !s->silent[UMP_SIM_UP]) || (down && !s->silent[UMP_SIM_DOWN]);
  }
  return due;
}

bool ump_sim_stream_writable(struct ump_sim_net *n, uint32_t *peer) {
  if (ump_list_empty(&n->writable)) return false;
  struct ump__sim_stream *s = UMP_CONTAINER(n->writable.next, struct ump__sim_stream, writable);
  ump_list_remove(&s->writable);
  *peer = s->peer;
  return true;
}

/* ---- arriving ---- */

/* The window has opened: the writer may go on. */
static void credit(struct ump_sim_net *n, struct ump__sim_stream *s, const struct pipe *p) {
  stir(n, s);
  if (p->way != UMP_SIM_DOWN || !s->starved) return;
  s->starved = false;
  if (!ump_list_linked(&s->writable)) ump_list_push(&n->writable, &s->writable);
}

static bool tell(struct ump_sim_net *n, const struct ump__sim_stream *s, const struct pipe *p, enum ump_sim_news news,
                 struct ump_bytes data, struct ump_sim_arrival *out) {
  n->counts[UMP_SIM_DELIVERED]++;
  *out = (struct ump_sim_arrival){.what = p->way == UMP_SIM_UP ? UMP_SIM_AT_SERVER : UMP_SIM_AT_PEER,
                                  .peer = s->peer,
                                  .listener = s->listener,
                                  .from = n->peers[s->peer]->addr,
                                  .news = news,
                                  .data = data};
  return true;
}

/* What waited for its reader, up to a read's worth; then the end, if that came. */
static bool read_waiting(struct ump_sim_net *n, struct ump__sim_stream *s, struct pipe *p, ump_time now,
                         struct ump_sim_arrival *out) {
  struct ump_bytes in = ump_buffer_bytes(&p->in);
  if (p->paused || p->deaf) return false;
  if (in.n == 0) {
    if (p->fin != ARRIVED) return false;
    p->fin = TOLD;
    return tell(n, s, p, UMP_SIM_END, in, out);
  }
  size_t take = in.n < WINDOW ? in.n : WINDOW;
  struct piece *c = ump_alloc(n->mem, sizeof *c + take); /* keeps the bytes until the next call */
  if (!c) return false;
  *c = (struct piece){.due.kind = UMP__PIECE, .n = take};
  memcpy(c->p, in.p, take);
  ump_buffer_consume(&p->in, take);
  n->current = &c->due;
  credit(n, s, p);
  nudge(n, p, now);
  return tell(n, s, p, UMP_SIM_DATA, ump_bytes(c->p, take), out);
}

static bool take_data(struct ump_sim_net *n, struct ump__sim_stream *s, struct pipe *p, struct piece *c,
                      struct ump_sim_arrival *out) {
  p->flying -= c->n;
  if (p->deaf) return credit(n, s, p), false;
  if (p->paused || held_in(&p->in) > 0) {
    ump_buffer_append(&p->in, ump_bytes(c->p, c->n));
    stir(n, s);
    return false;
  }
  credit(n, s, p);
  return tell(n, s, p, UMP_SIM_DATA, ump_bytes(c->p, c->n), out);
}

static bool take_piece(struct ump_sim_net *n, struct ump__sim_stream *s, struct piece *c, struct ump_sim_arrival *out) {
  struct pipe *p = &s->pipe[c->way];
  switch (c->what) {
  case SYN:
    return tell(n, s, p, UMP_SIM_DIALLED, ump_bytes(NULL, 0), out);
  case ACCEPTED:
    break;
  case DATA:
    return take_data(n, s, p, c, out);
  case FIN:
    p->fin = ARRIVED;
    stir(n, s);
    if (p->paused || held_in(&p->in) > 0 || p->deaf) return false;
    p->fin = TOLD;
    return tell(n, s, p, UMP_SIM_END, ump_bytes(NULL, 0), out);
  case RST:
    p->fin = TOLD;
    forget_waiting(n, p);
    ump_buffer_deinit(&s->pipe[!c->way].out);
    if (p->deaf) return false;
    p->deaf = true;
    s->pipe[!c->way].fin = TOLD; /* it can say no more */
    return tell(n, s, p, UMP_SIM_RESET, ump_bytes(NULL, 0), out);
  }
  s->state = ESTABLISHED;
  stir(n, s);
  return tell(n, s, p, UMP_SIM_OPENED, ump_bytes(NULL, 0), out);
}

bool ump__sim_stream_due(struct ump_sim_net *n, struct ump__sim_due *due, struct ump_sim_arrival *out) {
  if (due->kind == UMP__NUDGE) {
    struct pipe *p = (struct pipe *)due;
    return read_waiting(n, stream_of(n, p->peer), p, due->node.at, out);
  }
  struct piece *c = (struct piece *)due;
  struct ump__sim_stream *s = stream_of(n, c->peer);
  n->under_way--;
  if (s->silent[c->way]) {
    *s->held_end = c, s->held_end = &c->next;
    c->next = NULL;
    return false;
  }
  n->current = due;
  return take_piece(n, s, c, out);
}

void ump_sim_stream_accept(struct ump_sim_net *n, uint32_t peer, ump_time now) {
  struct fate f = draw(n, peer, UMP_SIM_DOWN);
  launch(n, stream_of(n, peer), UMP_SIM_DOWN, ACCEPTED, ump_bytes(NULL, 0), &f, now);
}
