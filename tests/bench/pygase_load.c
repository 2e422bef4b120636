/* The load of PyGaSe clients: 40 packages a second each way, as the original's; or as many events as are acknowledged.
 *
 *   bench_pygase --port P --pid SERVER [--clients N] [--seconds S] [--events E] [--entities M --moving K]
 *
 * Without events: clients that only keep in touch, spread over the interval. With entities the rulebook
 * (pygase_rules.lua) is told to keep a state of M and to move K of them 20 times a second. With events: each client
 * sends 30 packages of E events whenever it hears from the server; those that were acknowledged count.
 *
 * Lateness of a package: how much later it came than the earliest of its client's, counted by sequence and 25 ms; not
 * of clients that are sent 20 a second because of high latencies, which are counted. Lateness of a tick: the same for
 * the time that the state carries, by 50 ms. Age: from that time to when a client had it. Costs are the server's CPU
 * time, all its threads. Results are `key value` lines. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "histogram.h"
#include "port.h"

enum { INTERVAL = 25000000, BURST = 30, MOST = 4096, TICKS = 4096 };

struct client {
  uint16_t sequence, newest, time_order, confirmed;
  uint32_t before;
  bool connected;
  int64_t next;         /* when it speaks again, ns */
  uint16_t first, last; /* sequences within the measurement */
  uint32_t n;           /* packages heard in it */
  int64_t earliest;     /* arrival - sequence * interval, the least */
  uint64_t acked;
  uint32_t t; /* the newest time of the state that it has */
};

struct arrival { /* of a package within the measurement */
  uint32_t client;
  int64_t at; /* arrival - sequence * interval */
};

struct load {
  struct port port;
  struct client *clients;
  int pid;
  unsigned n, events, entities, moving;
  double seconds;
  bool measuring;
  struct arrival *arrivals;
  size_t n_arrivals, cap_arrivals;
  uint64_t packages, bytes, sent, doubled, acked, updates;
  struct histogram lateness, age, ticks;
  uint32_t tick_times[TICKS]; /* in units of 10 us */
  size_t n_ticks;
  uint32_t newest_t;
};

static void die(const char *what) {
  perror(what);
  exit(1);
}

static int64_t now_ns(void) {
  struct timespec t;
  if (clock_gettime(CLOCK_MONOTONIC, &t) != 0) die("clock_gettime");
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static double server_cpu(const struct load *l) {
  clockid_t clock;
  struct timespec t;
  if (clock_getcpuclockid(l->pid, &clock) != 0 || clock_gettime(clock, &t) != 0) die("the server's clock");
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint32_t address(unsigned i) {
  return (127u << 24) + 1024 + i;
}

static void put16(char *p, unsigned v) {
  p[0] = (char)(v >> 8), p[1] = (char)v;
}
static unsigned get16(const char *p) {
  return (unsigned)(uint8_t)p[0] << 8 | (uint8_t)p[1];
}
static uint16_t after(uint16_t v) {
  return v == 65535 ? 1 : (uint16_t)(v + 1);
}
static int ahead(int a, int b) {
  int d = a - b;
  return d > 32767 ? d - 65535 : d < -32767 ? d + 65535 : d;
}

/* ---- speaking ---- */

static const char move_event[] = "\x00\x29\x83\xa4type\xa4MOVE\xachandler_args\x90\xaehandler_kwargs\x80";

static void speak(struct load *l, unsigned i, unsigned events, const char *extra, size_t extra_n) {
  struct client *c = &l->clients[i];
  const size_t one = sizeof move_event - 1;
  char *p = port_put(&l->port, address(i), (unsigned)(14 + events * one + extra_n));
  c->sequence = after(c->sequence);
  memcpy(p, "\xff\xd0\xfa\xb9", 4);
  put16(p + 4, c->sequence), put16(p + 6, c->newest);
  put16(p + 8, c->before >> 16), put16(p + 10, c->before & 0xffff);
  put16(p + 12, c->time_order);
  p += 14;
  for (; events; events--, p += one) memcpy(p, move_event, one);
  if (extra_n) memcpy(p, extra, extra_n);
  l->sent++;
}

static void start(struct load *l) {
  char event[64] = "\x00\x00\x83\xa4type\xa5start\xachandler_args\x92\xcd", *p = event + 2 + 6 + 6 + 13 + 2;
  put16(p, l->entities), p[2] = (char)0xcd, put16(p + 3, l->moving), p += 5;
  memcpy(p, "\xaehandler_kwargs\x80", 16), p += 16;
  put16(event, (unsigned)(p - event - 2));
  speak(l, 0, 0, event, (size_t)(p - event));
}

/* ---- hearing ---- */

static long integer(const char *p) {
  uint8_t b = (uint8_t)*p;
  if (b < 0x80) return b;
  if (b == 0xcc) return (uint8_t)p[1];
  if (b == 0xcd) return get16(p + 1);
  if (b == 0xce) return (long)(((uint32_t)get16(p + 1) << 16) | get16(p + 3));
  return -1;
}

static void see_tick(struct load *l, uint32_t t) {
  if (t <= l->newest_t) return;
  l->newest_t = t;
  if (l->n_ticks < TICKS) l->tick_times[l->n_ticks++] = t;
}

/* time_order comes first in what the server writes; t is near the front or not in this part. */
static void hear_update(struct load *l, struct client *c, const char *p, size_t n, int64_t at) {
  const char *order = memmem(p, n < 32 ? n : 32, "\xaatime_order", 11);
  if (!order) return;
  long time_order = integer(order + 11);
  if (ahead((int)time_order, c->time_order) <= 0) return;
  c->time_order = (uint16_t)time_order;
  if (l->measuring) l->updates++;
  const char *t = memmem(p, n, "\xa1t\xce", 3);
  if (!t) return;
  uint32_t made = (uint32_t)integer(t + 2);
  if (made <= c->t) return;
  c->t = made;
  if (!l->measuring) return;
  see_tick(l, made);
  int64_t age = (at / 10000) % 1000000000 - made;
  histogram_add(&l->age, age > 0 ? (uint64_t)age * 10000 : 0);
}

static void note(struct load *l, unsigned i, struct client *c, uint16_t sequence, int64_t at) {
  if (!c->n++) c->first = sequence, c->earliest = INT64_MAX;
  int64_t on_clock = at - (int64_t)ahead(sequence, c->first) * INTERVAL;
  if (on_clock < c->earliest) c->earliest = on_clock;
  if (l->n_arrivals < l->cap_arrivals) l->arrivals[l->n_arrivals++] = (struct arrival){i, on_clock};
}

static void hear(struct load *l, struct parcel parcel, int64_t at) {
  unsigned i = parcel.to - address(0);
  if (i >= l->n || parcel.n < 15) return;
  struct client *c = &l->clients[i];
  uint16_t sequence = (uint16_t)get16(parcel.text + 4), ack = (uint16_t)get16(parcel.text + 6);
  int d = c->newest ? ahead(sequence, c->newest) : 1;
  if (d <= 0) {
    l->doubled++;
    return;
  }
  c->before = !c->newest || d > 32 ? 0 : (d < 32 ? c->before >> d : 0) | 1u << (32 - d);
  c->newest = sequence;
  if (l->measuring) {
    l->packages++, l->bytes += parcel.n;
    uint32_t bits = (uint32_t)get16(parcel.text + 8) << 16 | get16(parcel.text + 10);
    int news = c->confirmed ? ahead(ack, c->confirmed) : 1; /* those it had not said before */
    for (int k = 0; k < news && k <= 32; k++) l->acked += k == 0 || (bits >> (32 - k) & 1);
    note(l, i, c, sequence, at);
  }
  c->confirmed = ack;
  unsigned n = get16(parcel.text + 12);
  if (14 + n <= parcel.n) hear_update(l, c, parcel.text + 14, n, at);
  if (n > 13) c->connected = true;
  if (l->events && c->connected)
    for (int k = 0; k < BURST; k++) speak(l, i, l->events, NULL, 0);
}

static void turn(struct load *l) {
  unsigned n;
  while ((n = port_take(&l->port))) {
    int64_t at = now_ns();
    for (unsigned i = 0; i < n; i++) hear(l, port_parcel(&l->port, i), at);
    port_flush(&l->port);
    if (n < PORT_BATCH) break;
  }
  int64_t now = now_ns();
  for (unsigned i = 0; i < l->n; i++) {
    struct client *c = &l->clients[i];
    if (c->next > now) continue;
    while (c->next <= now) c->next += INTERVAL;
    if (!l->events || !c->connected) speak(l, i, 0, NULL, 0);
  }
  port_flush(&l->port);
  struct timespec pause = {0, 100000};
  if (!l->events) nanosleep(&pause, NULL);
}

static void run(struct load *l, double seconds) {
  for (int64_t end = now_ns() + (int64_t)(seconds * 1e9); now_ns() < end;) turn(l);
}

/* ---- results ---- */

/* The server sends it 20 packages a second: it saw latencies above 250 ms. Told apart, because its clock is another. */
static bool congested(const struct load *l, const struct client *c, double took) {
  return !l->events && c->n < 30 * took;
}

static void tell(const char *key, double v) {
  printf("%s %.9g\n", key, v);
}

static void tell_histogram(const char *name, const struct histogram *h) {
  char key[64];
  static const struct {
    const char *name;
    double q;
  } at[] = {{"p50", .5}, {"p99", .99}, {"p999", .999}};
  if (!h->n) return;
  for (int i = 0; i < 3; i++) {
    snprintf(key, sizeof key, "%s_%s_us", name, at[i].name);
    tell(key, (double)histogram_at(h, at[i].q) / 1000);
  }
  snprintf(key, sizeof key, "%s_longest_us", name);
  tell(key, (double)h->longest / 1000);
}

static void count_lateness(struct load *l, double took) {
  unsigned slow = 0;
  for (unsigned i = 0; i < l->n; i++) slow += congested(l, &l->clients[i], took);
  tell("congested", slow);
  for (size_t i = 0; i < l->n_arrivals; i++) {
    const struct client *c = &l->clients[l->arrivals[i].client];
    if (!congested(l, c, took)) histogram_add(&l->lateness, (uint64_t)(l->arrivals[i].at - c->earliest));
  }
  int64_t earliest = INT64_MAX;
  int64_t first = l->n_ticks ? l->tick_times[0] : 0;
  for (int pass = 0; pass < 2; pass++) /* ticks that nobody saw leave gaps of whole intervals: 5000 units of 10 us */
    for (size_t i = 0; i < l->n_ticks; i++) {
      int64_t t = l->tick_times[i], whole = (t - first + 2500) / 5000, off = t - first - whole * 5000;
      if (!pass && off < earliest) earliest = off;
      if (pass) histogram_add(&l->ticks, (uint64_t)(off - earliest) * 10000);
    }
}

/* Who has the state as a whole is told of ticks. */
static bool all_follow(const struct load *l) {
  for (unsigned i = 0; i < l->n; i++)
    if (!l->clients[i].t) return false;
  return true;
}

static unsigned n_connected(const struct load *l) {
  unsigned n = 0;
  for (unsigned i = 0; i < l->n; i++) n += l->clients[i].connected;
  return n;
}

static double argument(int argc, char **argv, const char *name, double fallback) {
  for (int i = 1; i + 1 < argc; i += 2)
    if (argv[i][0] == '-' && argv[i][1] == '-' && !strcmp(argv[i] + 2, name)) return atof(argv[i + 1]);
  return fallback;
}

int main(int argc, char **argv) {
  static struct load l;
  l.n = (unsigned)argument(argc, argv, "clients", 50);
  l.seconds = argument(argc, argv, "seconds", 3);
  l.events = (unsigned)argument(argc, argv, "events", 0);
  l.entities = (unsigned)argument(argc, argv, "entities", 0);
  l.moving = (unsigned)argument(argc, argv, "moving", 0);
  l.pid = (int)argument(argc, argv, "pid", 0);
  if (l.events > 5 || port_open(&l.port, (uint16_t)argument(argc, argv, "port", 0), l.events ? PORT_TRAIN : 1))
    die("bench_pygase");
  l.clients = calloc(l.n, sizeof *l.clients);
  l.cap_arrivals = (size_t)(l.n * 45 * (l.seconds + 1));
  l.arrivals = calloc(l.cap_arrivals, sizeof *l.arrivals);
  if (!l.clients || !l.arrivals) die("memory");
  int64_t now = now_ns();
  for (unsigned i = 0; i < l.n; i++)
    l.clients[i].next = now + (int64_t)((double)i / l.n * (l.n > 1000 ? 1e9 : INTERVAL));
  for (int i = 0; i < 100 && n_connected(&l) < l.n; i++) run(&l, 0.1);
  for (int i = 0; l.entities && i < 3; i++) start(&l), run(&l, l.seconds < 1 ? 0.2 : 0.7); /* a datagram may be lost */
  for (int i = 0; l.moving && i < 300 && !all_follow(&l); i++) run(&l, 0.1);
  run(&l, l.seconds < 1 ? 0.2 : 3); /* latencies of the first moments are forgotten */
  double cpu = server_cpu(&l);
  int64_t began = now_ns();
  uint64_t sent = l.sent;
  l.measuring = true;
  run(&l, l.seconds);
  l.measuring = false;
  double took = (double)(now_ns() - began) / 1e9, used = server_cpu(&l) - cpu;
  count_lateness(&l, took);
  tell("connected", n_connected(&l));
  tell("share", used / took);
  tell("packages_out_per_second", (double)(l.sent - sent) / took);
  tell("packages_in_per_second", (double)l.packages / took);
  tell("cpu_us_per_package_pair", used * 1e6 / (double)l.packages);
  tell("bytes_per_client_second", (double)l.bytes / took / l.n);
  tell("doubled", (double)l.doubled);
  tell("acked", (double)l.acked);
  tell("updates_per_client_second", (double)l.updates / took / l.n);
  if (l.events)
    tell("events_per_cpu_second", (double)l.acked * l.events / used),
        tell("events_per_second", (double)l.acked * l.events / took);
  tell_histogram("late", &l.lateness);
  tell_histogram("age", &l.age);
  tell_histogram("tick_late", &l.ticks);
  free(l.clients), free(l.arrivals);
  return 0;
}
