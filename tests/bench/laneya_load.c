/* The load on streams: laneya clients that ask and check every answer, that come and go, or that just stay.
 *
 *   bench_laneya --port P --pid SERVER [--clients N] [--window K] [--ask S [--drip N]] [--come S] [--idle 1]
 *
 * ask: each client has K requests in flight, sent again as answers come; K > 1 is pipelining. drip: besides those who
 * ask there are N who send a byte a second of a message that never ends, each of whom comes again when it is thrown
 * out; latencies are then told for those who ask. come: connects, asks once, waits for the answer and closes, N at a
 * time. idle: the server's resident memory before and after N connections that asked once. Costs are the server's CPU
 * time, all its threads. Results are `key value` lines. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "histogram.h"

enum { BURST = 65536, IN = 1 << 18, EVENTS = 256 };

struct client {
  int fd;
  uint32_t number;
  double asked;                   /* when, the last time */
  uint64_t next_key, next_answer; /* of this connection, from 1 */
  size_t n_in;
  char in[512]; /* the rest of an answer that came in part */
};

struct load {
  uint16_t port;
  int pid, epoll;
  unsigned clients, window, drip;
  struct client *all;
  uint64_t answered, wrong, connected, thrown_out;
  struct histogram latency;
};

static void die(const char *what) {
  perror(what);
  exit(1);
}

static double seconds(clockid_t clock) {
  struct timespec t;
  if (clock_gettime(clock, &t) != 0) die("clock_gettime");
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double server_cpu(const struct load *l) {
  clockid_t clock;
  if (clock_getcpuclockid(l->pid, &clock) != 0) die("the server's clock");
  return seconds(clock);
}

static long server_memory(const struct load *l) { /* KiB */
  char path[64], line[256];
  long kib = -1;
  snprintf(path, sizeof path, "/proc/%d/status", l->pid);
  FILE *f = fopen(path, "r");
  if (!f) die(path);
  while (fgets(line, sizeof line, f))
    if (sscanf(line, "VmRSS: %ld", &kib) == 1) break;
  fclose(f);
  return kib;
}

/* ---- one client ---- */

static void dial(struct load *l, struct client *c) {
  struct sockaddr_in to = {
      .sin_family = AF_INET, .sin_port = htons(l->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int one = 1;
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0) die("connect");
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  fcntl(c->fd, F_SETFL, O_NONBLOCK);
  struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
  epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &ev);
  c->next_key = c->next_answer = 1, c->n_in = 0;
  l->connected++;
}

static void ask(struct client *c, unsigned n) {
  c->asked = seconds(CLOCK_MONOTONIC);
  char out[BURST], one[200];
  size_t at = 0;
  while (n-- > 0 && at < BURST - 300) {
    int len = snprintf(
        one, sizeof one,
        "{\"type\": \"request\", \"key\": %llu, \"user\": \"user%u\", \"action\": \"move\", \"data\": {\"direction\": "
        "\"north\"}}",
        (unsigned long long)c->next_key++, c->number);
    at += (size_t)snprintf(out + at, BURST - at, "%d:%s,", len, one);
  }
  for (size_t sent = 0; sent < at;) {
    ssize_t k = write(c->fd, out + sent, at - sent);
    if (k > 0)
      sent += (size_t)k;
    else if (k < 0 && errno != EAGAIN)
      die("write");
  }
}

/* The answer to the request that is due, and no other. */
static void check(struct load *l, struct client *c, const char *p, size_t n) {
  char want[120];
  int len =
      snprintf(want, sizeof want, "{\"type\": \"response\", \"key\": %llu, \"status\": \"success\", \"data\": {}}",
               (unsigned long long)c->next_answer++);
  if ((size_t)len != n || memcmp(want, p, n) != 0) {
    if (l->wrong++ == 0) fprintf(stderr, "wanted %s\ngot    %.*s\n", want, (int)n, p);
  }
  l->answered++;
}

static unsigned take(struct load *l, struct client *c) { /* how many answers came */
  static char in[IN + 512];
  unsigned answers = 0;
  memcpy(in, c->in, c->n_in);
  ssize_t got = read(c->fd, in + c->n_in, IN);
  if (got == 0) {
    fprintf(stderr, "the server closed a connection\n");
    exit(1);
  }
  if (got < 0) return 0;
  size_t all = c->n_in + (size_t)got, at = 0;
  for (;;) {
    size_t n = 0, i = at;
    while (i < all && in[i] >= '0' && in[i] <= '9') n = n * 10 + (size_t)(in[i++] - '0');
    if (i + 1 + n >= all) break;
    check(l, c, in + i + 1, n);
    at = i + n + 2, answers++;
  }
  c->n_in = all - at;
  if (c->n_in > sizeof c->in) exit(1);
  memcpy(c->in, in + at, c->n_in);
  return answers;
}

/* ---- those who drip ---- */

static void drip_dial(struct load *l, struct client *c) {
  dial(l, c);
  epoll_ctl(l->epoll, EPOLL_CTL_DEL, c->fd, NULL);
  if (write(c->fd, "1000000:", 8) != 8) die("write");
}

/* One hundredth of them, a hundred times a second. */
static void drip(struct load *l, struct client *all, unsigned turn) {
  for (unsigned i = turn % 100; i < l->drip; i += 100) {
    char byte;
    if (read(all[i].fd, &byte, 1) < 0 && errno == EAGAIN && send(all[i].fd, " ", 1, MSG_NOSIGNAL) == 1) continue;
    close(all[i].fd);
    l->thrown_out++;
    drip_dial(l, &all[i]);
  }
}

/* ---- what is measured ---- */

static void run_ask(struct load *l, double length) {
  struct epoll_event events[EVENTS];
  unsigned *owed = calloc(l->clients, sizeof *owed);
  struct client *drips = calloc(l->drip + 1, sizeof *drips);
  unsigned turn = 0;
  for (unsigned i = 0; i < l->drip; i++) drip_dial(l, &drips[i]);
  double start = seconds(CLOCK_MONOTONIC);
  for (unsigned i = 0; i < l->clients; i++) ask(&l->all[i], l->window);
  double warm = seconds(CLOCK_MONOTONIC) + length / 4, cpu = 0, began = 0;
  uint64_t before = 0;
  for (double now; (now = seconds(CLOCK_MONOTONIC)) < warm + length;) {
    if (began == 0 && now >= warm) began = now, cpu = server_cpu(l), before = l->answered;
    if (l->drip && now - start > turn / 100.0) drip(l, drips, turn++);
    int n = epoll_wait(l->epoll, events, EVENTS, l->drip ? 1 : 100);
    for (int i = 0; i < n; i++) {
      struct client *c = events[i].data.ptr;
      unsigned *due = &owed[c - l->all];
      *due += take(l, c);
      if (l->drip && began > 0) histogram_add(&l->latency, (uint64_t)((seconds(CLOCK_MONOTONIC) - c->asked) * 1e9));
      if (*due < (l->window + 1) / 2) continue; /* half a window at a time, as a client does that has much to say */
      ask(c, *due);
      *due = 0;
    }
  }
  double took = seconds(CLOCK_MONOTONIC) - began;
  cpu = server_cpu(l) - cpu;
  double answered = (double)(l->answered - before);
  printf("ask_rate %.0f\nask_busy %.2f\nask_per_cpu_second %.0f\n", answered / took, cpu / took, answered / cpu);
  if (l->drip)
    printf("drip_thrown_out %llu\nask_p50_us %.0f\nask_p99_us %.0f\n", (unsigned long long)l->thrown_out,
           (double)histogram_at(&l->latency, 0.5) / 1e3, (double)histogram_at(&l->latency, 0.99) / 1e3);
  for (unsigned i = 0; i < l->drip; i++) close(drips[i].fd);
  free(drips), free(owed);
}

static void run_come(struct load *l, double length) {
  struct epoll_event events[EVENTS];
  struct linger hard = {1, 0}; /* no TIME_WAIT: ports would run out before the time does */
  double cpu = server_cpu(l), began = seconds(CLOCK_MONOTONIC);
  uint64_t before = l->answered;
  for (unsigned i = 0; i < l->clients; i++) dial(l, &l->all[i]), ask(&l->all[i], 1);
  while (seconds(CLOCK_MONOTONIC) < began + length) {
    int n = epoll_wait(l->epoll, events, EVENTS, 100);
    for (int i = 0; i < n; i++) {
      struct client *c = events[i].data.ptr;
      if (take(l, c) == 0) continue;
      setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
      close(c->fd);
      c->number += l->clients; /* another user: the old name may still be taken */
      dial(l, c), ask(c, 1);
    }
  }
  double came = (double)(l->answered - before), took = seconds(CLOCK_MONOTONIC) - began;
  cpu = server_cpu(l) - cpu;
  printf("come_rate %.0f\ncome_busy %.2f\ncome_per_cpu_second %.0f\n", came / took, cpu / took, came / cpu);
}

static void wait_for(struct load *l, uint64_t answers) {
  struct epoll_event events[EVENTS];
  while (l->answered < answers) {
    int n = epoll_wait(l->epoll, events, EVENTS, 5000);
    if (n <= 0) exit(1);
    for (int i = 0; i < n; i++) take(l, events[i].data.ptr);
  }
}

static void run_idle(struct load *l) {
  long before = server_memory(l);
  for (unsigned i = 0; i < l->clients; i++) dial(l, &l->all[i]);
  usleep(200000);
  long silent = server_memory(l);
  for (unsigned i = 0; i < l->clients; i++) {
    ask(&l->all[i], 1);
    if (i % 100 == 99) wait_for(l, l->answered + 1);
  }
  wait_for(l, l->clients);
  usleep(200000);
  long after = server_memory(l);
  printf("idle_before_kib %ld\nidle_silent_bytes %.0f\nidle_bytes %.0f\n", before,
         (double)(silent - before) * 1024 / l->clients, (double)(after - before) * 1024 / l->clients);
}

int main(int argc, char **argv) {
  struct load l = {.clients = 1, .window = 1};
  double ask_s = 0, come_s = 0;
  bool idle = false;
  for (int i = 1; i + 1 < argc; i += 2) {
    const char *name = argv[i], *value = argv[i + 1];
    if (!strcmp(name, "--port"))
      l.port = (uint16_t)atoi(value);
    else if (!strcmp(name, "--pid"))
      l.pid = atoi(value);
    else if (!strcmp(name, "--clients"))
      l.clients = (unsigned)atoi(value);
    else if (!strcmp(name, "--window"))
      l.window = (unsigned)atoi(value);
    else if (!strcmp(name, "--drip"))
      l.drip = (unsigned)atoi(value);
    else if (!strcmp(name, "--ask"))
      ask_s = atof(value);
    else if (!strcmp(name, "--come"))
      come_s = atof(value);
    else if (!strcmp(name, "--idle"))
      idle = atoi(value);
    else
      return fprintf(stderr, "bench_laneya: what is %s?\n", name), 2;
  }
  struct rlimit files = {0};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  l.epoll = epoll_create1(EPOLL_CLOEXEC);
  l.all = calloc(l.clients, sizeof *l.all);
  for (unsigned i = 0; i < l.clients; i++) l.all[i].number = i;
  for (unsigned i = 0; ask_s > 0 && i < l.clients; i++) dial(&l, &l.all[i]);
  if (ask_s > 0) run_ask(&l, ask_s);
  if (come_s > 0) run_come(&l, come_s);
  if (idle) run_idle(&l);
  printf("answered %llu\nwrong %llu\nconnected %llu\n", (unsigned long long)l.answered, (unsigned long long)l.wrong,
         (unsigned long long)l.connected);
  free(l.all);
  return l.wrong > 0;
}
