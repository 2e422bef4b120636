#include "wire_echo.h"

#include <stdio.h>
#include <stdlib.h>

enum { QUEUE = 4096, CONNS = 4096 };

struct datagram {
  struct ump_addr from;
  size_t n;
  uint8_t bytes[WIRE_ECHO_DATAGRAM];
};

struct stream {
  bool open, touched, quit, abort;
  uint8_t *out; /* with malloc: the tests count the driver's memory, not this */
  size_t at, n, cap;
  char line[64];
  size_t line_n;
};

struct echo {
  struct datagram *queue;
  size_t head, tail;
  bool dry;
  struct stream streams[CONNS];
};

static struct wire_echo_facts facts;
struct wire_echo_facts *wire_echo_facts(void) {
  return &facts;
}

static int create(void **self, const struct ump_proto_cfg *cfg, ump_time now) {
  struct echo *e = calloc(1, sizeof *e);
  (void)cfg, (void)now;
  e->queue = calloc(QUEUE, sizeof *e->queue);
  e->dry = true;
  facts = (struct wire_echo_facts){0};
  return *self = e, 0;
}

static void destroy(void *self) {
  struct echo *e = self;
  for (size_t i = 0; i < CONNS; i++) free(e->streams[i].out);
  free(e->queue);
  free(e);
}

static void on_datagram(void *self, const struct ump_addr *from, struct ump_bytes in, ump_time now) {
  struct echo *e = self;
  (void)now;
  facts.received++;
  if (in.n > facts.longest) facts.longest = in.n;
  if (in.n > WIRE_ECHO_DATAGRAM || e->tail - e->head == QUEUE) return;
  struct datagram *d = &e->queue[e->tail++ % QUEUE];
  d->from = *from;
  d->n = in.n;
  if (in.n) memcpy(d->bytes, in.p, in.n);
}

static int flush(void *self, struct ump_addr *to, struct ump_writer *out, ump_time now) {
  struct echo *e = self;
  (void)now;
  if (e->head == e->tail) return e->dry = true, 0;
  facts.batches += e->dry;
  e->dry = false;
  struct datagram *d = &e->queue[e->head++ % QUEUE];
  *to = d->from;
  ump_write_bytes(out, ump_bytes(d->bytes, d->n));
  facts.flushed++;
  return 1;
}

/* ---- streams ---- */

static int open_stream(void *self, uint32_t conn, const struct ump_addr *from, ump_time now) {
  struct echo *e = self;
  (void)from, (void)now;
  if (facts.refuse || conn >= CONNS) return UMP_EFULL;
  e->streams[conn] = (struct stream){.open = true};
  facts.opened++;
  return 0;
}

static void put(struct stream *s, const void *p, size_t n) {
  if (s->n + n > s->cap) s->out = realloc(s->out, s->cap = (s->n + n) * 2);
  if (p)
    memcpy(s->out + s->n, p, n);
  else
    memset(s->out + s->n, 'x', n);
  s->n += n;
  s->touched = true;
  facts.waiting += n;
  if (facts.waiting > facts.most_waiting) facts.most_waiting = facts.waiting;
}

static void on_line(struct stream *s) {
  s->line[s->line_n] = 0;
  if (strcmp(s->line, "quit\n") == 0)
    s->quit = true;
  else if (strcmp(s->line, "abort\n") == 0)
    s->abort = true;
  else if (strncmp(s->line, "flood ", 6) == 0)
    put(s, NULL, strtoul(s->line + 6, NULL, 10));
  else
    put(s, s->line, s->line_n);
  s->line_n = 0;
  s->touched = true;
}

static void input(void *self, uint32_t conn, struct ump_bytes in, ump_time now) {
  struct stream *s = &((struct echo *)self)->streams[conn];
  (void)now;
  facts.received += in.n;
  for (size_t i = 0; i < in.n; i++) {
    s->line[s->line_n++] = (char)in.p[i];
    if (in.p[i] == '\n' || s->line_n == sizeof s->line - 1) on_line(s);
  }
}

static void eof(void *self, uint32_t conn, ump_time now) {
  struct stream *s = &((struct echo *)self)->streams[conn];
  (void)now;
  facts.eofs++;
  s->quit = s->touched = true;
}

static void closed(void *self, uint32_t conn, ump_time now) {
  struct stream *s = &((struct echo *)self)->streams[conn];
  (void)now;
  facts.waiting -= s->n - s->at;
  facts.closed++;
  free(s->out);
  *s = (struct stream){0};
}

static int touched(void *self, uint32_t *conn) {
  struct echo *e = self;
  for (uint32_t i = 0; i < CONNS; i++)
    if (e->streams[i].touched) return e->streams[i].touched = false, *conn = i, 1;
  return 0;
}

static size_t output(void *self, uint32_t conn, struct ump_bytes *slices, size_t max) { /* in pieces, to test writev */
  struct stream *s = &((struct echo *)self)->streams[conn];
  size_t at = s->at, i = 0;
  for (; i < max && at < s->n; i++) {
    size_t n = s->n - at < 1000 ? s->n - at : 1000;
    slices[i] = (struct ump_bytes){s->out + at, n};
    at += n;
  }
  return i;
}

static void sent(void *self, uint32_t conn, size_t n, ump_time now) {
  struct stream *s = &((struct echo *)self)->streams[conn];
  (void)now;
  s->at += n;
  facts.waiting -= n;
  if (s->at < s->n) return;
  free(s->out); /* a driver that still looks at its slices now is found by the sanitizer */
  s->out = NULL;
  s->at = s->n = s->cap = 0;
}

static unsigned wants(void *self, uint32_t conn) {
  struct stream *s = &((struct echo *)self)->streams[conn];
  if (s->abort) return UMP_WANTS_ABORT;
  return (s->n - s->at < WIRE_ECHO_HIGH ? UMP_WANTS_INPUT : 0u) | (s->quit ? UMP_WANTS_CLOSE : 0u);
}

/* ---- no events, no timers ---- */

static int next(void *self, struct ump_event *ev, ump_time now) {
  return (void)self, (void)ev, (void)now, 0;
}
static ump_time deadline(const void *self) {
  const struct echo *e = self;
  return e->head == e->tail ? UMP_NEVER : 0;
}
static void expire(void *self, ump_time now) {
  (void)self, (void)now;
}
static struct ump_counters counters(const void *self) {
  return (void)self, (struct ump_counters){0};
}
static size_t load(const void *self) {
  const struct echo *e = self;
  return e->tail - e->head + facts.waiting;
}

#define SHARED                                                                                                         \
  .encoding = UMP_RAW, .default_port = 40000, .create = create, .destroy = destroy, .next = next,                      \
  .deadline = deadline, .expire = expire, .counters = counters, .load = load

const struct ump_proto_ops wire_echo_datagram = {
    SHARED,        .scheme = "echo", .transport = UMP_DATAGRAM, .max_datagram = WIRE_ECHO_DATAGRAM, .recv = on_datagram,
    .flush = flush};
const struct ump_proto_ops wire_echo_stream = {
    SHARED,           .scheme = "lines",  .transport = UMP_STREAM, .open = open_stream, .input = input, .eof = eof,
    .closed = closed, .touched = touched, .output = output,        .sent = sent,        .wants = wants};
