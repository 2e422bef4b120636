/* PyGaSe as a script of operations: four clients that speak and hear, the state written to, notifies and kicks, time,
 * and bytes of any kind, on the real protocol with the world of tests/unit/pg_world.h. After each step: the protocol
 * agrees with itself, no address that never connected was sent more than three times the bytes that came from it, no
 * client was sent a sequence twice or too far behind, or a marker for a key that it does not have, and at the end
 * everything is given back. A client from whose address came bytes that were not its own may be harmed by them: of
 * those only the first two are asked.
 *
 * The first byte sets the world up; then each operation takes a byte and what it needs. */
#define PG_SENT_MOST   16
#define PG_SESSIONS    64
#define PG_JUDGED_MOST 512
#include "../unit/testing.c"
#include "../unit/pg_world.c"
#include "../unit/pg_client.c"
#include "../unit/pg_feed.c"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { CLIENTS = 4, MAIL = 16 };

struct play {
  const uint8_t *p, *end;
  struct pg_world w;
  struct pg_client clients[CLIENTS];
  bool harmed[CLIENTS], connected[CLIENTS];
  uint64_t in[CLIENTS], out[CLIENTS];
  struct pg_sent_package mail[CLIENTS][MAIL]; /* on its way to each */
  unsigned n_mail[CLIENTS];
  struct pg_package last[CLIENTS];
};

static void must_at(bool so, const char *what, int line) {
  if (so) return;
  fprintf(stderr, "fuzz_pygase.c:%d: not so: %s\n", line, what);
  abort();
}
#define must(so) must_at((so), #so, __LINE__)

static uint8_t take_byte(struct play *y) {
  return y->p < y->end ? *y->p++ : 0;
}
static struct ump_addr address(unsigned who) {
  return pg_addr(1 + who / 2, (uint16_t)(5000 + who % 2));
}

static void keep(void *ctx, const struct pg_sent_package *p) {
  struct play *y = ctx;
  for (unsigned i = 0; i < CLIENTS; i++) {
    struct ump_addr a = address(i);
    if (!ump_addr_equal(&a, &p->to)) continue;
    y->out[i] += p->n;
    if (p->game_status >= 0 || p->events.n) y->connected[i] = true; /* only who is connected gets those */
    must(y->connected[i] || y->out[i] <= 3 * y->in[i]);
    if (y->n_mail[i] < MAIL) y->mail[i][y->n_mail[i]++] = *p;
  }
}

static void send_bytes(struct play *y, unsigned who, const uint8_t *p, size_t n) {
  y->in[who] += n;
  size_t had = y->w.n_connects;
  struct ump_addr from = address(who);
  ump_pygase.recv(y->w.proto, &from, ump_bytes(p, n), y->w.now);
  pull(&y->w);
  if (y->w.n_connects > had) y->connected[who] = true;
  flush(&y->w);
}

static void speak(struct play *y, unsigned who, unsigned events) {
  struct pg_package *p = &y->last[who];
  pg_client_package(&y->clients[who], p);
  for (unsigned i = 0; i < events; i++) pg_add_plain_event(p, i == 2 ? "bad" : "go");
  send_bytes(y, who, p->bytes, p->n);
}

static void hear(struct play *y, unsigned who, unsigned which) {
  if (!y->n_mail[who]) return;
  unsigned i = which % y->n_mail[who];
  struct pg_sent_package p = y->mail[who][i];
  y->mail[who][i] = y->mail[who][--y->n_mail[who]]; /* out of order, if the script wants */
  p.update.p = p.bytes + 14, p.events.p = p.update.p + p.update.n;
  if (y->harmed[who]) return;
  unsigned died = y->clients[who].died;
  pg_client_hear(&y->clients[who], &p);
  y->clients[who].died = died; /* older than 32, because the script kept it back: not the server's doing */
  must(y->clients[who].stray_markers == 0);
}

static void write_state(struct play *y, uint8_t what) {
  struct pg_feed *f = &y->w.feed;
  int i = what & 7, j = what >> 3 & 7;
  switch (take_byte(y) & 3) {
  case 0:
    pg_set(f, i, j);
    break;
  case 1:
    pg_set_sub(f, i, j, what);
    break;
  case 2:
    pg_remove(f, i);
    break;
  default:
    pg_remove_sub(f, i, j);
    break;
  }
}

static void any_bytes(struct play *y, unsigned who) {
  uint8_t bytes[2100];
  size_t n = take_byte(y), left = (size_t)(y->end - y->p);
  if (n == 255) n = 2049;
  if (n > left && n != 2049) n = left;
  memset(bytes, 0xc0, sizeof bytes);
  memcpy(bytes, y->p, n < left ? n : left);
  y->p += n < left ? n : left;
  y->harmed[who] = true;
  send_bytes(y, who, bytes, n);
}

/* A package of its own with bytes changed: what lies behind the header, so that it is taken or dropped by its events.
 */
static void changed(struct play *y, unsigned who) {
  struct pg_package p;
  pg_client_package(&y->clients[who], &p);
  pg_add_event(&p, "go", "\xachandler_args\x92\x01\xa1x\xaehandler_kwargs\x81\xa1k\xca\x3f\x80\x00\x00",
               13 + 4 + 15 + 8);
  size_t at = take_byte(y) % p.n;
  p.bytes[at] = take_byte(y);
  y->harmed[who] |= at < 14;
  send_bytes(y, who, p.bytes, p.n);
}

static void notify(struct play *y, unsigned who) {
  uint8_t plain[2048];
  char text[2048];
  struct ump_writer w = ump_writer(plain, sizeof plain);
  memset(text, 'x', sizeof text);
  ump_plain_put_string(&w, ump_bytes(text, take_byte(y) * 7u));
  if (y->w.sessions[who].there) pg_notify(&y->w, who, "note", ump_written(&w));
}

static void step(struct play *y) {
  uint8_t op = take_byte(y);
  unsigned who = op >> 4 & 3;
  switch (op & 15) {
  case 0:
  case 1:
  case 2:
    speak(y, who, op & 15);
    break;
  case 3:
  case 4:
  case 5:
    hear(y, who, (op & 15) == 5 ? take_byte(y) : 0);
    break;
  case 6:
    pg_pass(&y->w, take_byte(y) * UMP_MS);
    break;
  case 7:
    pg_pass(&y->w, 25 * UMP_MS);
    break;
  case 8:
  case 9:
    write_state(y, take_byte(y));
    break;
  case 10:
    any_bytes(y, who);
    break;
  case 11:
    changed(y, who);
    break;
  case 12:
    notify(y, who);
    break;
  case 13:
    if (y->last[who].n) send_bytes(y, who, y->last[who].bytes, y->last[who].n);
    break;
  case 14:
    send_bytes(y, who, (const uint8_t *)"shutdown", 8);
    break;
  default:
    if (op & 0x80)
      y->w.refuse = !y->w.refuse;
    else if (op & 0x40)
      y->n_mail[who] = 0;
    else if (y->w.sessions[who].there)
      pg_kick(&y->w, who);
    else
      pg_pass(&y->w, 6 * UMP_S);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  static struct play y;
  if (n > 4096) return 0;
  memset(&y, 0, offsetof(struct play, mail));
  memset(y.n_mail, 0, sizeof y.n_mail), memset(y.last, 0, sizeof y.last);
  y.p = data, y.end = data + n;
  uint8_t setup = take_byte(&y);
  pg_open(&y.w, (struct pg_cfg){.limit = 1 + (setup & 3),
                                .per_address = 1 + (setup >> 2 & 1),
                                .host_shutdown = setup >> 3 & 1,
                                .no_feed = (setup >> 4 & 7) == 7});
  y.w.feed.fat = setup & 0x80 ? 400 : 0;
  y.w.quiet = true;
  y.w.on_sent = keep, y.w.ctx = &y;
  for (unsigned i = 0; i < CLIENTS; i++) pg_client_init(&y.clients[i], address(i));
  while (y.p < y.end) {
    step(&y);
    y.w.n_judged = 0;
    const char *wrong = ump_pygase_check(y.w.proto);
    if (wrong) fprintf(stderr, "%s\n", wrong);
    must(!wrong);
  }
  y.w.on_sent = NULL;
  pg_close(&y.w);
  return 0;
}
