/* PYMMORPG as a script of operations: connections that come, ask in any pieces, log in with accounts that answer at
 * once or later and in any order, stop reading, end in every way; time; a rulebook that flags, kicks, fails and is
 * replaced, on the real protocol and the real engine. After each step: what goes out is sizes and pickles of lists: a
 * value, and flags, each once, nobody got more replies than it sent messages, or a flag before it was logged in, nobody
 * is judged without a name, and under none but the one its last successful log-in gave, memory stays within what was
 * received and the limits of the wire page, and at the end everything is given back.
 *
 * Each operation is a byte, a byte for the connection, and what it needs. */
#include "stream_rig.h"

#include "base/plain.h"
#include "codec/pickle.h"
#include "proto/pymmorpg/pymmorpg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { CONNS = 6, WAITING = 16 };

struct conn {
  struct rig_conn io;
  bool named;
  uint64_t blanks, replies; /* an upper bound of the messages that it sent; what it got */
};

struct world {
  struct rig rig;
  struct ump_rulebook rules[2];
  struct ump_accounts accounts;
  struct conn conns[CONNS];
  struct {
    uint64_t ticket;
    int answer;
  } waiting[WAITING];
  size_t n_waiting, clients;
  uint8_t mood; /* how the accounts answer */
  uint8_t config[256];
};

static uint8_t byte(struct world *w) {
  return rig_byte(&w->rig);
}

/* ---- accounts ---- */

static int on_ask(void *self, const struct ump_account_question *q) {
  struct world *w = self;
  must(q->name.n >= 1 && q->name.n <= 64 && q->password.n >= 1 && q->password.n <= 1024 && q->ticket);
  int answer = q->password.p[0] == 'y';
  switch (w->mood % 4) {
  case 0:
    return answer;
  case 1:
    return answer ? UMP_EFULL : UMP_EINVAL;
  default:
    if (w->n_waiting == WAITING) return UMP_EFULL;
    w->waiting[w->n_waiting].ticket = q->ticket, w->waiting[w->n_waiting++].answer = answer;
    return UMP_EAGAIN;
  }
}

static void answer_one(struct world *w, uint8_t which) {
  if (!w->n_waiting) return;
  size_t i = which % w->n_waiting;
  uint64_t ticket = w->waiting[i].ticket;
  int answer = which & 0x80 ? UMP_EINVAL : w->waiting[i].answer;
  w->waiting[i] = w->waiting[--w->n_waiting];
  ump_engine_account_answer(w->rig.engine, ticket, answer, w->rig.now);
  ump_engine_account_answer(w->rig.engine, ticket, 1, w->rig.now); /* a ticket that nobody waits for any more */
}

/* ---- the rulebook ---- */

static bool is(struct ump_bytes b, const char *text) {
  return ump_bytes_equal(b, ump_text(text));
}

static int on_connect(void *self, struct ump_client *c, struct ump_bytes *reason) {
  struct world *w = self;
  *reason = ump_text("no");
  if (c->addr.ip[3] == 5) return 0; /* one address is not let in */
  return w->clients++, 1;
}

static void flag(struct world *w, struct ump_client *c, const char *name, bool all) {
  struct ump_notice n = {.has_name = true, .name = ump_text(name)};
  const struct ump_notice *by_encoding[3] = {[UMP_PLAIN] = &n};
  if (all)
    ump_engine_broadcast(w->rig.engine, by_encoding, NULL);
  else
    ump_engine_notify(w->rig.engine, c, &n);
}

/* Is the data an array of so many, and nothing behind it? Skipping reads every byte. */
static void check_data(const struct ump_event *ev) {
  struct ump_reader r = ump_reader(ev->data);
  struct ump_plain v;
  uint32_t want = is(ev->name, "update") ? 0 : is(ev->name, "get") ? 2 : is(ev->name, "set") ? 3 : 1;
  must(ev->encoding == UMP_PLAIN && ump_plain_skip(&r) && ump_reader_left(&r) == 0);
  r = ump_reader(ev->data);
  must(ump_plain_get(&r, &v) && v.count == want);
  must(v.tag == UMP_PLAIN_ARRAY || (v.tag == UMP_PLAIN_MIXED && is(ev->name, "set")));
}

static int on_judge(void *self, struct ump_client *c, const struct ump_event *ev, struct ump_judgement *out) {
  struct world *w = self;
  must(c->session < CONNS && ev->has_name && ev->has_data && c->name && w->conns[c->session].named);
  check_data(ev);
  *out = (struct ump_judgement){.verdict = UMP_LEGAL};
  if (is(ev->name, "get")) {
    out->data = ev->data; /* as a value: arrays in arrays */
  } else if (is(ev->name, "move")) {
    flag(w, c, "map", true);
    out->verdict = UMP_ILLEGAL;
  } else if (is(ev->name, "set")) {
    out->data = ev->data; /* a relative one is no value of Python's */
    flag(w, c, "one", false), flag(w, c, "two", false), flag(w, c, "one", false);
  } else if (is(ev->name, "edit")) {
    if (ev->data.n % 3 == 0) return -1;
    if (ev->data.n % 3 == 1) ump_engine_kick(w->rig.engine, c, ump_text("enough"));
  }
  return 0;
}

static int on_disconnect(void *self, struct ump_client *c, struct ump_bytes reason) {
  struct world *w = self;
  (void)reason, (void)c;
  w->clients--;
  return 0;
}
static int on_login(void *self, struct ump_client *c, struct ump_bytes name, struct ump_bytes password, bool create,
                    struct ump_bytes *reason) {
  struct world *w = self;
  (void)create, (void)reason;
  if (!w->mood || w->mood < 128) return UMP_ENOSUPPORT;
  flag(w, c, "welcome", false);
  if (name.p[0] == 'k') ump_engine_kick(w->rig.engine, c, ump_text("enough"));
  return password.p[0] == 'y' ? 1 : password.p[0] == 'e' ? -1 : 0;
}
static const struct ump_rulebook_ops rules = {.connect = on_connect,
                                              .judge = on_judge,
                                              .disconnect = on_disconnect,
                                              .login = on_login,
                                              .tick = idle_tick,
                                              .timer = idle_timer,
                                              .timer_gone = idle_timer_gone,
                                              .forget = idle_forget};

static struct ump_bytes declared(struct world *w) {
  struct ump_writer out = ump_writer(w->config, sizeof w->config);
  ump_plain_put_map(&out, 1);
  ump_plain_put_string(&out, ump_text("pymmorpg"));
  ump_plain_put_map(&out, 2);
  ump_plain_put_string(&out, ump_text("version")), ump_plain_put_string(&out, ump_text("1.0"));
  ump_plain_put_string(&out, ump_text("image"));
  ump_plain_put_array(&out, 2);
  ump_plain_put_tuple(&out, 2), ump_plain_put_string(&out, ump_text("d")), ump_plain_put_array(&out, 0);
  ump_plain_put_tuple(&out, 2), ump_plain_put_string(&out, ump_text("f")),
      ump_plain_put_string(&out, ump_text("\xff\x01"));
  return ump_written(&out);
}

/* ---- what goes out ---- */

static void look_at_reply(struct conn *c, struct ump_bytes pickle) {
  struct ump_blob *value = NULL;
  struct ump_plain list, v, flags[8];
  must(pickle.n <= 1 << 20 && pickle.n > 4 && memcmp(pickle.p, "\x80\x02](", 4) == 0);
  must(ump_pickle_decode(&ump_mem_libc, pickle, &value, NULL) == 0);
  struct ump_reader r = ump_reader(ump_bytes(value->p, value->n));
  must(ump_plain_get(&r, &list) && list.tag == UMP_PLAIN_ARRAY && list.count >= 1 && list.count <= 8);
  struct ump_reader first = r;
  must(ump_plain_get(&first, &v) && ump_plain_skip(&r));
  for (uint32_t i = 1; i < list.count; i++) {
    must(ump_plain_get(&r, &flags[i]) && flags[i].tag == UMP_PLAIN_STRING);
    for (uint32_t k = 1; k < i; k++) must(!ump_bytes_equal(flags[k].s, flags[i].s));
  }
  must(++c->replies <= c->blanks);
  ump_blob_unref(value);
}

static void look_at_output(struct conn *c) {
  size_t at = 0;
  for (;;) {
    size_t n = 0, i = at;
    while (i < c->io.out_n && c->io.out[i] >= '0' && c->io.out[i] <= '9') n = n * 10 + (size_t)(c->io.out[i++] - '0');
    must(i - at <= 7);
    if (i >= c->io.out_n || i + 1 + n > c->io.out_n) break;
    must(i > at && c->io.out[at] != '0' && c->io.out[i] == ' ');
    look_at_reply(c, ump_bytes(c->io.out + i + 1, n));
    at = i + n + 1;
  }
  if (at) memmove(c->io.out, c->io.out + at, c->io.out_n -= at);
}

/* ---- the driver ---- */

static void serve(struct world *w, uint32_t number) {
  rig_serve(&w->rig, &w->conns[number].io, number);
  look_at_output(&w->conns[number]);
}

static void note_names(struct world *w) {
  for (struct ump_client *c = NULL; (c = ump_engine_next_client(w->rig.engine, c));)
    if (c->name) w->conns[c->session].named = true;
}

static void settle(void *ctx) {
  struct world *w = ctx;
  uint32_t number;
  note_names(w);
  for (int i = 0; ump_engine_touched(w->rig.engine, 0, &number) == 1; i++) {
    must(i < 10000 && number < CONNS);
    if (w->conns[number].io.open) serve(w, number);
  }
  size_t most = 4 << 20;
  for (int i = 0; i < CONNS; i++) most += w->conns[i].io.open ? 4 << 20 : 0;
  must(w->rig.bytes < most);
}

static void pass(struct world *w, ump_time t) {
  rig_pass(&w->rig, t, settle, w);
}

static void dial(struct world *w, uint32_t number, uint8_t host) {
  struct conn *c = &w->conns[number];
  if (c->io.open) return;
  *c = (struct conn){.io = c->io};
  rig_dial(&w->rig, &c->io, number, host);
}

static void input(struct world *w, uint32_t number, const uint8_t *p, size_t n) {
  struct conn *c = &w->conns[number];
  for (size_t i = 0; i < n; i++) c->blanks += p[i] == ' ';
  if (c->io.open && c->io.reading && n) ump_engine_input(w->rig.engine, 0, number, ump_bytes(p, n), w->rig.now);
  note_names(w);
  if (c->io.open) c->io.reading = (ump_engine_wants(w->rig.engine, 0, number) & UMP_WANTS_INPUT) && !c->io.halted;
}

static void say(struct world *w, uint32_t number, const uint8_t *pickle, size_t n, uint8_t piece) {
  uint8_t *text = malloc(n + 16);
  size_t all = (size_t)sprintf((char *)text, "%zu ", n), step;
  if (n) memcpy(text + all, pickle, n);
  all += n;
  step = piece ? piece : all;
  for (size_t at = 0; at < all; at += step) {
    input(w, number, text + at, all - at < step ? all - at : step);
    if (!w->conns[number].io.reading) break;
  }
  free(text);
}

static void ask(struct world *w, uint32_t number, uint8_t what, uint8_t how) {
  uint8_t pickle[256];
  struct ump_writer p = ump_writer(pickle, sizeof pickle);
  static const char *const names[] = {"joe", "ann", "k", "bob"}, *const passwords[] = {"yes", "no", "e", "y"};
  const char *name = names[how & 3], *password = passwords[how >> 2 & 3];
  ump_write_text(&p, "](");
#define TEXT(s) ump_pickle_put_text(&p, ump_text(s))
  switch (what % 9) {
  case 0:
    TEXT("ver");
    break;
  case 1:
    TEXT("upgrade");
    break;
  case 2:
    TEXT("login"), TEXT(name), TEXT(password);
    break;
  case 3:
    TEXT("new"), TEXT(name), TEXT(password);
    break;
  case 4:
    TEXT("update");
    break;
  case 5:
    TEXT("move"), ump_write_bytes(&p, ump_bytes("K\1K\2G\0\0\0\0\0\0\0\0\x87", 14));
    break;
  case 6:
    TEXT("get"), TEXT(name), TEXT(password);
    break;
  case 7:
    TEXT("set"), TEXT(name), TEXT("hp"), ump_write_bytes(&p, how & 64 ? ump_bytes("K\5\x85", 3) : ump_bytes("K\5", 2));
    break;
  case 8:
    TEXT("edit"), ump_write_text(&p, "]("), TEXT(name), ump_write_text(&p, "]e");
    break;
  }
#undef TEXT
  ump_write_text(&p, "e.");
  say(w, number, pickle, p.n, how & 0x80 ? (uint8_t)(1 + (how >> 3 & 15)) : 0);
}

static void tell(struct world *w, uint32_t number, uint8_t how) {
  static const char *const flags[] = {"map", "client", "x", ""};
  struct ump_client *c = NULL;
  while ((c = ump_engine_next_client(w->rig.engine, c)) && c->session != number) {
  }
  if (c) flag(w, c, flags[how & 3], how & 8);
  if (c && (how & 0x30) == 0x30) ump_engine_kick(w->rig.engine, c, ump_text("out"));
}

static void step(struct world *w) {
  uint8_t op = byte(w);
  uint32_t number = byte(w) % CONNS;
  struct conn *c = &w->conns[number];
  struct ump_bytes any;
  uint8_t a, b;
  switch (op % 14) {
  case 0:
    dial(w, number, byte(w));
    break;
  case 1:
  case 2:
  case 3: /* any bytes: at once, one at a time, as a message */
    any = rig_bytes(&w->rig);
    if (op % 14 == 1) input(w, number, any.p, any.n);
    for (size_t i = 0; op % 14 == 2 && i < any.n; i++) input(w, number, any.p + i, 1);
    if (op % 14 == 3) say(w, number, any.p, any.n, 0);
    break;
  case 4:
  case 5:
  case 6:
    a = byte(w), b = byte(w);
    ask(w, number, a, b);
    break;
  case 7:
    pass(w, (ump_time)(byte(w) + 1) * 300 * UMP_MS);
    break;
  case 8:
    if (!c->io.open || c->io.halted) break;
    c->io.halted = true, c->io.reading = false;
    ump_engine_eof(w->rig.engine, 0, number, w->rig.now);
    if (c->io.open) serve(w, number);
    break;
  case 9:
    rig_closed(&w->rig, &c->io, number);
    break;
  case 10:
    c->io.room = byte(w);
    c->io.room = c->io.room == 255 ? SIZE_MAX : c->io.room * 100;
    if (c->io.open) serve(w, number);
    break;
  case 11:
    tell(w, number, byte(w));
    break;
  case 12:
    answer_one(w, byte(w));
    break;
  case 13:
    w->mood = byte(w);
    w->rules[number % 2].config = w->mood & 32 ? declared(w) : ump_bytes(NULL, 0);
    ump_engine_set_rulebook(w->rig.engine, &w->rules[number % 2], w->rig.now);
    break;
  }
  settle(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  struct world *w = calloc(1, sizeof *w);
  w->rules[0] = w->rules[1] = (struct ump_rulebook){.ops = &rules, .self = w};
  w->rules[0].config = declared(w);
  w->accounts = (struct ump_accounts){on_ask, w};
  rig_begin(&w->rig, data, n);
  rig_listen(&w->rig, &ump_pymmorpg, (struct ump_proto_cfg){.limit = 5, .per_address = 3}, &w->accounts);
  ump_engine_set_rulebook(w->rig.engine, &w->rules[0], w->rig.now);
  while (w->rig.p < w->rig.end) step(w);
  for (uint32_t i = 0; i < CONNS; i++) {
    rig_closed(&w->rig, &w->conns[i].io, i);
    free(w->conns[i].io.out);
  }
  must(w->clients == 0);
  rig_end(&w->rig);
  free(w);
  return 0;
}
