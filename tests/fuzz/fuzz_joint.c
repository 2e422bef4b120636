/* The joint protocol as a script of operations: connections, raw and WebSocket, that create, enter, send, broadcast,
 * kick, stall and go; a rulebook with channels of every mode that answers, kicks, broadcasts and is reloaded; time; and
 * bytes of any kind; on the real protocol and the real engine. After each step the protocol agrees with itself, and
 * what each well-behaved connection was sent is something that the Haxe library can bear: answers only to what was
 * asked, in that order, notices and data only of joints it holds and users that are there, frames whole and of the
 * shortest form. At the end everything is given back.
 *
 * The first byte chooses the options; then each operation takes a byte and what it needs. */
#include "stream_rig.h"

#include "base/plain.h"
#include "proto/joint/joint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { TAME = 5, CONNS = 8, JOINTS = 128, USERS = 256, UNSENT = 40000, QUEUE = 4096 };

/* What the library would know on the other side. HELD: as far as the client knows; GOING: it left or deleted it, and
 * what was on its way may still come. */
enum hold { FREE, HELD, GOING };
struct asked {
  uint8_t nr;
  bool creates;
};
struct side {
  bool open, web, stuck, upgraded;
  uint8_t own[JOINTS], entered[JOINTS]; /* enum hold */
  bool users[JOINTS][USERS];
  struct asked asked[QUEUE];
  size_t n_asked, answered;
  uint8_t *in;
  size_t n_in, cap; /* what came, without WebSocket's frames from `joint` on */
  uint8_t *raw;
  size_t n_raw, cap_raw;
};

struct world {
  struct rig rig;
  void *proto;
  struct ump_rulebook rules;
  uint8_t mood, piece;
  struct side sides[CONNS];
  uint8_t plain[1024];
};

static uint8_t byte(struct world *w) {
  return rig_byte(&w->rig);
}

/* ---- the rulebook ---- */

static void say(struct world *w, struct ump_client *c, bool all) {
  uint8_t buf[256];
  struct ump_writer p = ump_writer(buf, sizeof buf);
  bool call = w->mood & 1;
  if (call)
    ump_plain_put_array(&p, 1), ump_plain_put_int(&p, w->mood);
  else
    ump_plain_put_string(&p, ump_bytes(w->plain, w->mood));
  struct ump_notice n = {.has_name = call, .name = ump_text("moved"), .has_data = true, .data = ump_written(&p)};
  const struct ump_notice *by[3] = {[UMP_PLAIN] = &n};
  if (all)
    ump_engine_broadcast(w->rig.engine, by, NULL);
  else
    ump_engine_notify(w->rig.engine, c, &n);
}

static int on_connect(void *self, struct ump_client *c, struct ump_bytes *reason) {
  struct world *w = self;
  must(c->channel && c->channel[0]);
  if (w->mood % 8 == 7) return *reason = ump_text("no"), 0;
  if (w->mood & 2) say(w, c, false);
  return 1;
}
static int on_judge(void *self, struct ump_client *c, const struct ump_event *ev, struct ump_judgement *out) {
  struct world *w = self;
  struct ump_reader r = ump_reader(ev->data);
  must(ev->client == c && ev->has_name && ev->has_data && ev->encoding == UMP_PLAIN);
  must(ump_plain_skip(&r) && ump_reader_left(&r) == 0);
  out->verdict = (enum ump_verdict)(w->mood % 3);
  if (w->mood & 4) say(w, c, w->mood & 8);
  if (w->mood & 16) ump_engine_kick(w->rig.engine, c, ump_text("out"));
  return 0;
}
static int on_disconnect(void *self, struct ump_client *c, struct ump_bytes reason) {
  struct world *w = self;
  must(reason.n > 0 && c->channel);
  if (w->mood & 32) say(w, NULL, true);
  return 0;
}
static const struct ump_rulebook_ops ops = {.connect = on_connect,
                                            .judge = on_judge,
                                            .disconnect = on_disconnect,
                                            .login = idle_login,
                                            .tick = idle_tick,
                                            .timer = idle_timer,
                                            .timer_gone = idle_timer_gone,
                                            .forget = idle_forget};

static const char *const ids[] = {"a", "b", "c", "chunk", "data", "rpc", "", "none"};

static void put_text(struct ump_writer *w, const char *text) {
  ump_plain_put_string(w, ump_text(text));
}

static void put_channel(struct ump_writer *w, const char *mode, unsigned kind) {
  bool rpc = strcmp(mode, "rpc") == 0;
  put_text(w, mode); /* its name, too */
  ump_plain_put_map(w, rpc ? 4 : 3);
  put_text(w, "mode"), put_text(w, kind & 1 ? mode : "chunk");
  put_text(w, "max_chunk"), ump_plain_put_int(w, kind & 2 ? 100 : 40000);
  if (!rpc) {
    put_text(w, "max_users"), ump_plain_put_int(w, 1 + kind % 4);
    return;
  }
  for (int theirs = 0; theirs < 2; theirs++) {
    put_text(w, theirs ? "client_remotes" : "remotes");
    ump_plain_put_map(w, 1);
    ump_plain_put_int(w, kind & 4);
    ump_plain_put_array(w, 1);
    ump_plain_put_array(w, 2);
    put_text(w, theirs ? "moved" : "step"), put_text(w, theirs ? "Byte" : "Array<Map<Int, String>>");
  }
}

static void declare(struct world *w, unsigned kind) {
  static uint8_t buf[2][2048]; /* the one before is let go only now */
  static unsigned turn;
  struct ump_writer p = ump_writer(buf[turn++ % 2], 2048);
  unsigned n = 0;
  for (unsigned i = 3; i < 6; i++) n += kind >> i & 1;
  ump_plain_put_map(&p, 1);
  put_text(&p, "channels");
  ump_plain_put_map(&p, n);
  for (unsigned i = 3; i < 6; i++)
    if (kind >> i & 1) put_channel(&p, ids[i], kind);
  w->rules.config = ump_written(&p);
  ump_engine_set_rulebook(w->rig.engine, &w->rules, w->rig.now);
  ump_engine_expire(w->rig.engine, w->rig.now);
}

/* ---- what comes back ---- */

static void add(uint8_t **p, size_t *n, size_t *cap, const uint8_t *more, size_t len) {
  if (*n + len > *cap) *p = realloc(*p, *cap = 2 * (*n + len) + 64);
  memcpy(*p + *n, more, len);
  *n += len;
}

/* Whole server frames at the front of raw: their payload is the joint stream. */
static void unwrap(struct side *s) {
  size_t at = 0;
  if (!s->n_raw) return;
  if (!s->upgraded) {
    while (at + 4 <= s->n_raw && memcmp(s->raw + at, "\r\n\r\n", 4) != 0) at++;
    if (at + 4 > s->n_raw) return;
    must(memcmp(s->raw, "HTTP/1.1 101 ", 13) == 0);
    s->upgraded = true;
    at += 4;
  }
  for (;;) {
    if (s->n_raw - at < 2) break;
    size_t n = s->raw[at + 1], head = 2;
    must(n <= 126 && (s->raw[at] & 0xf0) == 0x80);
    if (n == 126) {
      if (s->n_raw - at < 4) break;
      n = (size_t)s->raw[at + 2] << 8 | s->raw[at + 3], head = 4;
      must(n >= 126);
    }
    if (s->n_raw - at < head + n) break;
    unsigned opcode = s->raw[at] & 15;
    must(opcode == 2 || (n <= 125 && (opcode == 8 || opcode == 10)));
    if (opcode == 2) add(&s->in, &s->n_in, &s->cap, s->raw + at + head, n);
    at += head + n;
  }
  if (at) memmove(s->raw, s->raw + at, s->n_raw - at);
  s->n_raw -= at;
}

static void answered(struct side *s, uint8_t nr, bool failed, uint8_t value) {
  must(s->answered < s->n_asked);
  struct asked a = s->asked[s->answered++];
  must(a.nr == nr);
  if (failed)
    must(value >= 1 && value <= (a.creates ? 2 : 5));
  else {
    uint8_t *hold = a.creates ? &s->own[value] : &s->entered[value];
    must(value < JOINTS && *hold != HELD);
    *hold = HELD;
    if (a.creates) memset(s->users[value], 0, sizeof s->users[value]);
  }
  if (s->answered == s->n_asked) s->answered = s->n_asked = 0;
}

static void notice(struct side *s, const uint8_t *p) {
  uint8_t joint = p[4], user = p[5];
  if (p[3] == 0xff) {
    must(p[1] == 4 && joint == 0 && user == 0);
    return;
  }
  must(joint < JOINTS);
  if (p[1] == 4 && p[3] == 0) {
    must(s->own[joint] != FREE && (s->own[joint] == GOING || !s->users[joint][user]));
    s->users[joint][user] = true;
  } else if (p[1] == 5) {
    must(p[3] == 1 && p[6] <= 2 && s->own[joint] != FREE && (s->own[joint] == GOING || s->users[joint][user]));
    s->users[joint][user] = false;
  } else {
    must(p[1] == 4 && p[3] == 2 && user <= 2 && s->entered[joint] != FREE); /* user: the reason */
    s->entered[joint] = FREE;
  }
}

/* A whole frame or command at p; its length, 0: not yet. */
static size_t understand(struct side *s, const uint8_t *p, size_t n) {
  static const uint8_t lengths[] = {0, 0, 0, 5, 6, 7};
  if (p[0] == 0) {
    if (n < 2) return 0;
    must(p[1] >= 3 && p[1] <= 5);
    if (n < lengths[p[1]]) return 0;
    if (p[1] == 3)
      answered(s, p[2], p[3], p[4]);
    else
      must(p[2] == 0), notice(s, p);
    return lengths[p[1]];
  }
  size_t len = p[0], head = 1;
  if (len & 0x80) {
    if (n < 2) return 0;
    len = (len & 0x7f) << 8 | p[1], head = 2;
    must(len >= 128);
  }
  if (n < head + len) return 0;
  bool own = p[head] & 0x80;
  must(len >= (own ? 3u : 2u)); /* never without data, and never a 1 alone */
  if (own)
    must(s->own[p[head] & 0x7f] == GOING || (s->own[p[head] & 0x7f] == HELD && s->users[p[head] & 0x7f][p[head + 1]]));
  if (!own) must(s->entered[p[head]] != FREE);
  return head + len;
}

static void take(struct world *w, uint32_t i) {
  struct side *s = &w->sides[i];
  struct ump_bytes out[4];
  size_t at = 0, step;
  for (size_t n; (n = ump_engine_output(w->rig.engine, 0, i, out, 4)) > 0;) {
    size_t total = 0;
    for (size_t k = 0; k < n; k++) {
      add(s->web ? &s->raw : &s->in, s->web ? &s->n_raw : &s->n_in, s->web ? &s->cap_raw : &s->cap, out[k].p, out[k].n);
      total += out[k].n;
    }
    ump_engine_sent(w->rig.engine, 0, i, total, w->rig.now);
  }
  if (i >= TAME) s->n_raw = s->n_in = 0; /* who knows what it has asked for: it may even have begun with a G */
  if (s->web && i < TAME) unwrap(s);
  while (at < s->n_in && (step = understand(s, s->in + at, s->n_in - at)) > 0) at += step;
  if (at) memmove(s->in, s->in + at, s->n_in - at);
  s->n_in -= at;
}

static void closed(struct world *w, uint32_t i) {
  struct side *s = &w->sides[i];
  if (!s->open) return;
  s->open = false;
  free(s->in), free(s->raw);
  memset(s, 0, sizeof *s);
  ump_engine_closed(w->rig.engine, 0, i, w->rig.now);
}

static void pump(void *ctx) {
  struct world *w = ctx;
  uint32_t i;
  struct ump_bytes out[1];
  while (ump_engine_touched(w->rig.engine, 0, &i)) {
    if (!w->sides[i].open) continue;
    unsigned wants = ump_engine_wants(w->rig.engine, 0, i);
    if (!(wants & UMP_WANTS_ABORT) && !w->sides[i].stuck) take(w, i);
    wants = ump_engine_wants(w->rig.engine, 0, i);
    if ((wants & UMP_WANTS_ABORT) || ((wants & UMP_WANTS_CLOSE) && !ump_engine_output(w->rig.engine, 0, i, out, 1)))
      closed(w, i);
  }
}

/* ---- what goes in ---- */

static void feed(struct world *w, uint32_t i, const uint8_t *p, size_t n) {
  while (n && w->sides[i].open && (ump_engine_wants(w->rig.engine, 0, i) & UMP_WANTS_INPUT)) {
    size_t part = w->piece && w->piece < n ? w->piece : n;
    uint8_t *own = malloc(part);
    memcpy(own, p, part);
    ump_engine_input(w->rig.engine, 0, i, ump_bytes(own, part), w->rig.now);
    free(own);
    pump(w);
    p += part, n -= part;
  }
  if (n && i < TAME)
    closed(w, i); /* it is held back in the middle of something: it gives up, so that its model stays simple */
}

static void speak(struct world *w, uint32_t i, const uint8_t *p, size_t n) {
  uint8_t frame[33000 + 14];
  struct side *s = &w->sides[i];
  if (!s->web) {
    feed(w, i, p, n);
    return;
  }
  size_t head = n < 126 ? 2 : 4;
  frame[0] = 0x82, frame[1] = (uint8_t)(0x80 | (n < 126 ? n : 126));
  if (head == 4) frame[2] = (uint8_t)(n >> 8), frame[3] = (uint8_t)n;
  memcpy(frame + head, "\x5a\xa5\x0f\xf0", 4);
  for (size_t k = 0; k < n; k++) frame[head + 4 + k] = p[k] ^ frame[head + k % 4];
  feed(w, i, frame, head + 4 + n);
}

static void connect_side(struct world *w, uint32_t i, bool web) {
  static const char get[] =
      "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  struct side *s = &w->sides[i];
  struct ump_addr from = {.family = 4, .port = (uint16_t)i};
  if (s->open || ump_engine_open(w->rig.engine, 0, i, &from, w->rig.now) != 0) return;
  s->open = true, s->web = web;
  if (web) feed(w, i, (const uint8_t *)get, sizeof get - 1);
  pump(w);
}

static void ask(struct world *w, uint32_t i, bool creates) {
  uint8_t bytes[32] = {0, creates ? 0 : 1, (uint8_t)(1 + byte(w) % 255)};
  const char *id = ids[byte(w) % 8];
  struct side *s = &w->sides[i];
  if (!s->open || s->n_asked == QUEUE) return;
  bytes[3] = (uint8_t)strlen(id);
  memcpy(bytes + 4, id, bytes[3]);
  s->asked[s->n_asked++] = (struct asked){bytes[2], creates};
  speak(w, i, bytes, 4u + bytes[3]);
}

static void let_go(struct world *w, uint32_t i) {
  uint8_t kind = byte(w), number = byte(w) % 4, user = byte(w) % 8;
  struct side *s = &w->sides[i];
  uint8_t bytes[] = {0, (uint8_t)(2 + kind % 3), 0, kind % 3 == 2 ? 2 : 1, number, user};
  if (!s->open) return;
  if (kind % 3 == 0 && s->entered[number] == HELD) s->entered[number] = GOING;
  if (kind % 3 == 1 && s->own[number] == HELD) s->own[number] = GOING;
  speak(w, i, bytes, 4u + bytes[3]);
}

static void send_data(struct world *w, uint32_t i) {
  uint8_t kind = byte(w), number = byte(w) % 4, user = byte(w) % 8, size = byte(w);
  uint8_t bytes[33000];
  size_t n = kind & 128 ? 128u * size : size, at = 0;
  bool own = kind & 1;
  if (!w->sides[i].open) return;
  if (kind & 2) bytes[at++] = 1, bytes[at++] = kind & 4 ? 1 : kind & 8 ? 0 : size;
  bool all = own && (kind & 2) && (kind & 4);
  size_t N = n + (own && !all ? 2 : 1);
  if (N > 32767) N = 32767;
  if (N < 2 || N > 127)
    bytes[at++] = (uint8_t)(0x80 | N >> 8), bytes[at++] = (uint8_t)N;
  else
    bytes[at++] = (uint8_t)N;
  bytes[at] = own ? 0x80 | number : number;
  if (own && !all) bytes[at + 1] = user;
  for (size_t k = own && !all ? 2 : 1; k < N; k++) bytes[at + k] = (uint8_t)(k < 8 ? byte(w) : k);
  speak(w, i, bytes, at + N);
}

static void wild(struct world *w, uint32_t i) {
  size_t n = byte(w), left = (size_t)(w->rig.end - w->rig.p);
  if (n > left) n = left;
  feed(w, i, w->rig.p, n);
  w->rig.p += n;
}

static void pass(struct world *w) {
  static const ump_time steps[] = {UMP_MS, 60 * UMP_MS, UMP_S, 5 * UMP_S, 5001 * UMP_MS, 11 * UMP_S, 31 * UMP_S, 1};
  rig_pass(&w->rig, steps[byte(w) % 8], pump, w);
}

static void stall(struct world *w, uint32_t i) {
  struct side *s = &w->sides[i];
  if (!s->open || i < TAME) return;
  s->stuck = !s->stuck;
  if (!s->stuck) take(w, i);
}

static void step(struct world *w) {
  uint8_t op = byte(w);
  uint32_t i = op >> 4 & 7, tame = i % TAME;
  switch (op & 15) {
  case 0:
    connect_side(w, i, op & 128);
    break;
  case 1:
    ask(w, i, true);
    break;
  case 2:
  case 3:
    ask(w, i, false);
    break;
  case 4:
    let_go(w, i);
    break;
  case 5:
  case 6:
  case 7:
    send_data(w, i);
    break;
  case 8:
    wild(w, TAME + i % (CONNS - TAME));
    break;
  case 9:
    pass(w);
    break;
  case 10:
    if (op & 128)
      closed(w, tame);
    else if (w->sides[i].open)
      ump_engine_eof(w->rig.engine, 0, i, w->rig.now);
    break;
  case 11:
    stall(w, i);
    break;
  case 12:
    w->mood = byte(w);
    break;
  case 13:
    declare(w, byte(w));
    break;
  case 14:
    w->piece = byte(w) % 8;
    break;
  case 15:
    say(w, NULL, true);
    break;
  }
  pump(w);
}

static void *made;
static int create(void **self, const struct ump_proto_cfg *cfg, ump_time now) {
  int err = ump_joint.create(self, cfg, now);
  made = *self;
  return err;
}

static void start(struct world *w) {
  static struct ump_proto_ops joint;
  uint8_t options = byte(w);
  struct ump_option_value v[] = {{.name = "unsent", .number = UNSENT},
                                 {.name = "users", .number = options & 1 ? 2 : 256},
                                 {.name = "unmasked", .number = options >> 1 & 1}};
  w->rules = (struct ump_rulebook){.ops = &ops, .self = w};
  joint = ump_joint, joint.create = create;
  rig_listen(&w->rig, &joint, (struct ump_proto_cfg){.limit = 7, .per_address = 23, .options = v, .n_options = 3},
             NULL);
  w->proto = made;
  declare(w, 0x39);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  static struct world w; /* large */
  memset(&w, 0, sizeof w);
  rig_begin(&w.rig, data, n);
  start(&w);
  for (unsigned steps = 0; w.rig.p < w.rig.end && steps < 2000; steps++) {
    step(&w);
    const char *wrong = ump_joint_check(w.proto);
    if (wrong) fprintf(stderr, "%s\n", wrong);
    must(!wrong && ump_engine_consistent(w.rig.engine));
    must(w.rig.bytes < CONNS * (UNSENT + 6 * 65536) + (1 << 21));
  }
  for (uint32_t i = 0; i < CONNS; i++) closed(&w, i);
  must(ump_engine_load(w.rig.engine) == 0);
  ump_engine_set_rulebook(w.rig.engine, NULL, w.rig.now);
  rig_end(&w.rig);
  return 0;
}
