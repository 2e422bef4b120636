/* The load of the joint protocol: an owner and users of one channel, on real sockets.
 *
 *   bench_joint --port P --pid SERVER [--clients N] [--size BYTES] [--window N] [--web 1] [--rulebook 1]
 *               [--relay S] [--echo S] [--shout S] [--come S] [--idle 1]
 *
 * relay: users send frames to their owner. echo: the owner sends each back (with --rulebook: the rulebook's channel
 * "lobby" does). shout: the owner broadcasts. come: connections that create a channel and go. idle: connections with a
 * channel each. Up to --window frames of each user (broadcasts of the owner) are under way. Costs are the server's CPU
 * time, all its threads, over the measured interval; results are `key value` lines. Frames are checked by their length,
 * and counted where they arrive. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 1 << 20, MOST = 20000, PER_ADDRESS = 20 };
#define SECOND 1000000000ull

struct conn {
  int fd;
  uint8_t *in, *out; /* BUFFER bytes each */
  size_t n_in, n_out, at_out;
  uint64_t sent, got; /* frames of this user's: sent by it, and arrived at their end */
};

static struct {
  int port, pid;
  unsigned clients, size, window;
  bool web, rulebook;
  double relay, echo, shout, come, idle;
} opt = {.clients = 1, .size = 100, .window = 64};

static struct conn conns[MOST];
static uint64_t wrong, arrived;

static uint64_t clock_of(clockid_t id) {
  struct timespec t;
  clock_gettime(id, &t);
  return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static uint64_t cpu_of_server(void) {
  clockid_t id;
  if (clock_getcpuclockid(opt.pid, &id) != 0) return 0;
  return clock_of(id);
}

static void die(const char *what) {
  fprintf(stderr, "bench_joint: %s: %s\n", what, strerror(errno));
  exit(1);
}

/* ---- sockets ---- */

static void write_all(int fd, const void *p, size_t n) {
  for (const char *at = p; n;) {
    ssize_t k = write(fd, at, n);
    if (k < 0) die("write");
    at += k, n -= (size_t)k;
  }
}

static void read_all(int fd, void *p, size_t n) {
  for (char *at = p; n;) {
    ssize_t k = read(fd, at, n);
    if (k <= 0) die("read");
    at += k, n -= (size_t)k;
  }
}

static int dial(unsigned i) {
  struct sockaddr_in to = {
      .sin_family = AF_INET, .sin_port = htons((uint16_t)opt.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f010001u + i / PER_ADDRESS)};
  int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof from) != 0 ||
      connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
    die("connect");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

static void upgrade(int fd) {
  static const char get[] =
      "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  char answer[512];
  size_t n = 0;
  write_all(fd, get, sizeof get - 1);
  do read_all(fd, answer + n, 1), n++;
  while (n < 4 || memcmp(answer + n - 4, "\r\n\r\n", 4) != 0);
}

/* A frame of the client's around n bytes that stand at p + room; gives where it begins. The mask is 0: the server works
 * as with any other. */
static uint8_t *web_frame(uint8_t *p, size_t n) {
  size_t head = n < 126 ? 2 : 4;
  uint8_t *at = p - head - 4;
  at[0] = 0x82, at[1] = (uint8_t)(0x80 | (n < 126 ? n : 126));
  if (head == 4) at[2] = (uint8_t)(n >> 8), at[3] = (uint8_t)n;
  memset(at + head, 0, 4);
  return at;
}

static void say(int fd, bool web, const uint8_t *p, size_t n) { /* a short command */
  uint8_t frame[300];
  memcpy(frame + 8, p, n);
  uint8_t *at = web ? web_frame(frame + 8, n) : frame + 8;
  write_all(fd, at, (size_t)(frame + 8 + n - at));
}

/* Creates or enters a channel; the answer is read. */
static void ask(int fd, bool web, bool creates, const char *id) {
  uint8_t command[260] = {0, !creates, 1, (uint8_t)strlen(id)}, answer[7];
  memcpy(command + 4, id, strlen(id));
  say(fd, web, command, 4 + strlen(id));
  read_all(fd, answer, web ? 7 : 5);
  if (answer[web ? 5 : 3] != 0) {
    fprintf(stderr, "bench_joint: %s was refused: %d\n", id, answer[web ? 6 : 4]);
    exit(1);
  }
}

static void open_conn(struct conn *c, unsigned i, bool web) {
  c->fd = dial(i);
  c->in = malloc(BUFFER), c->out = malloc(BUFFER);
  if (web) upgrade(c->fd);
}

/* ---- frames ---- */

static size_t put_size(uint8_t *p, size_t n) {
  if (n < 128) return p[0] = (uint8_t)n, 1;
  p[0] = (uint8_t)(0x80 | n >> 8), p[1] = (uint8_t)n;
  return 2;
}

/* Queues one frame: mark bytes, size, the joint and perhaps the user, data. False: no room now. */
static bool put(struct conn *c, bool web, bool all, bool own, uint8_t user) {
  uint8_t head[16];
  size_t n_head = 0, data = opt.size;
  if (c->n_out + data + 64 > BUFFER) return false;
  if (all) head[n_head++] = 1, head[n_head++] = 1;
  n_head += put_size(head + n_head, data + (own && !all ? 2 : 1));
  head[n_head++] = own ? 0x80 : 0;
  if (own && !all) head[n_head++] = user;
  uint8_t *p = c->out + c->n_out + (web ? 8 : 0);
  memcpy(p, head, n_head);
  memset(p + n_head, 'x', data);
  if (opt.rulebook) p[n_head + put_size(p + n_head, 1) - 1] = (uint8_t)(data < 130 ? data - 2 : 0);
  if (web) {
    uint8_t *at = web_frame(p, n_head + data);
    memmove(c->out + c->n_out, at, (size_t)(p + n_head + data - at));
    c->n_out += (size_t)(p + n_head + data - at);
  } else {
    c->n_out += n_head + data;
  }
  return true;
}

static void flush(struct conn *c) {
  while (c->at_out < c->n_out) {
    ssize_t n = send(c->fd, c->out + c->at_out, c->n_out - c->at_out, MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN) die("send");
    if (n < 0) return;
    c->at_out += (size_t)n;
  }
  c->at_out = c->n_out = 0;
}

typedef void frame_fn(const uint8_t *p, size_t n, struct conn *c);

/* Reads what is there; calls fn for each data frame, with the bytes behind its size. */
static void take(struct conn *c, bool web, frame_fn *fn) {
  ssize_t k = recv(c->fd, c->in + c->n_in, BUFFER - c->n_in, MSG_DONTWAIT);
  if (k == 0 || (k < 0 && errno != EAGAIN)) die("the server closed a connection");
  if (k < 0) return;
  c->n_in += (size_t)k;
  size_t at = 0;
  for (;;) {
    const uint8_t *p = c->in + at;
    size_t left = c->n_in - at, outer = 0, len, head = 1;
    if (web) {
      if (left < 4) break;
      outer = p[1] == 126 ? 4 : 2;
      p += outer, left -= outer;
    }
    if (left < 2) break;
    if (p[0] == 0) { /* a command: keep-alives, users that come and go */
      static const size_t lengths[] = {0, 0, 0, 5, 6, 7};
      len = lengths[p[1] % 6], head = 0;
    } else {
      len = p[0];
      if (len & 0x80) len = (len & 0x7f) << 8 | p[1], head = 2;
    }
    if (left < head + len) break;
    if (head) fn(p + head, len, c);
    at += outer + head + len;
  }
  memmove(c->in, c->in + at, c->n_in - at);
  c->n_in -= at;
}

/* ---- what arrives ---- */

static bool echoes;

static void at_owner(const uint8_t *p, size_t n, struct conn *c) {
  struct conn *user = &conns[1 + p[1]];
  wrong += n != opt.size + 2 || p[0] != 0x80;
  if (!echoes)
    user->got++, arrived++;
  else if (!put(c, false, false, true, p[1]))
    wrong++; /* the owner itself is raw */
}

static void at_user(const uint8_t *p, size_t n, struct conn *c) {
  wrong += n != opt.size + 1 || p[0] != 0;
  c->got++;
  arrived++;
}

/* ---- the runs ---- */

static void start(bool owner) {
  unsigned n = opt.clients + 1;
  if (owner) {
    open_conn(&conns[0], 0, false);
    ask(conns[0].fd, false, true, "bench");
  }
  for (unsigned i = 1; i < n; i++) {
    open_conn(&conns[i], i, opt.web);
    ask(conns[i].fd, opt.web, false, owner ? "bench" : "lobby");
  }
}

static void turn(struct pollfd *fds, unsigned first, unsigned n) {
  for (unsigned i = first; i < n; i++)
    fds[i] = (struct pollfd){conns[i].fd, (short)(POLLIN | (conns[i].n_out > conns[i].at_out ? POLLOUT : 0)), 0};
  poll(fds + first, n - first, 100);
  for (unsigned i = first; i < n; i++)
    if (fds[i].revents & POLLIN) take(&conns[i], i && opt.web, i ? at_user : at_owner);
}

static void report(const char *name, uint64_t cpu, uint64_t wall) {
  printf("%s_per_cpu_second %.0f\n%s_per_second %.0f\n%s_us %.3f\nwrong %llu\n", name,
         (double)arrived * 1e9 / (double)cpu, name, (double)arrived * 1e9 / (double)wall, name,
         (double)cpu / 1e3 / (double)arrived, (unsigned long long)wrong);
}

/* Frames both ways, or from users to their owner. */
static void run_frames(const char *name, double seconds, bool back) {
  static struct pollfd fds[MOST];
  unsigned n = opt.clients + 1, first = opt.rulebook ? 1 : 0;
  uint64_t cpu = 0, began = clock_of(CLOCK_MONOTONIC), from = 0;
  echoes = back;
  start(!opt.rulebook);
  for (bool warm = false;;) {
    uint64_t time = clock_of(CLOCK_MONOTONIC);
    if (!warm && time - began > SECOND / 5) warm = true, cpu = cpu_of_server(), from = time, arrived = 0;
    if (warm && (double)(time - from) > seconds * 1e9) break;
    for (unsigned i = 1; i < n; i++)
      while (conns[i].sent - conns[i].got < opt.window && put(&conns[i], opt.web, false, false, 0)) conns[i].sent++;
    for (unsigned i = first; i < n; i++) flush(&conns[i]);
    turn(fds, first, n);
    if (first == 0) flush(&conns[0]);
  }
  report(name, cpu_of_server() - cpu, clock_of(CLOCK_MONOTONIC) - from);
}

static void run_shout(double seconds) {
  static struct pollfd fds[MOST];
  unsigned n = opt.clients + 1;
  uint64_t cpu = 0, began = clock_of(CLOCK_MONOTONIC), from = 0, all = 0;
  start(true);
  for (bool warm = false;;) {
    uint64_t time = clock_of(CLOCK_MONOTONIC), least = UINT64_MAX;
    if (!warm && time - began > SECOND / 5) warm = true, cpu = cpu_of_server(), from = time, all = arrived;
    if (warm && (double)(time - from) > seconds * 1e9) break;
    for (unsigned i = 1; i < n; i++) least = conns[i].got < least ? conns[i].got : least;
    while (conns[0].sent - least < opt.window && put(&conns[0], false, true, true, 0)) conns[0].sent++;
    flush(&conns[0]);
    turn(fds, 0, n);
  }
  arrived -= all;
  report("shout", cpu_of_server() - cpu, clock_of(CLOCK_MONOTONIC) - from);
}

static void run_come(double seconds) {
  uint64_t from = clock_of(CLOCK_MONOTONIC), cpu = cpu_of_server();
  for (unsigned i = 0; (double)(clock_of(CLOCK_MONOTONIC) - from) < seconds * 1e9; i++, arrived++) {
    int fd = dial(i % 4000);
    struct linger now = {1, 0}; /* a reset at once, so that ports do not run out */
    if (opt.web) upgrade(fd);
    ask(fd, opt.web, true, "come");
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
  }
  report("come", cpu_of_server() - cpu, clock_of(CLOCK_MONOTONIC) - from);
}

static long resident(void) { /* KiB */
  char path[64], line[256];
  long kib = 0;
  snprintf(path, sizeof path, "/proc/%d/status", opt.pid);
  FILE *f = fopen(path, "r");
  while (f && fgets(line, sizeof line, f))
    if (sscanf(line, "VmRSS: %ld", &kib) == 1) break;
  if (f) fclose(f);
  return kib;
}

static void run_idle(void) {
  long before = resident();
  for (unsigned i = 0; i < opt.clients; i++) {
    char id[32];
    int fd = dial(i);
    snprintf(id, sizeof id, "channel %u", i);
    if (opt.web) upgrade(fd);
    ask(fd, opt.web, true, id);
  }
  printf("idle_bytes %.0f\n", (double)(resident() - before) * 1024 / opt.clients);
}

int main(int argc, char **argv) {
  struct rlimit r;
  getrlimit(RLIMIT_NOFILE, &r), r.rlim_cur = r.rlim_max, setrlimit(RLIMIT_NOFILE, &r);
  for (int i = 1; i + 1 < argc; i += 2) {
    double v = atof(argv[i + 1]);
    const char *k = argv[i] + 2;
    if (!strcmp(k, "port"))
      opt.port = (int)v;
    else if (!strcmp(k, "pid"))
      opt.pid = (int)v;
    else if (!strcmp(k, "clients"))
      opt.clients = (unsigned)v;
    else if (!strcmp(k, "size"))
      opt.size = (unsigned)v;
    else if (!strcmp(k, "window"))
      opt.window = (unsigned)v;
    else if (!strcmp(k, "web"))
      opt.web = v != 0;
    else if (!strcmp(k, "rulebook"))
      opt.rulebook = v != 0;
    else if (!strcmp(k, "relay"))
      opt.relay = v;
    else if (!strcmp(k, "echo"))
      opt.echo = v;
    else if (!strcmp(k, "shout"))
      opt.shout = v;
    else if (!strcmp(k, "come"))
      opt.come = v;
    else if (!strcmp(k, "idle"))
      opt.idle = v;
    else
      return fprintf(stderr, "bench_joint: what is %s? See the head of the file.\n", argv[i]), 2;
  }
  if (opt.clients + 1 > MOST || opt.size < 3 || opt.size > 32000)
    return fprintf(stderr, "bench_joint: too many, or too large\n"), 2;
  if (opt.relay > 0) run_frames("relay", opt.relay, false);
  if (opt.echo > 0) run_frames("echo", opt.echo, true);
  if (opt.shout > 0) run_shout(opt.shout);
  if (opt.come > 0) run_come(opt.come);
  if (opt.idle > 0) run_idle();
  return 0;
}
