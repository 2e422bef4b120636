#define _GNU_SOURCE /* recvmmsg, sendmmsg */
#include "net/udp.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "net/sockaddr.h"

enum {
  BATCH = 64, /* datagrams a system call: more gain nothing measurable (the call is 1/64 of 0.3 us each by then) */
  APART = 3,  /* datagrams, see announce */
  MANY = 500, /* clients: beyond, what is kept of them does not fit the second-level cache any more */
  ROUNDS = 4, /* batches before timers and other sockets have their turn: 256 events are well below 1 ms */
  OUT_BYTES = 256 * 1024, /* written side by side, so that 64 small datagrams stay within a few cache lines each */
  WANTED_BUFFER =
      4 * 1024 * 1024,        /* bytes in the kernel: a burst of 10 000 clients' events while a reload takes 10 ms */
  SMALL_BUFFER = 1024 * 1024, /* below this a burst of 1000 events is likely to lose some: the log says so */
};

struct ump_udp {
  struct ump_port port;
  struct ump_loop *loop;
  uv_poll_t poll;
  int fd, family;
  uint32_t listener;
  bool started, deaf;
  size_t max_datagram, stride; /* stride: a place for one datagram that arrives */
  uint8_t *in_bytes, *out_bytes;
  unsigned n_out, sent; /* datagrams in the batch that goes out; how many of them are gone */
  size_t out_used;
  struct ump_udp_stats stats;
  union ump_sockaddr in_addr[BATCH], out_addr[BATCH];
  struct iovec in_iov[BATCH], out_iov[BATCH];
  struct mmsghdr in[BATCH], out[BATCH];
  struct ump_coming coming[BATCH];
};

/* ---- out ---- */

/* Takes datagrams from the engine until the batch is full or nothing is due. False: nothing more is due. */
static bool fill_batch(struct ump_udp *u, ump_time now) {
  struct ump_engine *e = ump_loop_engine(u->loop);
  while (u->n_out < BATCH && OUT_BYTES - u->out_used >= u->max_datagram) {
    struct ump_addr to;
    struct ump_writer w = ump_writer(u->out_bytes + u->out_used, u->max_datagram);
    if (ump_engine_flush(e, u->listener, &to, &w, now) != 1) return false;
    socklen_t len = ump_addr_to_sockaddr(&to, u->family, &u->out_addr[u->n_out]);
    if (len == 0 || w.full) {
      u->stats.send_failed++;
      continue;
    }
    u->out_iov[u->n_out] = (struct iovec){w.p, w.n};
    u->out[u->n_out].msg_hdr.msg_namelen = len;
    u->out_used += w.n;
    u->n_out++;
  }
  return true;
}

static void drop_failed(struct ump_udp *u, int err) {
  struct ump_addr to;
  char text[128];
  ump_addr_from_sockaddr(&to, &u->out_addr[u->sent]);
  int n = snprintf(text, sizeof text, "could not send %zu bytes: %s", u->out_iov[u->sent].iov_len, strerror(err));
  ump_log_write(ump_loop_log(u->loop), UMP_WARN, "send_failed", &to, ump_bytes(text, (size_t)n));
  u->stats.send_failed++;
  u->sent++;
}

/* True: the batch is gone. False: the kernel takes no more now. */
static bool send_batch(struct ump_udp *u) {
  while (u->sent < u->n_out) {
    int n = sendmmsg(u->fd, u->out + u->sent, u->n_out - u->sent, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      u->stats.send_waits++;
      return false;
    }
    if (n <= 0) {
      drop_failed(u, errno);
      continue;
    }
    for (unsigned end = u->sent + (unsigned)n; u->sent < end; u->sent++) {
      u->stats.datagrams_out++;
      u->stats.bytes_out += u->out_iov[u->sent].iov_len;
    }
  }
  u->n_out = u->sent = 0;
  u->out_used = 0;
  return true;
}

static void on_poll(uv_poll_t *h, int status, int events);

static void listen_on(struct ump_udp *u) {
  int events = (u->deaf ? 0 : UV_READABLE) | (u->port.blocked ? UV_WRITABLE : 0);
  if (events)
    uv_poll_start(&u->poll, events, on_poll);
  else
    uv_poll_stop(&u->poll);
}

static void wait_for(struct ump_udp *u, bool writable) {
  if (u->port.blocked == writable) return;
  u->port.blocked = writable;
  listen_on(u);
}

static void flush(struct ump_port *port, ump_time now) {
  struct ump_udp *u = UMP_CONTAINER(port, struct ump_udp, port);
  if (!u->started || port->blocked) return;
  bool more = true;
  while (more) {
    more = fill_batch(u, now);
    if (!send_batch(u)) {
      wait_for(u, true);
      return;
    }
  }
}

static void on_writable(struct ump_udp *u) {
  if (!send_batch(u)) return;
  wait_for(u, false);
  flush(&u->port, ump_loop_now(u->loop));
}

/* ---- in ---- */

static int read_batch(struct ump_udp *u) {
  int n;
  do n = recvmmsg(u->fd, u->in, BATCH, 0, NULL);
  while (n < 0 && errno == EINTR);
  return n;
}

static void expect(struct ump_udp *u, int i, int n, int step) {
  if (i < 0 || i >= n) return;
  struct ump_bytes in = ump_bytes(u->in_iov[i].iov_base, u->in[i].msg_len);
  ump_engine_expect(ump_loop_engine(u->loop), u->listener, in, step, &u->coming[i]);
}

/* With many clients nearly everything that an event needs is far away in memory, and each part leads to the next one.
 * So all the while the datagrams that come later in the batch are announced: APART datagrams between one step and the
 * next, about as long as a line takes to come. */
static void announce(struct ump_udp *u, int at, int n) {
  for (int step = 0; step < UMP_EXPECT_STEPS; step++) expect(u, at + APART * (UMP_EXPECT_STEPS - step), n, step);
}

static void announce_near(struct ump_udp *u, int at, int n) {
  expect(u, at + APART, n, UMP_EXPECT_NEAR);
}

static void take(struct ump_udp *u, int i, ump_time now) {
  struct ump_addr from;
  ump_addr_from_sockaddr(&from, &u->in_addr[i]);
  u->in[i].msg_hdr.msg_namelen = sizeof u->in_addr[i];
  u->stats.bytes_in += u->in[i].msg_len;
  ump_engine_recv(ump_loop_engine(u->loop), u->listener, &from, ump_bytes(u->in_iov[i].iov_base, u->in[i].msg_len),
                  now);
}

static void take_batch(struct ump_udp *u, int n, ump_time now) {
  bool far = ump_engine_n_clients(ump_loop_engine(u->loop)) >= MANY;
  memset(u->coming, 0, (size_t)n * sizeof *u->coming);
  for (int i = far ? -APART * UMP_EXPECT_STEPS : -APART; i < n; i++) {
    if (far)
      announce(u, i, n);
    else
      announce_near(u, i, n);
    if (i >= 0) take(u, i, now);
  }
  u->stats.datagrams_in += (uint64_t)n;
}

/* What arrived is judged as one batch, and what it caused is sent as one. */
static void on_readable(struct ump_udp *u) {
  for (int round = 0; round < ROUNDS; round++) {
    int n = read_batch(u);
    if (n <= 0) return; /* nothing, or an error of somebody else's datagram (ICMP): nothing that we could do */
    ump_loop_stale(u->loop);
    ump_time now = ump_loop_now(u->loop);
    take_batch(u, n, now);
    flush(&u->port, now);
    if (n < BATCH) return; /* that was all; asking again would only give EAGAIN */
  }
}

static void on_poll(uv_poll_t *h, int status, int events) {
  struct ump_udp *u = h->data;
  if (status < 0) { /* a pending socket error (libuv stops the poll at POLLERR): fetch it, which clears it, and go on */
    int err = 0;
    socklen_t len = sizeof err;
    getsockopt(u->fd, SOL_SOCKET, SO_ERROR, &err, &len);
    listen_on(u);
    events = UV_READABLE | UV_WRITABLE;
  }
  if (u->port.blocked && (events & UV_WRITABLE)) on_writable(u);
  if ((events & UV_READABLE) && !u->deaf) on_readable(u);
}

/* ---- life ---- */

static int size_buffer(int fd, int option, int force) { /* what was granted */
  int wanted = WANTED_BUFFER, granted = 0;
  socklen_t len = sizeof granted;
  if (setsockopt(fd, SOL_SOCKET, force, &wanted, sizeof wanted) != 0)
    setsockopt(fd, SOL_SOCKET, option, &wanted, sizeof wanted);
  getsockopt(fd, SOL_SOCKET, option, &granted, &len);
  return granted / 2; /* the kernel tells twice what it grants: half is its own book-keeping, socket(7) */
}

static void size_buffers(struct ump_udp *u) {
  int in = size_buffer(u->fd, SO_RCVBUF, SO_RCVBUFFORCE), out = size_buffer(u->fd, SO_SNDBUF, SO_SNDBUFFORCE);
  if (in >= SMALL_BUFFER && out >= SMALL_BUFFER) return;
  char text[256];
  int n = snprintf(
      text, sizeof text,
      "the kernel grants buffers of %d KiB in and %d KiB out; for bursts of more than some hundred clients allow "
      "more: sysctl -w net.core.rmem_max=%d net.core.wmem_max=%d",
      in / 1024, out / 1024, WANTED_BUFFER, WANTED_BUFFER);
  ump_log_write(ump_loop_log(u->loop), UMP_INFO, "small_buffer", NULL, ump_bytes(text, (size_t)n));
}

static void prepare_batches(struct ump_udp *u) {
  for (unsigned i = 0; i < BATCH; i++) {
    u->in_iov[i] = (struct iovec){u->in_bytes + i * u->stride, u->max_datagram + 1};
    u->in[i].msg_hdr = (struct msghdr){
        .msg_name = &u->in_addr[i], .msg_namelen = sizeof u->in_addr[i], .msg_iov = &u->in_iov[i], .msg_iovlen = 1};
    u->out[i].msg_hdr = (struct msghdr){.msg_name = &u->out_addr[i], .msg_iov = &u->out_iov[i], .msg_iovlen = 1};
  }
}

static void release(struct ump_udp *u) {
  const struct ump_mem *mem = ump_loop_mem(u->loop);
  ump_free(mem, u->in_bytes, u->stride * BATCH);
  ump_free(mem, u->out_bytes, OUT_BYTES);
  ump_free(mem, u, sizeof *u);
}

static int bind_socket(struct ump_udp *u, const struct ump_addr *addr, struct ump_addr *bound) {
  union ump_sockaddr sa;
  u->family = addr->family == 6 ? AF_INET6 : AF_INET;
  socklen_t len = ump_addr_to_sockaddr(addr, u->family, &sa);
  if (len == 0) return -EINVAL;
  u->fd = socket(u->family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (u->fd < 0) return -errno;
  int off = 0;
  if (u->family == AF_INET6) setsockopt(u->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (bind(u->fd, &sa.any, len) != 0) return -errno;
  len = sizeof sa;
  if (getsockname(u->fd, &sa.any, &len) != 0) return -errno;
  ump_addr_from_sockaddr(bound, &sa);
  return 0;
}

static void deafen(struct ump_port *port) {
  struct ump_udp *u = UMP_CONTAINER(port, struct ump_udp, port);
  u->deaf = true;
  if (u->started) listen_on(u);
}

static void close_port(struct ump_port *port) {
  ump_udp_close(UMP_CONTAINER(port, struct ump_udp, port));
}

int ump_udp_open(struct ump_loop *l, const struct ump_addr *addr, size_t max_datagram, struct ump_udp **out,
                 struct ump_addr *bound) {
  const struct ump_mem *mem = ump_loop_mem(l);
  assert(max_datagram > 0 && max_datagram < 65536);
  *out = NULL;
  struct ump_udp *u = ump_zalloc(mem, sizeof *u);
  if (!u) return -ENOMEM;
  u->loop = l;
  u->fd = -1;
  u->max_datagram = max_datagram;
  /* An odd number of cache lines, so that the beginnings of 64 datagrams do not all fall into the same set of the
   * cache. */
  u->stride = ((max_datagram + 1 + 63) / 64 | 1) * 64;
  u->port = (struct ump_port){.flush = flush, .deafen = deafen, .close = close_port};
  u->in_bytes = ump_alloc(mem, u->stride * BATCH);
  u->out_bytes = ump_alloc(mem, OUT_BYTES);
  int err = u->in_bytes && u->out_bytes ? bind_socket(u, addr, bound) : -ENOMEM;
  if (err == 0) err = uv_poll_init(ump_loop_uv(l), &u->poll, u->fd); /* uv's errors are negative errnos here */
  if (err != 0) {
    if (u->fd >= 0) close(u->fd);
    release(u);
    return err;
  }
  u->poll.data = u;
  prepare_batches(u);
  size_buffers(u);
  ump_loop_add(l, &u->port);
  *out = u;
  return 0;
}

int ump_udp_start(struct ump_udp *u, uint32_t listener) {
  u->listener = listener;
  u->started = true;
  return uv_poll_start(&u->poll, UV_READABLE, on_poll);
}

static void on_closed(uv_handle_t *h) {
  struct ump_udp *u = h->data;
  close(u->fd);
  release(u);
}

void ump_udp_close(struct ump_udp *u) {
  if (!u) return;
  ump_loop_remove(u->loop, &u->port);
  u->started = false;
  uv_close((uv_handle_t *)&u->poll, on_closed);
}

const struct ump_udp_stats *ump_udp_stats(const struct ump_udp *u) {
  return &u->stats;
}
