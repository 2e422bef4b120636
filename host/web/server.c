#define _GNU_SOURCE /* accept4 */
#include "web/server.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
  INPUT = 4096,       /* bytes read at once from a connection; kept while an answer before them is being sent */
  PIECE = 256 * 1024, /* bytes of a file sent before others have their turn */
  ACCEPTS = 16,       /* connections taken in before others have their turn */
  PAUSE_MS = 100,     /* between attempts to accept when descriptors or memory have run out */
  LINGER_MS = 2000,   /* for the peer to read our last words: closing with unread input would take them back (RST) */
  NO_WAIT = 0,
};

typedef int64_t ms; /* of CLOCK_MONOTONIC */

/* ASKING: a request is awaited or being read. ANSWERING: its answer is being sent, and nothing is read. LEAVING: our
 * side is shut; what still comes is thrown away until the peer has shut its own. */
enum state { ASKING, ANSWERING, LEAVING };

struct conn {
  int fd;
  enum state state;
  bool served;     /* had an answer, and asks for nothing more */
  uint8_t who[17]; /* family and address; of IPv6 the /64 that a household has */
  ms until;        /* it ends then, unless something happens */
  ms at_most;      /* ANSWERING: it ends then, whatever happens */
  size_t in_at, in_n;
  size_t sent; /* of the answer's lines and text */
  struct ump__web_request request;
  struct ump__web_answer answer;
  uint8_t in[INPUT];
};

struct ump__web_server {
  struct ump__web_server_cfg cfg;
  size_t n_common;   /* bytes of site->common */
  ms now, accept_at; /* nothing is accepted before */
  size_t n;
  struct conn *conns[UMP_WEB_CONNECTIONS];
};

static ms clock_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (ms)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- states ---- */

static void ask(const struct ump__web_server *s, struct conn *c) {
  c->state = ASKING;
  c->until = s->now + s->cfg.timeout_ms;
  ump__web_request_init(&c->request);
}

static void leave(const struct ump__web_server *s, struct conn *c) {
  shutdown(c->fd, SHUT_WR);
  c->state = LEAVING;
  c->until = s->now + LINGER_MS;
}

static void begin_answer(const struct ump__web_server *s, struct conn *c) {
  ump__web_answer(s->cfg.site, &c->request, &c->answer);
  c->state = ANSWERING;
  c->sent = 0;
  c->until = s->now + s->cfg.timeout_ms;
  c->at_most = s->now + s->cfg.answer_ms + (c->answer.end - c->answer.at) / (s->cfg.slowest / 1000 + 1);
}

static void finish(const struct ump__web_server *s, struct conn *c) {
  bool last = c->answer.last;
  ump__web_answer_deinit(&c->answer);
  if (last) {
    leave(s, c);
  } else {
    ask(s, c);
    c->served = true;
  }
}

/* ---- out ---- */

enum sent { SENT, LATER, BROKEN };

static enum sent failed(void) {
  return errno == EAGAIN || errno == EINTR ? LATER : BROKEN;
}

/* Adds the part of b that is not among the first *skip bytes to v; *skip loses what it skipped. */
static size_t add(struct iovec *v, struct ump_bytes b, size_t *skip) {
  size_t from = *skip < b.n ? *skip : b.n;
  *skip -= from;
  *v = (struct iovec){(void *)(uintptr_t)(b.p + from), b.n - from};
  return b.n - from;
}

static enum sent send_lines(const struct ump__web_server *s, struct conn *c) {
  const struct ump__web_answer *a = &c->answer;
  for (;;) {
    struct iovec v[3];
    size_t skip = c->sent, left = add(&v[0], ump_written(&a->lines), &skip);
    left += add(&v[1], ump_bytes(s->cfg.site->common, s->n_common), &skip);
    if (a->text.n) left += add(&v[2], a->text, &skip);
    if (left == 0) return SENT;
    struct msghdr m = {.msg_iov = v, .msg_iovlen = a->text.n ? 3 : 2};
    ssize_t n = sendmsg(c->fd, &m, MSG_NOSIGNAL | (a->fd >= 0 && a->at < a->end ? MSG_MORE : 0));
    if (n < 0) return failed();
    c->sent += (size_t)n;
  }
}

/* A file that has become shorter meanwhile ends the connection: what was promised cannot be sent. */
static enum sent send_file(struct conn *c) {
  struct ump__web_answer *a = &c->answer;
  off_t stop = a->end - a->at > PIECE ? a->at + PIECE : a->end;
  while (a->at < stop) {
    ssize_t n = sendfile(c->fd, a->fd, &a->at, (size_t)(stop - a->at));
    if (n < 0) return failed();
    if (n == 0) return BROKEN;
  }
  return a->at < a->end ? LATER : SENT;
}

static enum sent send_answer(const struct ump__web_server *s, struct conn *c) {
  size_t sent = c->sent;
  off_t at = c->answer.at;
  enum sent how = send_lines(s, c);
  if (how == SENT && c->answer.fd >= 0) how = send_file(c);
  if (c->sent > sent || c->answer.at > at) c->until = s->now + s->cfg.timeout_ms;
  if (c->until > c->at_most) c->until = c->at_most;
  return how;
}

/* ---- in ---- */

/* Answers the requests that lie in the input, one after the other, until one of them has to wait for its reader. False:
 * the connection is over. */
static bool work(const struct ump__web_server *s, struct conn *c) {
  while (c->state == ASKING && c->in_at < c->in_n) {
    struct ump_bytes in = ump_bytes(c->in + c->in_at, c->in_n - c->in_at);
    if (c->request.n_bytes == 0) c->until = s->now + s->cfg.timeout_ms; /* from its first byte, not its last */
    c->served = false;
    bool done = ump__web_request_feed(&c->request, &in);
    c->in_at = c->in_n - in.n;
    if (!done) break;
    begin_answer(s, c);
    enum sent how = send_answer(s, c);
    if (how != SENT) return how == LATER;
    finish(s, c);
  }
  return true;
}

static bool on_readable(const struct ump__web_server *s, struct conn *c) {
  ssize_t n = recv(c->fd, c->in, sizeof c->in, 0);
  if (n < 0) return failed() == LATER;
  if (n == 0) return false;
  if (c->state == LEAVING) return true;
  c->in_at = 0, c->in_n = (size_t)n;
  return work(s, c);
}

static bool on_writable(const struct ump__web_server *s, struct conn *c) {
  enum sent how = send_answer(s, c);
  if (how != SENT) return how == LATER;
  finish(s, c);
  return work(s, c);
}

/* ---- connections ---- */

static void end(struct ump__web_server *s, size_t i) {
  struct conn *c = s->conns[i];
  s->conns[i] = s->conns[--s->n];
  ump__web_answer_deinit(&c->answer);
  close(c->fd);
  free(c);
}

static void identify(const struct sockaddr_storage *sa, uint8_t who[17]) {
  memset(who, 0, 17);
  who[0] = (uint8_t)(sa->ss_family == AF_INET6 ? 6 : 4);
  if (sa->ss_family == AF_INET6)
    memcpy(who + 1, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, 8);
  else
    memcpy(who + 1, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
}

/* When all places are taken, whoever has had his answer and asks for nothing more gives way, the longest idle first. */
static bool make_place(struct ump__web_server *s) {
  size_t idle = s->n;
  if (s->n < UMP_WEB_CONNECTIONS) return true;
  for (size_t i = 0; i < s->n; i++) {
    const struct conn *c = s->conns[i];
    if (c->served && (idle == s->n || c->until < s->conns[idle]->until)) idle = i;
  }
  if (idle == s->n) return false;
  end(s, idle);
  return true;
}

static void take_in(struct ump__web_server *s, int fd, const struct sockaddr_storage *from) {
  uint8_t who[17];
  unsigned same = 0;
  int on = 1;
  identify(from, who);
  for (size_t i = 0; i < s->n; i++) same += memcmp(s->conns[i]->who, who, sizeof who) == 0;
  struct conn *c = same < UMP_WEB_PER_ADDRESS && make_place(s) ? malloc(sizeof *c) : NULL;
  if (!c) {
    close(fd);
    return;
  }
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* answers are written as a whole already */
  c->fd = fd;
  c->served = false;
  c->in_at = c->in_n = 0;
  memcpy(c->who, who, sizeof who);
  ump__web_answer_init(&c->answer);
  ask(s, c);
  s->conns[s->n++] = c;
}

static void accept_some(struct ump__web_server *s) {
  for (int i = 0; i < ACCEPTS; i++) {
    struct sockaddr_storage from;
    socklen_t n = sizeof from;
    int fd = accept4(s->cfg.listener, (struct sockaddr *)&from, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
      take_in(s, fd, &from);
    else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
      s->accept_at = s->now + PAUSE_MS;
    else if (errno != ECONNABORTED && errno != EINTR)
      return;
    if (s->accept_at > s->now) return;
  }
}

/* ---- one turn ---- */

enum { WAKE, LISTENER, FIRST };

static size_t prepare(const struct ump__web_server *s, struct pollfd *fds, int *timeout) {
  ms next = s->accept_at > s->now ? s->accept_at : INT64_MAX;
  fds[WAKE] = (struct pollfd){.fd = s->cfg.wake, .events = POLLIN};
  fds[LISTENER] = (struct pollfd){.fd = s->accept_at > s->now ? -1 : s->cfg.listener, .events = POLLIN};
  for (size_t i = 0; i < s->n; i++) {
    const struct conn *c = s->conns[i];
    fds[FIRST + i] = (struct pollfd){.fd = c->fd, .events = c->state == ANSWERING ? POLLOUT : POLLIN};
    if (c->until < next) next = c->until;
  }
  *timeout = next == INT64_MAX ? -1 : next <= s->now ? NO_WAIT : (int)(next - s->now);
  return FIRST + s->n;
}

static bool serve(const struct ump__web_server *s, struct conn *c, short events) {
  if (events && !(c->state == ANSWERING ? on_writable : on_readable)(s, c)) return false;
  return c->until > s->now;
}

void ump__web_serve(struct ump__web_server *s) {
  struct pollfd fds[FIRST + UMP_WEB_CONNECTIONS];
  for (;;) {
    int timeout;
    s->now = clock_now();
    size_t n = prepare(s, fds, &timeout);
    if (poll(fds, n, timeout) < 0) { /* for want of memory, if at all: nothing else can be wrong */
      if (errno != EINTR) poll(NULL, 0, PAUSE_MS);
      continue;
    }
    s->now = clock_now();
    if (fds[WAKE].revents) return;
    for (size_t i = n - FIRST; i-- > 0;) /* backwards: one that ends gives its place to the last */
      if (!serve(s, s->conns[i], fds[FIRST + i].revents)) end(s, i);
    if (fds[LISTENER].revents) accept_some(s);
  }
}

/* ---- life ---- */

struct ump__web_server *ump__web_server_new(const struct ump__web_server_cfg *cfg) {
  struct ump__web_server *s = calloc(1, sizeof *s);
  if (!s) return NULL;
  s->cfg = *cfg;
  s->n_common = strlen(cfg->site->common);
  return s;
}

void ump__web_server_free(struct ump__web_server *s) {
  if (!s) return;
  while (s->n) end(s, s->n - 1);
  free(s);
}
