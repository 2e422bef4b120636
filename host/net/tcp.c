#include "net/tcp.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <uv.h>

#include "net/sockaddr.h"

enum {
  READ = 64 * 1024, /* bytes a read; one buffer for all connections of a port, because protocols copy what they keep */
  REST = 16 * 1024, /* bytes copied for a connection whose peer reads slowly */
  SLICES = 32,      /* pieces of output a writev */
  KEEP_FDS = 64,    /* descriptors kept for everything but connections: reloads, control socket, logs (hardening T14) */
  /* A peer that vanished without a word is noticed after 2 minutes, by protocols without heartbeat, too: asked after 60
   * s of silence and each 15 s from then on; or 2 minutes after something was sent that nobody confirms or has room
   * for. */
  KEEPALIVE_S = 60,
  PROBE_S = 15,
  PROBES = 4,
  UNCONFIRMED_MS = 120 * 1000,
  LINGER_MS = 2000, /* for the peer to read our last words: closing with unread input would take them back (RST) */
  BACKLOG = 511,
};

struct conn {
  struct ump_tcp *tcp;
  uv_tcp_t stream;
  uint32_t number;
  bool known; /* the engine knows it: closed() is still to be told */
  bool reading, ended, blocked, lingering, closing;
  uint64_t linger_until; /* ms of the loop's clock */
  struct ump_list link;  /* while it lingers */
};

struct rest { /* output that the kernel did not take at once */
  uv_write_t req;
  struct conn *conn;
  size_t size, n;
  char bytes[];
};

struct ump_tcp {
  struct ump_port port;
  struct ump_loop *loop;
  uint32_t listener;
  bool started, deaf, closing, waiting; /* waiting: libuv holds a connection that was not accepted */
  uv_tcp_t server;
  uv_timer_t linger;
  struct ump_list lingering; /* in order of time */
  struct conn **conns;       /* by number; NULL: free */
  uint32_t cap, first_free;  /* no number below first_free is free */
  uint32_t max;              /* connections of this port */
  uint32_t descriptors;      /* connections of all ports of the loop */
  struct ump_list siblings;  /* those ports */
  unsigned handles;          /* of this port and its connections whose close callback is still to come */
  unsigned n_blocked;
  struct ump_tcp_stats stats;
  char in[READ];
};

static const struct ump_mem *mem_of(const struct ump_tcp *t) {
  return ump_loop_mem(t->loop);
}

/* ---- numbers ---- */

static bool grow(struct ump_tcp *t) {
  uint32_t cap = t->cap ? t->cap * 2 : 16;
  struct conn **conns = ump_realloc(mem_of(t), t->conns, t->cap * sizeof *conns, cap * sizeof *conns);
  if (!conns) return false;
  memset(conns + t->cap, 0, (cap - t->cap) * sizeof *conns);
  t->conns = conns;
  t->cap = cap;
  return true;
}

static bool take_number(struct ump_tcp *t, struct conn *c) {
  uint32_t i = t->first_free;
  while (i < t->cap && t->conns[i]) i++;
  if (i == t->cap && !grow(t)) return false;
  t->conns[i] = c;
  c->number = i;
  t->first_free = i + 1;
  return true;
}

static void give_number(struct ump_tcp *t, struct conn *c) {
  t->conns[c->number] = NULL;
  if (c->number < t->first_free) t->first_free = c->number;
}

/* ---- the end of a connection ---- */

static void accept_waiting(struct ump_tcp *t);

static void handle_gone(struct ump_tcp *t) {
  if (--t->handles > 0) return;
  ump_free(mem_of(t), t->conns, t->cap * sizeof *t->conns);
  ump_free(mem_of(t), t, sizeof *t);
}

static void on_conn_closed(uv_handle_t *h) {
  struct conn *c = h->data;
  struct ump_tcp *t = c->tcp;
  give_number(t, c);
  ump_list_remove(&c->link);
  ump_free(mem_of(t), c, sizeof *c);
  t->stats.open--;
  accept_waiting(t);
  handle_gone(t);
}

static void tell_closed(struct conn *c) {
  struct ump_tcp *t = c->tcp;
  if (!c->known) return;
  c->known = false;
  ump_engine_closed(ump_loop_engine(t->loop), t->listener, c->number, ump_loop_now(t->loop));
}

static void close_conn(struct conn *c) {
  if (c->closing) return;
  c->closing = true;
  uv_close((uv_handle_t *)&c->stream, on_conn_closed);
  tell_closed(c);
}

static void on_linger(uv_timer_t *h) {
  struct ump_tcp *t = h->data;
  uint64_t now = uv_now(h->loop);
  while (!ump_list_empty(&t->lingering)) {
    struct conn *c = UMP_CONTAINER(t->lingering.next, struct conn, link);
    if (c->linger_until > now) {
      uv_timer_start(&t->linger, on_linger, c->linger_until - now, 0);
      return;
    }
    ump_list_remove(&c->link);
    close_conn(c);
  }
}

static void on_discard(uv_stream_t *s, ssize_t n, const uv_buf_t *buf) {
  (void)buf;
  if (n < 0) close_conn(s->data);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf) {
  struct conn *c = h->data;
  (void)suggested;
  *buf = uv_buf_init(c->tcp->in, READ);
}

/* Everything is written: says so to the peer, and waits for a while for it to say the same. */
static void close_in_peace(struct conn *c) {
  struct ump_tcp *t = c->tcp;
  int fd = -1;
  tell_closed(c);
  if (c->lingering || c->closing) return;
  uv_fileno((uv_handle_t *)&c->stream, &fd);
  shutdown(fd, SHUT_WR);
  if (c->ended) {
    close_conn(c);
    return;
  }
  if (c->reading) uv_read_stop((uv_stream_t *)&c->stream);
  c->reading = false;
  c->lingering = true;
  c->linger_until = uv_now(ump_loop_uv(t->loop)) + LINGER_MS;
  if (ump_list_empty(&t->lingering)) uv_timer_start(&t->linger, on_linger, LINGER_MS, 0);
  ump_list_push(&t->lingering, &c->link);
  uv_read_start((uv_stream_t *)&c->stream, on_alloc, on_discard);
}

/* ---- out ---- */

static void serve(struct conn *c);

static void set_blocked(struct conn *c, bool blocked) {
  struct ump_tcp *t = c->tcp;
  if (c->blocked == blocked) return;
  c->blocked = blocked;
  t->n_blocked += blocked ? 1u : -1u;
  t->port.blocked = t->n_blocked > 0;
}

static void on_rest_written(uv_write_t *req, int status) {
  struct rest *r = UMP_CONTAINER(req, struct rest, req);
  struct conn *c = r->conn;
  struct ump_tcp *t = c->tcp;
  set_blocked(c, false);
  if (status == 0) t->stats.bytes_out += r->n;
  ump_free(mem_of(t), r, r->size);
  if (status != 0)
    close_conn(c); /* also ECANCELED while it closes: then nothing happens */
  else if (!c->closing)
    serve(c);
}

/* Copies what comes after the first `skip` bytes of the slices, and lets libuv write it when the kernel is ready. */
static bool write_rest(struct conn *c, const struct ump_bytes *s, size_t n, size_t skip, size_t left) {
  struct ump_tcp *t = c->tcp;
  size_t take = left < REST ? left : REST, size = sizeof(struct rest) + take;
  struct rest *r = ump_alloc(mem_of(t), size);
  if (!r) return false;
  r->conn = c;
  r->size = size;
  r->n = 0;
  for (size_t i = 0; i < n && r->n < take; i++) {
    size_t from = skip < s[i].n ? skip : s[i].n, len = s[i].n - from;
    skip -= from;
    if (len > take - r->n) len = take - r->n;
    memcpy(r->bytes + r->n, s[i].p + from, len);
    r->n += len;
  }
  uv_buf_t buf = uv_buf_init(r->bytes, (unsigned)r->n);
  if (uv_write(&r->req, (uv_stream_t *)&c->stream, &buf, 1, on_rest_written) != 0) {
    ump_free(mem_of(t), r, size);
    return false;
  }
  set_blocked(c, true);
  ump_engine_sent(ump_loop_engine(t->loop), t->listener, c->number, r->n, ump_loop_now(t->loop));
  return true;
}

/* Writes what the protocol holds until that is nothing or the kernel takes no more. False: the connection is broken. */
static bool write_out(struct conn *c) {
  struct ump_tcp *t = c->tcp;
  struct ump_engine *e = ump_loop_engine(t->loop);
  while (!c->blocked) {
    struct ump_bytes s[SLICES];
    uv_buf_t bufs[SLICES];
    size_t total = 0, n = ump_engine_output(e, t->listener, c->number, s, SLICES);
    for (size_t i = 0; i < n; i++) {
      bufs[i] = uv_buf_init((char *)(uintptr_t)s[i].p, (unsigned)s[i].n);
      total += s[i].n;
    }
    if (total == 0) return true;
    int wrote = uv_try_write((uv_stream_t *)&c->stream, bufs, (unsigned)n);
    if (wrote < 0 && wrote != UV_EAGAIN) return false;
    size_t sent = wrote > 0 ? (size_t)wrote : 0;
    t->stats.bytes_out += sent;
    if (sent < total) {
      /* The rest is copied before the engine hears of what was sent, because that may free the slices. */
      if (sent > 0) ump_engine_sent(e, t->listener, c->number, sent, ump_loop_now(t->loop));
      n = sent > 0 ? ump_engine_output(e, t->listener, c->number, s, SLICES) : n;
      if (!write_rest(c, s, n, 0, total - sent)) return false;
    } else {
      ump_engine_sent(e, t->listener, c->number, sent, ump_loop_now(t->loop));
    }
  }
  return true;
}

/* ---- in ---- */

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf);

static void read_as_wanted(struct conn *c, unsigned wants) {
  bool want = (wants & UMP_WANTS_INPUT) && !c->ended && !c->tcp->deaf;
  if (want == c->reading) return;
  c->reading = want;
  if (want)
    uv_read_start((uv_stream_t *)&c->stream, on_alloc, on_read);
  else
    uv_read_stop((uv_stream_t *)&c->stream);
}

static void serve(struct conn *c) {
  struct ump_tcp *t = c->tcp;
  if (!c->known) return; /* lingering or closing: the protocol has let go of it */
  unsigned wants = ump_engine_wants(ump_loop_engine(t->loop), t->listener, c->number);
  if ((wants & UMP_WANTS_ABORT) || !write_out(c)) {
    close_conn(c);
    return;
  }
  wants = ump_engine_wants(ump_loop_engine(t->loop), t->listener, c->number); /* writing may have made room */
  if (wants & UMP_WANTS_ABORT)
    close_conn(c);
  else if ((wants & UMP_WANTS_CLOSE) && !c->blocked)
    close_in_peace(c);
  else
    read_as_wanted(c, wants);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf) {
  struct conn *c = s->data;
  struct ump_tcp *t = c->tcp;
  struct ump_engine *e = ump_loop_engine(t->loop);
  if (n > 0) {
    t->stats.bytes_in += (uint64_t)n;
    ump_engine_input(e, t->listener, c->number, ump_bytes(buf->base, (size_t)n), ump_loop_now(t->loop));
    /* Output goes out at the end of the turn, for all at once; but reading stops here and now when it should. */
    read_as_wanted(c, ump_engine_wants(e, t->listener, c->number));
  } else if (n == UV_EOF) {
    c->ended = true;
    read_as_wanted(c, 0);
    ump_engine_eof(e, t->listener, c->number, ump_loop_now(t->loop));
    serve(c); /* a protocol with nothing left to say wants to close */
  } else if (n < 0) {
    close_conn(c);
  }
}

static void flush(struct ump_port *port, ump_time now) {
  struct ump_tcp *t = UMP_CONTAINER(port, struct ump_tcp, port);
  uint32_t number;
  (void)now;
  if (!t->started) return;
  while (ump_engine_touched(ump_loop_engine(t->loop), t->listener, &number) == 1)
    if (number < t->cap && t->conns[number]) serve(t->conns[number]);
}

/* ---- accepting ---- */

static void peer_of(const struct conn *c, struct ump_addr *out) {
  union ump_sockaddr sa;
  int len = sizeof sa;
  memset(&sa, 0, sizeof sa);
  uv_tcp_getpeername(&c->stream, &sa.any, &len);
  ump_addr_from_sockaddr(out, &sa);
}

static void begin(struct conn *c) {
  struct ump_tcp *t = c->tcp;
  struct ump_addr from;
  peer_of(c, &from);
  t->stats.accepted++;
  if (from.family == 0 ||
      ump_engine_open(ump_loop_engine(t->loop), t->listener, c->number, &from, ump_loop_now(t->loop)) < 0) {
    t->stats.refused++;
    close_conn(c);
    return;
  }
  c->known = true;
  serve(c);
}

static struct conn *new_conn(struct ump_tcp *t) {
  struct conn *c = ump_zalloc(mem_of(t), sizeof *c);
  if (!c) return NULL;
  c->tcp = t;
  if (!take_number(t, c)) {
    ump_free(mem_of(t), c, sizeof *c);
    return NULL;
  }
  uv_tcp_init(ump_loop_uv(t->loop), &c->stream);
  c->stream.data = c;
  t->handles++;
  t->stats.open++;
  return c;
}

static bool descriptor_left(const struct ump_tcp *t) {
  const struct ump_list *all = ump_loop_tcp(t->loop);
  uint32_t open = 0;
  for (const struct ump_list *at = all->next; at != all; at = at->next)
    open += UMP_CONTAINER(at, const struct ump_tcp, siblings)->stats.open;
  return t->stats.open < t->max && open < t->descriptors;
}

static void accept_one(struct ump_tcp *t) {
  struct conn *c = t->started && !t->deaf && descriptor_left(t) ? new_conn(t) : NULL;
  if (!c) {
    t->waiting = true; /* libuv does not listen on until this one is accepted, when another has left */
    t->stats.pauses++;
    return;
  }
  if (uv_accept((uv_stream_t *)&t->server, (uv_stream_t *)&c->stream) != 0)
    close_conn(c);
  else
    begin(c);
}

/* A connection of t has gone: whoever waits for a descriptor may have it, on whichever port. */
static void accept_waiting(struct ump_tcp *t) {
  struct ump_list *all = ump_loop_tcp(t->loop), *next;
  for (struct ump_list *at = all->next; at != all; at = next) {
    struct ump_tcp *other = UMP_CONTAINER(at, struct ump_tcp, siblings);
    next = at->next;
    if (!other->waiting || other->closing || other->deaf || !descriptor_left(other)) continue;
    other->waiting = false;
    accept_one(other);
  }
}

static void on_connection(uv_stream_t *s, int status) {
  struct ump_tcp *t = s->data;
  if (status == 0) {
    accept_one(t);
    return;
  }
  /* Not for want of descriptors: then libuv accepts and closes at once, with the one that it keeps for this, and says
   * nothing. */
  t->stats.refused++;
  ump_log_text(ump_loop_log(t->loop), UMP_WARN, "accept", NULL, uv_strerror(status));
}

/* ---- life ---- */

static void on_port_closed(uv_handle_t *h) {
  handle_gone(h->data);
}

void ump_tcp_close(struct ump_tcp *t) {
  if (!t) return;
  ump_loop_remove(t->loop, &t->port);
  ump_list_remove(&t->siblings);
  t->closing = true;
  for (uint32_t i = 0; i < t->cap; i++)
    if (t->conns[i]) close_conn(t->conns[i]);
  uv_close((uv_handle_t *)&t->server, on_port_closed);
  uv_close((uv_handle_t *)&t->linger, on_port_closed);
}

static void close_port(struct ump_port *port) {
  ump_tcp_close(UMP_CONTAINER(port, struct ump_tcp, port));
}

static void deafen(struct ump_port *port) {
  struct ump_tcp *t = UMP_CONTAINER(port, struct ump_tcp, port);
  t->deaf = true;
  for (uint32_t i = 0; i < t->cap; i++)
    if (t->conns[i] && t->conns[i]->known) read_as_wanted(t->conns[i], 0);
}

static uint32_t connections_allowed(void) {
  struct rlimit r;
  if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur == RLIM_INFINITY) return 1u << 20;
  return r.rlim_cur > 2 * KEEP_FDS ? (uint32_t)(r.rlim_cur - KEEP_FDS < 1u << 20 ? r.rlim_cur - KEEP_FDS : 1u << 20)
                                   : KEEP_FDS;
}

/* What connections take over from the socket that accepts them, so that it costs no calls for each. */
static void set_up(uv_tcp_t *server) {
  const struct {
    int level, name, value;
  } options[] = {{IPPROTO_TCP, TCP_NODELAY, 1}, /* answers are small and somebody waits for each of them */
                 {SOL_SOCKET, SO_KEEPALIVE, 1},
                 {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_S},
                 {IPPROTO_TCP, TCP_KEEPINTVL, PROBE_S},
                 {IPPROTO_TCP, TCP_KEEPCNT, PROBES},
                 {IPPROTO_TCP, TCP_USER_TIMEOUT, UNCONFIRMED_MS}};
  int fd = -1;
  uv_fileno((uv_handle_t *)server, &fd);
  for (size_t i = 0; i < sizeof options / sizeof *options; i++)
    setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof options[i].value);
}

static int bind_and_listen(struct ump_tcp *t, const struct ump_addr *addr, struct ump_addr *bound) {
  union ump_sockaddr sa;
  int len = sizeof sa;
  if (ump_addr_to_sockaddr(addr, addr->family == 6 ? AF_INET6 : AF_INET, &sa) == 0) return -EINVAL;
  int err = uv_tcp_bind(&t->server, &sa.any, 0);
  if (err == 0) set_up(&t->server);
  if (err == 0) err = uv_listen((uv_stream_t *)&t->server, BACKLOG, on_connection);
  if (err == 0) err = uv_tcp_getsockname(&t->server, &sa.any, &len);
  if (err == 0) ump_addr_from_sockaddr(bound, &sa);
  return err;
}

int ump_tcp_open(struct ump_loop *l, const struct ump_addr *addr, uint32_t max_connections, struct ump_tcp **out,
                 struct ump_addr *bound) {
  *out = NULL;
  struct ump_tcp *t = ump_zalloc(ump_loop_mem(l), sizeof *t);
  if (!t) return -ENOMEM;
  t->loop = l;
  t->port = (struct ump_port){.flush = flush, .deafen = deafen, .close = close_port};
  t->descriptors = connections_allowed();
  t->max = max_connections ? max_connections : t->descriptors;
  ump_list_init(&t->lingering);
  uv_tcp_init(ump_loop_uv(l), &t->server);
  uv_timer_init(ump_loop_uv(l), &t->linger);
  t->server.data = t->linger.data = t;
  t->handles = 2;
  ump_loop_add(l, &t->port);
  ump_list_push(ump_loop_tcp(l), &t->siblings);
  int err = bind_and_listen(t, addr, bound);
  if (err != 0)
    ump_tcp_close(t);
  else
    *out = t;
  return err;
}

int ump_tcp_start(struct ump_tcp *t, uint32_t listener) {
  t->listener = listener;
  t->started = true;
  if (t->waiting) {
    t->waiting = false;
    accept_one(t);
  }
  return 0;
}

const struct ump_tcp_stats *ump_tcp_stats(const struct ump_tcp *t) {
  return &t->stats;
}
