/* The load: clients of the real shape that register, send events, check every verdict, and confirm verdicts and
 * notifies.
 *
 *   bench_load --port P [--pid SERVER] [--clients N] [--addresses N] [--window N] [--train N]
 *              [--closed S] [--open S [--rate R] [--reload N]] [--shout S] [--idle S] [--plain 1]
 *
 * closed: as many events in flight as the window allows, for the peak. open: events at intended times (Poisson) at
 * --rate, or half of what the closed run reached; a latency counts from the intended time, so a server that stalls
 * cannot make the load wait for it. shout: each event is told to all clients. reload: SIGHUP to the server so many
 * times in the open run. Costs are the server's CPU time, all its threads, over the measured interval. Results are `key
 * value` lines.
 *
 * Clients share addresses so that their events can travel in trains (port.h). With as many addresses as clients each
 * has its own, which --shout needs: a notify does not say whom it is for. --plain is for the limit, which welcomes
 * nobody and finds everything legal. */
#define _GNU_SOURCE
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "histogram.h"
#include "port.h"

#define MS     1000000ull
#define S      1000000000ull
#define NOBODY UINT32_MAX
enum { FLIGHTS = 1 << 18, RETRIES = 4 }; /* events in flight at most; repeats of one, as the real client */
static const uint64_t REPEAT = 2 * S, LOOK = 200 * MS; /* wire/neteria section 5 */

static const char EVENT[] =
    "{\"method\": \"EVENT\", \"cuuid\": \"abbbc0f4-e591-11f1-aa15-02fc00000001\", \"euuid\": "
    "\"abbbc0f4-e591-11f1-aa15-02fc00000001\", \"event_data\": {\"move\": [-1, 0]}, \"timestamp\": \"2026-11-21 "
    "09:58:02.104217\", \"retry\": 0, \"priority\": \"normal\"}";
static const char REGISTER[] = "{\"method\": \"REGISTER\", \"cuuid\": \"abbbc0f4-e591-11f1-aa15-02fc00000001\"}";
static const char OK[] = "{\"cuuid\": \"abbbc0f4-e591-11f1-aa15-02fc00000001\", \"method\": \"OK EVENT\", \"euuid\": "
                         "\"abbbc0f4-e591-11f1-aa15-02fc00000001\"}";
enum {
  EVENT_CUUID = 30,
  EVENT_EUUID = 79,
  EVENT_DATA = 132,
  EVENT_RETRY = 203,
  REGISTER_CUUID = 33,
  OK_CUUID = 11,
  OK_METHOD = 61,
  OK_EUUID = 82,
  ID = 36
};
#define LENGTH(text) (sizeof(text) - 1)

struct client {
  uint32_t address;
  uint32_t steps; /* made so far: odd ones lead back */
  enum { NEW, ASKED, REGISTERED, WELCOMED } state;
};

struct flight {
  uint64_t number; /* of the event, from 1 */
  uint64_t intended, made, sent;
  uint32_t client;
  uint8_t tries; /* transmissions; 0: free */
  bool legal;    /* the verdict that is due */
};

struct load {
  struct port port;
  int pid;
  uint32_t n_clients, window, turn;
  bool welcome, all_legal, shouting, sleeps;
  uint32_t run; /* in every id, so that no two runs share one */
  struct client *clients;
  uint32_t *owner;  /* by address: who is registering there, or has it to itself; else NOBODY */
  uint32_t *cursor; /* by address: whose turn it is to send an event */
  uint32_t n_addresses, n_started, n_registered;
  struct flight *flights;
  uint64_t next, oldest; /* numbers of events: the next, the oldest that may be in flight */
  uint64_t looked;
  uint32_t in_flight;
  /* counts, since the last reset */
  uint64_t judged, repeated, lost, twice, wrong, foreign, notified;
  uint64_t last_answer, *gap; /* where the longest wait between two answers is kept */
  struct histogram latency;
};

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * S + (uint64_t)t.tv_nsec;
}

/* ---- ids: UUIDs of version 1, as the real client's: its clock in 100 ns, a sequence for the run, a node for the
 * number ---- */
static void hex(char *out, uint64_t v, int digits) {
  for (int i = digits - 1; i >= 0; i--, v >>= 4) out[i] = "0123456789abcdef"[v & 15];
}

static void write_id(char out[ID], uint64_t time, uint32_t run, uint32_t number) {
  memcpy(out, "00000000-0000-1000-8000-02fc00000000", ID);
  hex(out, time & 0xffffffff, 8);
  hex(out + 9, time >> 32 & 0xffff, 4);
  hex(out + 15, time >> 48 & 0xfff, 3);
  hex(out + 20, run & 0x3fff, 3);
  hex(out + 28, number, 8);
}

static uint64_t read_hex(const char *p, int digits) {
  uint64_t v = 0;
  for (int i = 0; i < digits; i++) v = v << 4 | (uint64_t)((p[i] & 15) + (p[i] > '9' ? 9 : 0));
  return v;
}

static void client_id(const struct load *l, char out[ID], uint32_t client) {
  write_id(out, l->run, l->run, client);
}

/* ---- sending ---- */
static uint32_t address_of(uint32_t i) {
  return 0x7f010001u + i;
}

static void send_register(struct load *l, uint32_t client) {
  char *p = port_put(&l->port, l->clients[client].address, LENGTH(REGISTER));
  memcpy(p, REGISTER, LENGTH(REGISTER));
  client_id(l, p + REGISTER_CUUID, client);
}

/* id: of 36 bytes; the shorter ones of probes are confirmed by confirm_probe. */
static void send_ok(struct load *l, uint32_t client, const char *id, bool notify) {
  unsigned longer = notify ? 1 : 0;
  char *p = port_put(&l->port, l->clients[client].address, LENGTH(OK) + longer);
  memcpy(p, OK, LENGTH(OK));
  client_id(l, p + OK_CUUID, client);
  if (notify)
    memcpy(p + OK_METHOD, "OK NOTIFY", 9), memcpy(p + OK_METHOD + 9, OK + OK_METHOD + 8, LENGTH(OK) - OK_METHOD - 8);
  memcpy(p + OK_EUUID + longer, id, ID);
}

/* A probe: an event that no client knows. Any client confirms it, as it came. */
static void confirm_probe(struct load *l, uint32_t client, const char *id, size_t n) {
  if (n > ID) return;
  char *p = port_put(&l->port, l->clients[client].address, (unsigned)(LENGTH(OK) - ID + n));
  memcpy(p, OK, OK_EUUID);
  client_id(l, p + OK_CUUID, client);
  memcpy(p + OK_EUUID, id, n);
  memcpy(p + OK_EUUID + n, OK + OK_EUUID + ID, LENGTH(OK) - OK_EUUID - ID);
}

static void send_flight(struct load *l, struct flight *f, uint64_t time) {
  char *p = port_put(&l->port, l->clients[f->client].address, LENGTH(EVENT));
  memcpy(p, EVENT, LENGTH(EVENT));
  client_id(l, p + EVENT_CUUID, f->client);
  write_id(p + EVENT_EUUID, f->made / 100, l->run, (uint32_t)f->number);
  if (l->shouting)
    memcpy(p + EVENT_DATA, "{\"shout\": [1,0]}", 16), p[EVENT_DATA + 16] = ' ';
  else if (!f->legal)
    p[EVENT_DATA + 10] = '1', p[EVENT_DATA + 11] = '1'; /* [11, 0]: too far */
  else if (l->clients[f->client].steps++ & 1)
    p[EVENT_DATA + 10] = ' ';
  p[EVENT_RETRY] = (char)('0' + f->tries++);
  f->sent = time;
}

static void new_event(struct load *l, uint32_t client, uint64_t intended, uint64_t time) {
  struct flight *f = &l->flights[l->next % FLIGHTS];
  if (f->tries) l->lost++, l->in_flight--;
  *f = (struct flight){.number = l->next, .client = client, .intended = intended, .made = time};
  f->legal = l->all_legal || l->shouting || l->next % 64 != 0;
  l->next++;
  l->in_flight++;
  send_flight(l, f, time);
}

/* Repeats what is unanswered, as the real client does: after 2 s, four times. */
static void look(struct load *l, uint64_t time) {
  if (time - l->looked < LOOK) return;
  l->looked = time;
  while (l->oldest < l->next && !l->flights[l->oldest % FLIGHTS].tries) l->oldest++;
  for (uint64_t i = l->oldest; i < l->next; i++) {
    struct flight *f = &l->flights[i % FLIGHTS];
    if (!f->tries || f->number != i || time - f->sent < REPEAT) continue;
    if (f->tries > RETRIES) {
      f->tries = 0, l->in_flight--, l->lost++;
      continue;
    }
    if (!l->shouting && f->legal) l->clients[f->client].steps--; /* the same step again */
    send_flight(l, f, time);
    l->repeated++;
  }
}

/* ---- registering ---- */
static void ask(struct load *l, uint32_t there, uint32_t client) {
  l->owner[there] = client;
  l->clients[client].state = ASKED;
  send_register(l, client);
}

/* One client at a time registers at an address, so that a notify or a probe there can only be meant for it. */
static void registered(struct load *l, uint32_t there, int state) {
  uint32_t client = l->owner[there];
  l->clients[client].state = state;
  if (state == REGISTERED && l->welcome) return; /* first the notify that its connect sends */
  l->n_registered++;
  if (l->n_clients - client > l->n_addresses) {
    ask(l, there, client + l->n_addresses);
    return;
  }
  if (l->n_clients > l->n_addresses) l->owner[there] = NOBODY;
  if (l->n_started < l->n_addresses) ask(l, l->n_started, l->n_started), l->n_started++;
}

/* ---- receiving ---- */
static const char *find(const struct parcel *in, const char *key, size_t *n) {
  const char *end = in->text + in->n, *p = memmem(in->text, in->n, key, strlen(key));
  if (!p) return NULL;
  for (p += strlen(key); p < end && (*p == ' ' || *p == ':'); p++) {
  }
  if (p == end || *p != '"') return NULL;
  const char *q = memchr(p + 1, '"', (size_t)(end - p) - 1);
  if (!q) return NULL;
  *n = (size_t)(q - p) - 1;
  return p + 1;
}

static void judged(struct load *l, struct flight *f, const struct parcel *in, const char *id, bool legal,
                   uint64_t time) {
  if (l->clients[f->client].address != in->to || legal != f->legal) l->wrong++;
  f->tries = 0;
  l->in_flight--;
  l->judged++;
  histogram_add(&l->latency, time - f->intended);
  if (l->last_answer && time - l->last_answer > *l->gap) *l->gap = time - l->last_answer;
  l->last_answer = time;
  send_ok(l, f->client, id, false);
}

static void take_verdict(struct load *l, const struct parcel *in, uint32_t there, bool legal, uint64_t time) {
  size_t n;
  const char *id = find(in, "\"euuid\"", &n);
  if (!id || (n != ID && l->owner[there] == NOBODY)) {
    l->foreign++;
    return;
  }
  if (n != ID) {
    confirm_probe(l, l->owner[there], id, n);
    return;
  }
  uint32_t number = (uint32_t)read_hex(id + ID - 8, 8);
  struct flight *f = &l->flights[number % FLIGHTS];
  char ours[ID];
  write_id(ours, f->made / 100, l->run, (uint32_t)f->number);
  if (memcmp(id, ours, ID) == 0) {
    if (f->tries)
      judged(l, f, in, id, legal, time);
    else
      l->twice++, send_ok(l, f->client, id, false);
  } else if (l->owner[there] != NOBODY) {
    confirm_probe(l, l->owner[there], id, n);
  } else {
    l->foreign++;
  }
}

static void take_notify(struct load *l, const struct parcel *in, uint32_t there) {
  size_t n;
  const char *id = find(in, "\"euuid\"", &n);
  uint32_t client = l->owner[there];
  if (!id || n != ID || client == NOBODY) {
    l->foreign++;
    return;
  }
  send_ok(l, client, id, true);
  l->notified++;
  if (l->clients[client].state == REGISTERED) registered(l, there, WELCOMED);
}

static void take(struct load *l, const struct parcel *in, uint64_t time) {
  size_t n;
  const char *method = find(in, "\"method\"", &n);
  uint32_t there = in->to - address_of(0);
  if (!method || there >= l->n_addresses) {
    l->foreign++;
    return;
  }
  uint32_t client = l->owner[there];
  if (n == 5 && memcmp(method, "LEGAL", 5) == 0) {
    take_verdict(l, in, there, true, time);
  } else if (n == 7 && memcmp(method, "ILLEGAL", 7) == 0) {
    take_verdict(l, in, there, false, time);
  } else if (n == 6 && memcmp(method, "NOTIFY", 6) == 0) {
    take_notify(l, in, there);
  } else if (n == 11 && memcmp(method, "OK REGISTER", 11) == 0 && client != NOBODY) {
    if (l->clients[client].state < REGISTERED) registered(l, there, REGISTERED);
  } else {
    l->foreign++;
    if (l->foreign < 4) fprintf(stderr, "bench_load: got %.*s\n", (int)in->n, in->text);
  }
}

static unsigned take_all(struct load *l) {
  unsigned n = port_take(&l->port);
  if (!n && l->sleeps) poll(&(struct pollfd){.fd = l->port.fd, .events = POLLIN}, 1, 1);
  uint64_t time = n ? now() : 0;
  for (unsigned i = 0; i < n; i++) {
    struct parcel in = port_parcel(&l->port, i);
    take(l, &in, time);
  }
  return n;
}

/* ---- phases ---- */
static void ask_again(struct load *l) {
  for (uint32_t a = 0; a < l->n_started; a++)
    if (l->owner[a] != NOBODY && l->clients[l->owner[a]].state == ASKED) send_register(l, l->owner[a]);
}

static bool register_all(struct load *l) {
  uint64_t last = now(), asked = last;
  uint32_t before = 0;
  for (uint32_t a = 0; a < l->n_addresses; a++) l->owner[a] = NOBODY;
  for (; l->n_started < l->n_addresses && l->n_started < 256; l->n_started++) ask(l, l->n_started, l->n_started);
  while (l->n_registered < l->n_clients) {
    port_flush(&l->port);
    if (take_all(l)) continue;
    uint64_t time = now();
    if (l->n_registered != before) before = l->n_registered, last = asked = time;
    if (time - last > 12 * S) return false;
    if (time - asked > REPEAT) asked = time, ask_again(l);
  }
  port_flush(&l->port);
  return true;
}

static uint64_t cpu(int pid) { /* of all threads of the server, in ns */
  clockid_t clock;
  struct timespec t = {0};
  if (pid && clock_getcpuclockid(pid, &clock) == 0) clock_gettime(clock, &t);
  return (uint64_t)t.tv_sec * S + (uint64_t)t.tv_nsec;
}

static unsigned long rss(int pid) { /* in KiB */
  char path[64];
  unsigned long all, resident = 0;
  snprintf(path, sizeof path, "/proc/%d/statm", pid);
  FILE *f = pid ? fopen(path, "r") : NULL;
  if (f && fscanf(f, "%lu %lu", &all, &resident) != 2) resident = 0;
  if (f) fclose(f);
  return resident * (unsigned long)sysconf(_SC_PAGESIZE) / 1024;
}

static void reset(struct load *l, uint64_t *gap) {
  l->judged = l->repeated = l->lost = l->twice = l->wrong = l->foreign = l->notified = l->last_answer = 0;
  l->latency = (struct histogram){0};
  l->gap = gap;
}

static void drain(struct load *l) { /* long enough for one repeat */
  for (uint64_t end = now() + 3 * S; l->in_flight && now() < end;) {
    if (!take_all(l)) look(l, now());
    port_flush(&l->port);
  }
  l->lost += l->in_flight;
  for (uint32_t i = 0; i < FLIGHTS; i++) l->flights[i].tries = 0;
  l->in_flight = 0;
  l->oldest = l->next;
  for (uint64_t end = now() + 20 * MS; now() < end;) take_all(l), port_flush(&l->port);
}

static void report(const struct load *l, const char *phase) {
  printf("%s_judged %llu\n%s_repeated %llu\n", phase, (unsigned long long)l->judged, phase,
         (unsigned long long)l->repeated);
  printf("%s_lost %llu\n%s_twice %llu\n", phase, (unsigned long long)l->lost, phase, (unsigned long long)l->twice);
  printf("%s_wrong %llu\n%s_foreign %llu\n", phase, (unsigned long long)l->wrong, phase,
         (unsigned long long)l->foreign);
}

/* Events of one address go out together, as many as the window has room for. */
static void fill_window(struct load *l, uint64_t time) {
  uint32_t train = l->window < PORT_TRAIN ? 1 : l->port.longest;
  while (l->window - l->in_flight >= train && l->in_flight < l->window) {
    uint32_t a = l->turn++ % l->n_addresses;
    for (uint32_t i = 0; i < train; i++) {
      uint32_t client = l->cursor[a];
      l->cursor[a] = l->n_clients - client > l->n_addresses ? client + l->n_addresses : a;
      new_event(l, client, time, time);
    }
  }
}

static double run_closed(struct load *l, double seconds) {
  uint64_t gap = 0, warm = (uint64_t)(seconds * 0.2 * (double)S), start = now(),
           end = start + warm + (uint64_t)(seconds * (double)S);
  uint64_t used = 0, from = 0, time;
  reset(l, &gap);
  while ((time = now()) < end) {
    if (!from && time - start > warm) reset(l, &gap), used = cpu(l->pid), from = time;
    if (!take_all(l)) look(l, time);
    fill_window(l, time);
    port_flush(&l->port);
  }
  used = cpu(l->pid) - used;
  double wall = (double)(time - from) / (double)S, rate = (double)l->judged / wall;
  printf("closed_rate %.0f\n", rate);
  if (l->pid)
    printf("closed_per_cpu_second %.0f\nclosed_busy %.3f\n", (double)l->judged * (double)S / (double)used,
           (double)used / (double)S / wall);
  drain(l);
  report(l, "closed");
  return rate;
}

static double unit(uint64_t *seed) { /* (0, 1]; xorshift64* */
  *seed ^= *seed >> 12, *seed ^= *seed << 25, *seed ^= *seed >> 27;
  return (double)((*seed * 2685821657736338717ull >> 11) + 1) / 9007199254740992.0;
}

static void report_latency(const struct load *l) {
  const struct histogram *h = &l->latency;
  printf("open_p50_us %.1f\nopen_p99_us %.1f\nopen_p999_us %.1f\nopen_longest_us %.1f\n",
         (double)histogram_at(h, 0.5) / 1e3, (double)histogram_at(h, 0.99) / 1e3, (double)histogram_at(h, 0.999) / 1e3,
         (double)h->longest / 1e3);
}

static void run_open(struct load *l, double seconds, double rate, unsigned reloads) {
  uint64_t seed = 0x9e3779b97f4a7c15ull ^ l->run, quiet = 0, hup = 0, hup_gap = 0, worst = 0, start = now(), time,
           used = cpu(l->pid);
  uint64_t end = start + (uint64_t)(seconds * (double)S), apart = (end - start) / (reloads + 1);
  double due = (double)start;
  unsigned n_hup = 0;
  reset(l, &quiet);
  while ((time = now()) < end) {
    if (n_hup < reloads && time - start > apart * (n_hup + 1))
      kill(l->pid, SIGHUP), n_hup++, hup = time, hup_gap = 0, l->gap = &hup_gap;
    if (hup && time - hup > apart / 2) {
      printf("reload_gap_us %.0f\n", (double)hup_gap / 1e3);
      worst = hup_gap > worst ? hup_gap : worst, hup = 0, l->gap = &quiet;
    }
    for (unsigned i = 0; due <= (double)time && i < 256; i++) {
      new_event(l, (uint32_t)(unit(&seed) * l->n_clients) % l->n_clients, (uint64_t)due, time);
      due += -log(unit(&seed)) / rate * (double)S;
    }
    port_flush(&l->port);
    if (!take_all(l)) look(l, time);
  }
  used = cpu(l->pid) - used;
  double wall = (double)(time - start) / (double)S;
  printf("open_rate %.0f\nopen_busy %.3f\nquiet_gap_us %.0f\n", (double)l->judged / wall,
         (double)used / (double)S / wall, (double)quiet / 1e3);
  if (reloads) printf("worst_reload_gap_us %.0f\n", (double)worst / 1e3);
  drain(l);
  report_latency(l);
  report(l, "open");
}

static void run_shout(struct load *l, double seconds) {
  uint64_t gap = 0, shouts = 0, start = now(), end = start + (uint64_t)(seconds * (double)S), time, used = cpu(l->pid),
           seen = 0, last = start;
  reset(l, &gap);
  l->shouting = true;
  while ((time = now()) < end && time - last < 3 * S) {
    if (l->notified != seen) seen = l->notified, last = time;
    if (l->notified + l->n_clients > shouts * l->n_clients)
      new_event(l, (uint32_t)(shouts++ % l->n_clients), time, time);
    port_flush(&l->port);
    if (!take_all(l)) look(l, time);
  }
  for (end = now() + S; l->notified < shouts * l->n_clients && now() < end;) take_all(l), port_flush(&l->port);
  drain(l);
  used = cpu(l->pid) - used;
  printf("shout_cpu_us %.3f\nshout_notified %llu\nshout_due %llu\n", (double)used / 1e3 / (double)l->notified,
         (unsigned long long)l->notified, (unsigned long long)(shouts * l->n_clients));
  report(l, "shout");
  l->shouting = false;
}

/* ---- the command ---- */
struct options {
  long port, pid, clients, addresses, window, train, reload;
  double closed, open, rate, shout, idle;
  long sleep; /* wait in poll instead of looking again and again */
  long plain; /* the limit: no welcome, everything is legal */
};

static bool option(struct options *o, const char *name, const char *value) {
  const struct {
    const char *name;
    long *n;
    double *d;
  } known[] = {{"--port", &o->port, NULL},           {"--pid", &o->pid, NULL},       {"--clients", &o->clients, NULL},
               {"--addresses", &o->addresses, NULL}, {"--window", &o->window, NULL}, {"--train", &o->train, NULL},
               {"--reload", &o->reload, NULL},       {"--plain", &o->plain, NULL},   {"--closed", NULL, &o->closed},
               {"--open", NULL, &o->open},           {"--rate", NULL, &o->rate},     {"--shout", NULL, &o->shout},
               {"--idle", NULL, &o->idle},           {"--sleep", &o->sleep, NULL}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (strcmp(name, known[i].name) != 0) continue;
    if (known[i].n)
      *known[i].n = atol(value);
    else
      *known[i].d = atof(value);
    return true;
  }
  return false;
}

static bool load_init(struct load *l, const struct options *o) {
  l->pid = (int)o->pid;
  l->n_clients = (uint32_t)o->clients;
  l->n_addresses = o->addresses < o->clients ? (uint32_t)o->addresses : (uint32_t)o->clients;
  l->window = (uint32_t)o->window;
  l->sleeps = o->sleep != 0;
  l->welcome = !o->plain, l->all_legal = o->plain != 0;
  l->run = (uint32_t)(now() / 1000) ^ (uint32_t)getpid() << 12;
  l->next = l->oldest = 1;
  l->clients = calloc(l->n_clients, sizeof *l->clients);
  l->flights = calloc(FLIGHTS, sizeof *l->flights);
  l->owner = calloc(l->n_addresses, sizeof *l->owner);
  l->cursor = calloc(l->n_addresses, sizeof *l->cursor);
  if (!l->clients || !l->flights || !l->owner || !l->cursor) return false;
  for (uint32_t i = 0; i < l->n_clients; i++) l->clients[i].address = address_of(i % l->n_addresses);
  for (uint32_t i = 0; i < l->n_addresses; i++) l->cursor[i] = i;
  return port_open(&l->port, (uint16_t)o->port, (unsigned)o->train) == 0;
}

static int run(struct load *l, const struct options *o) {
  unsigned long before = rss(l->pid);
  double rate = o->rate;
  if (!register_all(l))
    return fprintf(stderr, "bench_load: only %u of %u clients could register\n", l->n_registered, l->n_clients), 1;
  usleep((useconds_t)(o->idle * 1e6));
  printf("rss_before_kib %lu\nrss_registered_kib %lu\n", before, rss(l->pid));
  if (o->closed > 0) {
    double peak = run_closed(l, o->closed);
    if (rate <= 0) rate = peak / 2;
  }
  if (o->open > 0) run_open(l, o->open, rate, (unsigned)o->reload);
  if (o->shout > 0) run_shout(l, o->shout);
  printf("rss_after_kib %lu\n", rss(l->pid));
  return 0;
}

int main(int argc, char **argv) {
  struct options o = {.clients = 10, .addresses = 64, .window = 512, .train = PORT_TRAIN, .idle = 0.1};
  struct load *l = calloc(1, sizeof *l);
  for (int i = 1; i < argc; i += 2)
    if (i + 1 == argc || !option(&o, argv[i], argv[i + 1]))
      return fprintf(stderr, "bench_load: what is %s?\n", argv[i]), 2;
  if (!o.port || o.clients < 1 || o.addresses < 1 || o.window < 1 || o.train < 1 || o.train > PORT_TRAIN)
    return fputs("bench_load: needs --port; see the head of load.c\n", stderr), 2;
  if (!l || !load_init(l, &o)) return perror("bench_load"), 1;
  int status = run(l, &o);
  free(l->clients), free(l->flights), free(l->owner), free(l->cursor), free(l);
  return status;
}
