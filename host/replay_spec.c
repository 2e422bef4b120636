#define _GNU_SOURCE /* memmem */
#include "replay_spec.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/plain.h"
#include "base/uuid.h"
#include "flags.h"
#include "place.h"
#include "play.h"
#include "record/datum.h"

enum { LISTENERS = 64, TOLD = 64, MOST_IDS = 200 };

struct visitor { /* a client, in the order in which they came */
  uint32_t listener, session;
  ump_time last;         /* when it was last heard of */
  bool leaves, gone;     /* leaves: the recording tells when */
  struct ump_bytes name; /* what it first took as a name, where that needs no log-in */
};

struct spec {
  FILE *out;
  const char *file, *rulebook;
  struct ump_bytes schemes[LISTENERS];
  size_t n_schemes;
  struct visitor *v;
  size_t n, cap, came; /* came: so many have, in the spec */
  ump_time start;
  bool begun, stopped, unfit;
  char at[32]; /* the time that the spec is at */
  struct ump_bytes entries;
};

/* ---- what must be known before ---- */

const char *ump_spec_rulebook(const struct ump_recording *rec, char *out, size_t cap) {
  struct ump_entry_reader in = ump_entry_reader(ump_bytes(rec->p, rec->n));
  struct ump_entry e;
  while (ump_entry_get(&in, &e)) {
    if (e.kind != UMP_ENTRY_READY) continue;
    if (e.name.n == 0 || e.name.n >= cap) return NULL;
    snprintf(out, cap, "%.*s", (int)e.name.n, (const char *)e.name.p);
    return out;
  }
  return NULL;
}

static struct visitor *find(struct spec *s, size_t among, uint32_t listener, uint32_t session) {
  for (size_t i = among; i-- > 0;)
    if (s->v[i].listener == listener && s->v[i].session == session && !s->v[i].gone) return &s->v[i];
  return NULL;
}

static bool add(struct spec *s, const struct ump_entry *e) {
  if (s->n == s->cap) {
    size_t cap = s->cap ? 2 * s->cap : 64;
    void *p = realloc(s->v, cap * sizeof *s->v);
    if (!p) return false;
    s->v = p, s->cap = cap;
  }
  struct visitor *before = find(s, s->n, e->listener, e->session);
  if (before) before->gone = true;
  s->v[s->n++] = (struct visitor){.listener = e->listener, .session = e->session, .last = e->at};
  return true;
}

static bool look(struct spec *s, const struct ump_recording *rec) {
  struct ump_entry_reader in = ump_entry_reader(ump_bytes(rec->p, rec->n));
  struct ump_entry e;
  while (ump_entry_get(&in, &e)) {
    struct visitor *v =
        e.kind > UMP_ENTRY_CONNECT && e.kind <= UMP_ENTRY_DISCONNECT ? find(s, s->n, e.listener, e.session) : NULL;
    if (e.kind == UMP_ENTRY_SNAPSHOT && !s->begun) {
      s->begun = true, s->start = e.at;
      s->unfit = !(e.flags & UMP_ENTRY_FRESH) || e.data.n;
    }
    if (e.kind == UMP_ENTRY_LISTENER && e.listener == s->n_schemes && s->n_schemes < LISTENERS)
      s->schemes[s->n_schemes++] = e.name;
    if (e.kind == UMP_ENTRY_CONNECT && !add(s, &e)) return false;
    if (v && e.kind == UMP_ENTRY_NAME && !v->name.n) v->name = e.name;
    if (v && e.kind == UMP_ENTRY_DISCONNECT)
      v->leaves = v->gone = true;
    else if (v)
      v->last = e.at;
  }
  for (size_t i = 0; i < s->n; i++) s->v[i].gone = false;
  return true;
}

/* ---- writing ---- */

static void put(struct spec *s, enum ump_encoding encoding, struct ump_bytes data) {
  size_t cap = 4 * data.n + 4096; /* \x00 for each byte at most, and words */
  char *p = malloc(cap);
  if (!p) return;
  struct ump_writer w = ump_writer(p, cap);
  ump_datum_show(&w, encoding, data, true);
  fwrite(p, 1, w.n, s->out);
  free(p);
}

static void put_string(struct spec *s, struct ump_bytes text) {
  put(s, UMP_RAW, text);
}

static void put_time(struct spec *s, ump_time at) {
  char text[32];
  snprintf(text, sizeof text, "%.9f", ump_seconds(at - s->start));
  for (size_t n = strlen(text); n > 2 && text[n - 1] == '0' && text[n - 2] != '.';) text[--n] = 0;
  if (strcmp(text, s->at) == 0) return;
  snprintf(s->at, sizeof s->at, "%s", text);
  fprintf(s->out, "    at(%s)\n", text);
}

static void put_hex(struct spec *s, struct ump_bytes b) {
  for (size_t i = 0; i < b.n; i++) fprintf(s->out, "%02x", b.p[i]);
}

static bool holds_text(struct ump_bytes in, const char *text, size_t n) {
  return in.n >= n && memmem(in.p, in.n, text, n) != NULL;
}

/* An event without an id of its own gets one, and that is all that is drawn for most: it need not be the same, unless
 * somebody is told it. */
static bool is_only_an_id(const struct ump_entry *in, const struct ump_entry *out, size_t n) {
  char text[UMP_UUID_TEXT];
  struct ump_uuid id = {{0}};
  size_t drawn = 0;
  if (in->kind != UMP_ENTRY_JUDGE || in->id.n) return false;
  for (size_t i = 0; i < n; i++) {
    if (out[i].kind != UMP_ENTRY_DRAW) continue;
    if (drawn || out[i].data.n != sizeof id.b) return false;
    memcpy(id.b, out[i].data.p, sizeof id.b);
    drawn++;
  }
  id.b[6] = (uint8_t)((id.b[6] & 0x0f) | 0x40), id.b[8] = (uint8_t)((id.b[8] & 0x3f) | 0x80);
  ump_uuid_print(&id, text);
  for (size_t i = 0; i < n; i++)
    if (out[i].kind != UMP_ENTRY_DRAW &&
        (holds_text(out[i].data, text, sizeof text) || holds_text(out[i].text, text, sizeof text)))
      return false;
  return true;
}

static void put_chance(struct spec *s, const struct ump_entry *in, const struct ump_entry *out, size_t n) {
  bool any = false;
  for (size_t i = 0; i < n; i++) any |= out[i].kind == UMP_ENTRY_DRAW;
  if (!any || is_only_an_id(in, out, n)) return;
  fputs("    chance \"", s->out);
  for (size_t i = 0; i < n; i++)
    if (out[i].kind == UMP_ENTRY_DRAW) put_hex(s, out[i].data);
  fputs("\"\n", s->out);
}

static bool is(const struct spec *s, uint32_t listener, const char *scheme) {
  return listener < s->n_schemes && ump_bytes_equal(s->schemes[listener], ump_text(scheme));
}

static bool holds_null(enum ump_encoding encoding, struct ump_bytes data) {
  char text[4096];
  struct ump_writer w = ump_writer(text, sizeof text - 1);
  ump_datum_show(&w, encoding, data, true);
  text[w.n] = 0;
  return w.full || strstr(text, "host.null") != NULL;
}

/* Who was told what, a line for each notice. Flags of PYMMORPG come with the next reply, if there is one; the state is
 * told in steps of the clock's own. */
static void put_hears(struct spec *s, const struct ump_entry *out, size_t n) {
  for (size_t i = 0; i < n; i++) {
    const struct ump_entry *e = &out[i];
    size_t told = 0;
    if (e->kind != UMP_ENTRY_NOTICE || is(s, e->listener, "pymmorpg") || !(e->flags & UMP_ENTRY_HAS_NAME)) continue;
    if (ump_bytes_equal(e->name, ump_text("state"))) continue;
    if (e->code > UMP_PLAIN || !(e->flags & UMP_ENTRY_HAS_DATA) || holds_null((enum ump_encoding)e->code, e->data))
      continue;
    for (size_t k = i + 1; k < n; k++) {
      if (out[k].kind != UMP_ENTRY_DELIVER || out[k].number[0] != e->number[0]) continue;
      struct visitor *v = find(s, s->came, out[k].listener, out[k].session);
      if (v && told < TOLD) fprintf(s->out, "%s%zu", told++ ? ", " : "    hears({ ", (size_t)(v - s->v) + 1);
    }
    if (!told) continue;
    fputs(" }, ", s->out);
    put_string(s, e->name);
    fputs(", ", s->out);
    put(s, (enum ump_encoding)e->code, e->data);
    fputs(")\n", s->out);
  }
}

static const struct ump_entry *one(const struct ump_entry *out, size_t n, enum ump_entry_kind kind) {
  for (size_t i = 0; i < n; i++)
    if (out[i].kind == kind) return &out[i];
  return NULL;
}

static const char *verdict_of(const struct ump_entry *answer) {
  static const char *const words[] = {"legal", "illegal", "invalid", "internal"};
  return words[answer->code <= UMP_INTERNAL ? answer->code : UMP_INTERNAL];
}

/* Is a client's id in what anybody sent or was told? Then it has to be the same in the spec. */
static bool is_told(const struct spec *s, struct ump_bytes id) {
  char text[UMP_UUID_TEXT];
  struct ump_uuid u;
  if (id.n != sizeof u.b || s->came > MOST_IDS) return id.n == sizeof u.b;
  memcpy(u.b, id.p, sizeof u.b);
  ump_uuid_print(&u, text);
  return memmem(s->entries.p, s->entries.n, text, sizeof text) != NULL;
}

static void put_connect(struct spec *s, const struct ump_entry *in, const struct ump_entry *out, size_t n) {
  const struct ump_entry *admit = one(out, n, UMP_ENTRY_ADMIT);
  struct visitor *before = find(s, s->came, in->listener, in->session), *v = &s->v[s->came++];
  bool refused = admit && !(admit->flags & UMP_ENTRY_YES);
  if (before) before->gone = true;
  fprintf(s->out, "    connect(%zu, ", s->came);
  put_string(s, s->schemes[in->listener]);
  const char *gap = ", { ";
  if (is(s, in->listener, "joint") && in->channel.n) {
    fprintf(s->out, "%schannel = ", gap);
    put_string(s, in->channel);
    fputs(", declared = CHANNELS[", s->out);
    put_string(s, in->channel);
    fputs("]", s->out), gap = ", ";
  }
  if (is(s, in->listener, "laneya") && v->name.n) {
    fprintf(s->out, "%suser = ", gap);
    put_string(s, v->name), gap = ", ";
  }
  if (admit && is_told(s, admit->id)) {
    char id[UMP_UUID_TEXT];
    struct ump_uuid u;
    memcpy(u.b, admit->id.p, sizeof u.b);
    ump_uuid_print(&u, id);
    fprintf(s->out, "%sid = \"%.36s\"", gap, id), gap = ", ";
  }
  if (strcmp(gap, ", ") == 0)
    fputs(" }", s->out);
  else if (refused)
    fputs(", nil", s->out);
  fputs(refused ? ", true)\n" : ")\n", s->out);
  if (refused) v->gone = true;
}

static void put_event(struct spec *s, size_t number, const struct ump_entry *in, const struct ump_entry *answer) {
  fprintf(s->out, "    event(%zu, \"%s\", ", number, verdict_of(answer));
  if (answer->text.n)
    put_string(s, answer->text);
  else
    fputs("nil", s->out);
  fputs(", ", s->out);
  if (in->flags & UMP_ENTRY_HAS_NAME)
    put_string(s, in->name);
  else
    fputs("nil", s->out);
  bool high = in->flags & UMP_ENTRY_HIGH && is(s, in->listener, "neteria");
  if (in->flags & UMP_ENTRY_HAS_DATA) {
    fputs(", ", s->out);
    put(s, in->code <= UMP_PLAIN ? (enum ump_encoding)in->code : UMP_RAW, in->data);
  } else if (high) {
    fputs(", nil", s->out);
  }
  fputs(high ? ", true)\n" : ")\n", s->out);
}

static void put_login(struct spec *s, size_t number, const struct ump_entry *in, const struct ump_entry *answer) {
  fprintf(s->out, "    login(%zu, \"%s\", ", number, verdict_of(answer));
  put_string(s, in->name);
  fputs(", PASSWORDS[", s->out);
  put_string(s, in->name);
  fprintf(s->out, "] or \"secret\"%s)\n", in->flags & UMP_ENTRY_CREATE ? ", true" : "");
}

static bool has(const struct ump_entry *out, size_t n, enum ump_entry_kind kind) {
  return one(out, n, kind) != NULL;
}

static void on_group(void *ctx, const struct ump_entry *in, const struct ump_entry *out, size_t n) {
  struct spec *s = ctx;
  bool of_client = in->kind > UMP_ENTRY_CONNECT && in->kind <= UMP_ENTRY_DISCONNECT;
  struct visitor *v = of_client ? find(s, s->came, in->listener, in->session) : NULL;
  const struct ump_entry *answer = one(out, n, UMP_ENTRY_ANSWER);
  size_t number = v ? (size_t)(v - s->v) + 1 : 0;
  s->stopped |= in->kind == UMP_ENTRY_STOP;
  if (s->stopped || (of_client && !v)) return;
  if (in->kind == UMP_ENTRY_CONNECT && (s->came >= s->n || in->listener >= s->n_schemes)) return;
  if ((in->kind == UMP_ENTRY_JUDGE || in->kind == UMP_ENTRY_LOGIN) && !answer) return;
  if (in->kind == UMP_ENTRY_RELOAD && !has(out, n, UMP_ENTRY_RELOADED)) return;
  if (in->kind == UMP_ENTRY_EXPIRE) { /* time passes by itself; what is drawn in it comes first */
    put_chance(s, in, out, n);
    if (has(out, n, UMP_ENTRY_DRAW) || has(out, n, UMP_ENTRY_DELIVER)) put_time(s, in->at);
  } else {
    put_time(s, in->at);
    put_chance(s, in, out, n);
  }
  if (in->kind == UMP_ENTRY_CONNECT) put_connect(s, in, out, n);
  if (in->kind == UMP_ENTRY_JUDGE) put_event(s, number, in, answer);
  if (in->kind == UMP_ENTRY_LOGIN) put_login(s, number, in, answer);
  if (in->kind == UMP_ENTRY_RELOAD) fputs("    reload()\n", s->out);
  put_hears(s, out, n);
  bool silent = v && is(s, v->listener, "neteria"); /* who goes without a word goes when it was last heard of */
  if (v && v->leaves &&
      (silent ? in->at >= v->last && in->kind != UMP_ENTRY_DISCONNECT : in->kind == UMP_ENTRY_DISCONNECT))
    fprintf(s->out, "    leave(%zu)\n", number);
  if (in->kind == UMP_ENTRY_DISCONNECT) v->gone = true;
  for (size_t i = 0; i < n; i++)
    if (out[i].kind == UMP_ENTRY_KICK && (v = find(s, s->came, out[i].listener, out[i].session))) v->gone = true;
}

/* ---- the beginning and the end ---- */

/* The value under "channels" in what the rulebook declares. */
static struct ump_bytes channels_of(struct ump_bytes declared) {
  struct ump_reader r = ump_reader(declared);
  struct ump_plain map, key;
  if (!ump_plain_get(&r, &map) || map.tag != UMP_PLAIN_MAP) return ump_bytes(NULL, 0);
  for (uint32_t i = 0; i < map.count && ump_plain_get(&r, &key); i++) {
    const uint8_t *start = r.p;
    if (!ump_plain_skip(&r)) break;
    if (key.tag == UMP_PLAIN_STRING && ump_bytes_equal(key.s, ump_text("channels")))
      return ump_bytes(start, (size_t)(r.p - start));
  }
  return ump_bytes(NULL, 0);
}

static bool any_login(const struct ump_recording *rec) {
  struct ump_entry_reader in = ump_entry_reader(ump_bytes(rec->p, rec->n));
  struct ump_entry e;
  while (ump_entry_get(&in, &e))
    if (e.kind == UMP_ENTRY_LOGIN) return true;
  return false;
}

static void on_open(void *ctx, const struct ump_replay_start *start, struct ump_rules *rules) {
  struct spec *s = ctx;
  struct ump_bytes channels = channels_of(ump_rules_declared(rules));
  if (channels.n) {
    fputs("-- As the rulebook declares them: what a joint program has to know.\nlocal CHANNELS = ", s->out);
    put(s, UMP_PLAIN, channels);
    fputs("\n\n", s->out);
  }
  fputs("describe(\"recorded play\", function()\n  it(\"is judged as it was\", function()\n    local play = "
        "recorded.open(",
        s->out);
  put_string(s, ump_text(s->rulebook));
  fputs(", {\n      listen = { ", s->out);
  for (size_t i = 0; i < s->n_schemes; i++)
    fprintf(s->out, "%s\"%.*s://0.0.0.0:0\"", i ? ", " : "", (int)s->schemes[i].n, (const char *)s->schemes[i].p);
  fputs(" },\n      chance = \"", s->out);
  put_hex(s, start->draws);
  fputs("\", -- what loading it drew\n    })\n"
        "    local at, chance, connect, event = play.at, play.chance, play.connect, play.event\n"
        "    local hears, leave, login, reload = play.hears, play.leave, play.login, play.reload\n\n",
        s->out);
}

static int write(struct spec *s, const struct ump_recording *rec) {
  struct ump_places places;
  struct ump_play_result result;
  ump_places_find(&places);
  struct ump_play_cfg cfg = {
      .rulebook = s->rulebook, .library = places.library, .opened = on_open, .group = on_group, .ctx = s};
  fprintf(s->out,
          "-- Written by `umpire replay %s --spec`: the events of recorded clients at their times, the verdicts that "
          "they got,\n"
          "-- and what clients were told. umpire.sim.recorded says what the words mean. Change it as you like.\n"
          "-- luacheck: ignore 211 631\n"
          "local host = { array = function(t) return t end }\n"
          "local recorded = require \"umpire.sim.recorded\"\n\n",
          s->file);
  if (any_login(rec))
    fputs("-- Passwords are not recorded. Where the rulebook asks for them itself, write them here: ann = "
          "\"swordfish\".\n"
          "local PASSWORDS = {}\n\n",
          s->out);
  if (!ump_play(&cfg, ump_bytes(rec->p, rec->n), &result))
    return fprintf(stderr, "umpire replay: %s\n", result.error), EXIT_RULEBOOK;
  fputs("    play.done()\n  end)\nend)\n", s->out);
  if (ump_play_unexpected(&result))
    fprintf(stderr,
            "umpire replay: %s does not judge this as it was judged (%" PRIu64
            " differences): the spec will fail; umpire replay without --spec says where\n",
            s->rulebook, ump_play_unexpected(&result));
  return EXIT_OK;
}

int ump_spec_write(const struct ump_recording *rec, const char *file, const char *rulebook, FILE *out) {
  struct spec s = {.out = out, .file = file, .rulebook = rulebook, .entries = ump_bytes(rec->p, rec->n)};
  bool ok = look(&s, rec);
  int code = EXIT_RULEBOOK;
  if (!ok)
    fprintf(stderr, "umpire replay: out of memory\n");
  else if (s.unfit)
    fprintf(stderr,
            "umpire replay: %s does not begin with the start of a host that had nothing saved: a spec has no way to "
            "begin in the middle. It can be replayed, and a recording from a start can become a spec\n",
            file);
  else
    code = write(&s, rec);
  free(s.v);
  return code;
}
