/* Patterns that can take very long, found by trying: a pattern is cut into its single-byte items, texts are made that
 * keep those busy which repeat, and the matcher's own steps are counted. So a pattern is only named with a text that
 * proves it.
 *
 * What takes long is what can be tried in many ways: two repetitions beside each other that take the same bytes
 * ("%s*%s*x",
 * "(.-),(.-),(.-)$") multiply their tries. One alone that may begin anywhere, or two of which the first is anchored,
 * take some n * n steps ("^%s*(.-)%s*$"): that is common, and fine for texts as short as events have, so only what runs
 * out of steps within a few hundred bytes is told. */
#include "bindings/check_inside.h"
#include "bindings/lua_pattern.h"

enum { ITEMS = 64, SAMPLES = 6 };

struct item {
  struct ump_bytes text; /* without what repeats it */
  bool repeats;
  int sample; /* a byte that it matches; -1: none of those tried */
};

struct cut {
  struct item items[ITEMS];
  size_t n;
  bool anchored;
  uint64_t *work; /* steps left for all trials */
};

/* ---- the pattern's items ---- */

static size_t set_length(struct ump_bytes p) { /* p begins with [ */
  size_t i = 1 + (p.n > 1 && p.p[1] == '^');
  for (bool first = true; i < p.n && (first || p.p[i] != ']'); first = false) i += p.p[i] == '%' ? 2 : 1;
  return i < p.n ? i + 1 : p.n;
}

static size_t item_length(struct ump_bytes p) {
  if (p.p[0] == '[') return set_length(p);
  if (p.p[0] != '%' || p.n < 2) return 1;
  if (p.p[1] == 'b') return p.n < 4 ? p.n : 4;
  if (p.p[1] == 'f') return p.n > 2 && p.p[2] == '[' ? 2 + set_length(ump_bytes(p.p + 2, p.n - 2)) : 2;
  return 2;
}

static int sample_of(struct ump_bytes item) {
  static const char tried[] = "a0 A,._-/:=\"#x\t\n";
  for (size_t i = 0; i < sizeof tried - 1; i++) {
    struct ump_pattern m = ump_pattern(ump_bytes(tried + i, 1), item);
    const uint8_t *end = ump_pattern_match(&m, m.subject.p);
    if (end && end > m.subject.p) return (unsigned char)tried[i];
  }
  return -1;
}

static bool is_repeated_by(uint8_t c) {
  return c == '*' || c == '+' || c == '-';
}

static bool cut_up(struct ump_bytes p, struct cut *out) {
  memset(out, 0, sizeof *out);
  out->anchored = p.n && p.p[0] == '^';
  for (size_t at = out->anchored; at < p.n;) {
    if (p.p[at] == '(' || p.p[at] == ')' || (p.p[at] == '$' && at + 1 == p.n)) {
      at++;
      continue;
    }
    if (out->n == ITEMS) return false;
    struct item *i = &out->items[out->n++];
    size_t n = item_length(ump_bytes(p.p + at, p.n - at));
    i->text = ump_bytes(p.p + at, n);
    at += n;
    i->repeats = at < p.n && is_repeated_by(p.p[at]);
    i->sample = sample_of(i->text);
    at += at < p.n && (i->repeats || p.p[at] == '?');
  }
  return true;
}

/* ---- texts ---- */

struct recipe {
  size_t before;  /* so many items first, one byte each */
  char odd, even; /* then these in turn */
  char last;      /* 0: none */
};

static size_t cook(const struct cut *c, const struct recipe *r, size_t n, uint8_t out[UMP__CHECK_SUBJECT]) {
  size_t at = 0;
  for (size_t i = 0; i < r->before && at < n; i++)
    if (c->items[i].sample >= 0) out[at++] = (uint8_t)c->items[i].sample;
  for (bool odd = true; at < n; odd = !odd) out[at++] = (uint8_t)(odd ? r->odd : r->even);
  if (r->last && n) out[n - 1] = (uint8_t)r->last;
  return n;
}

/* Does a search through a text of n bytes run out of steps? */
static bool is_costly(struct ump_bytes pattern, const struct cut *c, const struct recipe *r, size_t n) {
  if (*c->work < UMP_PATTERN_STEPS) return false;
  uint8_t text[UMP__CHECK_SUBJECT];
  struct ump_bytes bare = ump_bytes(pattern.p + c->anchored, pattern.n - c->anchored);
  struct ump_pattern m = ump_pattern(ump_bytes(text, cook(c, r, n, text)), bare);
  for (const uint8_t *at = text; at <= text + n && !m.fault; at++) {
    if (ump_pattern_match(&m, at) || c->anchored) break;
  }
  *c->work -= UMP_PATTERN_STEPS - m.steps;
  return m.fault == UMP_PATTERN_COSTLY;
}

static size_t shortest(struct ump_bytes pattern, const struct cut *c, const struct recipe *r) {
  uint64_t enough = 10 * UMP_PATTERN_STEPS;
  struct cut here = *c;
  size_t low = 1, high = UMP__CHECK_SUBJECT; /* high is costly */
  here.work = &enough;
  while (low < high) {
    size_t n = (low + high) / 2;
    if (is_costly(pattern, &here, r, n))
      high = n;
    else
      low = n + 1;
  }
  return high;
}

/* ---- the door ---- */

size_t ump__check_pattern(struct ump_bytes pattern, uint64_t *work, char *sample) {
  struct cut c;
  char samples[SAMPLES];
  size_t n_samples = 0, repeats = 0;
  if (!cut_up(pattern, &c)) return 0;
  c.work = work;
  for (size_t i = 0; i < c.n; i++) repeats += c.items[i].repeats;
  if (repeats < 2) return 0; /* at most n * n / 2 steps */
  for (size_t i = 0; i < c.n && n_samples < SAMPLES; i++)
    if (c.items[i].sample >= 0 && !memchr(samples, c.items[i].sample, n_samples))
      samples[n_samples++] = (char)c.items[i].sample;
  for (size_t before = 0; before <= c.n; before++) {
    if (before && !(before < c.n && c.items[before].repeats)) continue;
    for (size_t i = 0; i < n_samples * n_samples * 2; i++) {
      struct recipe r = {before, samples[i / 2 % n_samples], samples[i / 2 / n_samples], i % 2 ? '\1' : 0};
      if (!is_costly(pattern, &c, &r, UMP__CHECK_SUBJECT)) continue;
      *sample = r.odd;
      return shortest(pattern, &c, &r);
    }
  }
  return 0;
}
