/* A pattern is a row of items. match_items goes through it; an item that leaves a choice (repetition, option, capture)
 * tries what follows by calling match_items again, and takes its next choice when that fails. */
#include "bindings/lua_pattern.h"

#include <ctype.h>

enum { ESCAPE = '%', DEPTH_MAX = 200 };

static const uint8_t *match_items(struct ump_pattern *m, const uint8_t *s, const uint8_t *p);

static const uint8_t *subject_end(const struct ump_pattern *m) {
  return m->subject.p + m->subject.n;
}
static const uint8_t *pattern_end(const struct ump_pattern *m) {
  return m->pattern.p + m->pattern.n;
}

static const uint8_t *fault(struct ump_pattern *m, enum ump_pattern_fault f) {
  if (!m->fault) m->fault = f;
  return NULL;
}

static bool spend(struct ump_pattern *m, size_t n) {
  if (m->steps >= n) {
    m->steps -= n;
    return true;
  }
  m->steps = 0;
  fault(m, UMP_PATTERN_COSTLY);
  return false;
}

/* ---- single bytes ---- */

/* %a, %d, ...; in upper case the complement; any other byte stands for itself. */
static bool in_class(int c, int name) {
  bool in;
  switch (tolower(name)) {
  case 'a':
    in = isalpha(c);
    break;
  case 'c':
    in = iscntrl(c);
    break;
  case 'd':
    in = isdigit(c);
    break;
  case 'g':
    in = isgraph(c);
    break;
  case 'l':
    in = islower(c);
    break;
  case 'p':
    in = ispunct(c);
    break;
  case 's':
    in = isspace(c);
    break;
  case 'u':
    in = isupper(c);
    break;
  case 'w':
    in = isalnum(c);
    break;
  case 'x':
    in = isxdigit(c);
    break;
  case 'z':
    in = c == 0;
    break; /* of Lua 5.1, still understood by 5.4 */
  default:
    return name == c;
  }
  return isupper(name) ? !in : in;
}

/* set: just after '['; last: at its ']'. */
static bool in_set(int c, const uint8_t *set, const uint8_t *last) {
  bool complement = *set == '^';
  for (const uint8_t *p = set + complement; p < last; p++) {
    if (*p == ESCAPE && p + 1 <= last) {
      if (in_class(c, *++p)) return !complement;
    } else if (p + 2 < last && p[1] == '-') {
      if (p[0] <= c && c <= p[2]) return !complement;
      p += 2;
    } else if (*p == c)
      return !complement;
  }
  return complement;
}

/* The end of the single-byte item (a byte, '.', %x or a set) that begins at p; NULL: fault. */
static const uint8_t *item_end(struct ump_pattern *m, const uint8_t *p) {
  const uint8_t *end = pattern_end(m);
  if (*p == ESCAPE) return p + 1 < end ? p + 2 : fault(m, UMP_PATTERN_ENDS_IN_ESCAPE);
  if (*p != '[') return p + 1;
  const uint8_t *q = p + 1;
  if (q < end && *q == '^') q++;
  for (bool first = true; q < end; first = false, q++) {
    if (*q == ']' && !first) return spend(m, (size_t)(q - p) / 8) ? q + 1 : NULL;
    if (*q == ESCAPE && q + 1 < end) q++;
  }
  return fault(m, UMP_PATTERN_OPEN_SET);
}

static bool fits(struct ump_pattern *m, const uint8_t *s, const uint8_t *p, const uint8_t *end) {
  if (s >= subject_end(m) || !spend(m, 1 + (size_t)(end - p) / 8)) return false;
  switch (*p) {
  case '.':
    return true;
  case ESCAPE:
    return in_class(*s, p[1]);
  case '[':
    return in_set(*s, p + 1, end - 1);
  default:
    return *p == *s;
  }
}

/* ---- repetition ---- */

static const uint8_t *match_longest(struct ump_pattern *m, const uint8_t *s, const uint8_t *p, const uint8_t *end) {
  size_t n = 0;
  while (fits(m, s + n, p, end)) n++;
  for (;; n--) {
    const uint8_t *to = match_items(m, s + n, end + 1);
    if (to || n == 0 || m->fault) return to;
  }
}

static const uint8_t *match_shortest(struct ump_pattern *m, const uint8_t *s, const uint8_t *p, const uint8_t *end) {
  for (;; s++) {
    const uint8_t *to = match_items(m, s, end + 1);
    if (to || m->fault || !fits(m, s, p, end)) return to;
  }
}

/* ---- captures and what stands for more than one byte ---- */

static const uint8_t *open_capture(struct ump_pattern *m, const uint8_t *s, const uint8_t *p) {
  if (m->n_captures == UMP_PATTERN_CAPTURES) return fault(m, UMP_PATTERN_MANY_CAPTURES);
  bool position = p + 1 < pattern_end(m) && p[1] == ')';
  m->captures[m->n_captures++] = (struct ump_capture){s, position ? UMP_CAPTURE_POSITION : UMP_CAPTURE_OPEN};
  const uint8_t *to = match_items(m, s, position ? p + 2 : p + 1);
  if (!to) m->n_captures--;
  return to;
}

static const uint8_t *close_capture(struct ump_pattern *m, const uint8_t *s, const uint8_t *p) {
  int i = m->n_captures - 1;
  while (i >= 0 && m->captures[i].n != UMP_CAPTURE_OPEN) i--;
  if (i < 0) return fault(m, UMP_PATTERN_BAD_CLOSE);
  m->captures[i].n = s - m->captures[i].at;
  const uint8_t *to = match_items(m, s, p + 1);
  if (!to) m->captures[i].n = UMP_CAPTURE_OPEN;
  return to;
}

/* %bxy, p at its x: the end of the balanced run that begins at s. */
static const uint8_t *balance(struct ump_pattern *m, const uint8_t *s, const uint8_t *p) {
  const uint8_t *end = subject_end(m);
  if (p + 2 > pattern_end(m)) return fault(m, UMP_PATTERN_BALANCE);
  if (s >= end || *s != p[0]) return NULL;
  size_t open = 1;
  while (++s < end && spend(m, 1)) {
    if (*s == p[1] && --open == 0) return s + 1;
    if (*s == p[0] && *s != p[1]) open++;
  }
  return NULL;
}

/* %f[set], p at its '[': true where the byte before is not in the set and the byte here is. *next: behind the set. */
static bool at_frontier(struct ump_pattern *m, const uint8_t *s, const uint8_t *p, const uint8_t **next) {
  if (p >= pattern_end(m) || *p != '[') return fault(m, UMP_PATTERN_FRONTIER), false;
  const uint8_t *end = item_end(m, p);
  if (!end || !spend(m, 1)) return false;
  int before = s == m->subject.p ? 0 : s[-1], here = s == subject_end(m) ? 0 : *s;
  *next = end;
  return !in_set(before, p + 1, end - 1) && in_set(here, p + 1, end - 1);
}

/* %1: the end of a repetition of what the capture holds. */
static const uint8_t *repeat_capture(struct ump_pattern *m, const uint8_t *s, int digit) {
  int i = digit - '1';
  if (i < 0 || i >= m->n_captures || m->captures[i].n == UMP_CAPTURE_OPEN) {
    m->index = i + 1;
    return fault(m, UMP_PATTERN_BAD_INDEX);
  }
  ptrdiff_t n = m->captures[i].n;
  if (n < 0 || subject_end(m) - s < n || !spend(m, (size_t)n / 16 + 1)) return NULL; /* a position is never repeated */
  return memcmp(m->captures[i].at, s, (size_t)n) == 0 ? s + n : NULL;
}

/* ---- the row of items ---- */

/* One of %b, %f, %0 ... %9 at p? Then *s and *p are moved behind it, or *s is NULL. */
static bool match_special(struct ump_pattern *m, const uint8_t **s, const uint8_t **p) {
  const uint8_t *at = *p;
  if (*at != ESCAPE || at + 1 >= pattern_end(m)) return false;
  if (at[1] == 'b')
    *s = balance(m, *s, at + 2), *p = at + 4;
  else if (at[1] == 'f')
    *s = at_frontier(m, *s, at + 2, p) ? *s : NULL;
  else if (isdigit(at[1]))
    *s = repeat_capture(m, *s, at[1]), *p = at + 2;
  else
    return false;
  return true;
}

static const uint8_t *walk_items(struct ump_pattern *m, const uint8_t *s, const uint8_t *p) {
  const uint8_t *end = pattern_end(m);
  while (s && p < end) {
    if (!spend(m, 1)) return NULL;
    if (*p == '(') return open_capture(m, s, p);
    if (*p == ')') return close_capture(m, s, p);
    if (*p == '$' && p + 1 == end) return s == subject_end(m) ? s : NULL;
    if (match_special(m, &s, &p)) continue;
    const uint8_t *next = item_end(m, p);
    if (!next) return NULL;
    int how = next < end ? *next : 0;
    if (how == '*') return match_longest(m, s, p, next);
    if (how == '-') return match_shortest(m, s, p, next);
    bool here = fits(m, s, p, next);
    if (how == '+') return here ? match_longest(m, s + 1, p, next) : NULL;
    if (how == '?') {
      const uint8_t *to = here ? match_items(m, s + 1, next + 1) : NULL;
      if (to || m->fault) return to;
      p = next + 1;
    } else {
      s = here ? s + 1 : NULL;
      p = next;
    }
  }
  return s;
}

static const uint8_t *match_items(struct ump_pattern *m, const uint8_t *s, const uint8_t *p) {
  if (m->depth == DEPTH_MAX) return fault(m, UMP_PATTERN_DEEP);
  m->depth++;
  const uint8_t *to = walk_items(m, s, p);
  m->depth--;
  return m->fault ? NULL : to;
}

/* ---- for those who use it ---- */

struct ump_pattern ump_pattern(struct ump_bytes subject, struct ump_bytes pattern) {
  return (struct ump_pattern){.subject = subject, .pattern = pattern, .steps = UMP_PATTERN_STEPS};
}

const uint8_t *ump_pattern_match(struct ump_pattern *m, const uint8_t *at) {
  m->n_captures = m->depth = 0;
  if (!spend(m, 1)) return NULL;
  return match_items(m, at, m->pattern.p);
}

bool ump_pattern_capture(struct ump_pattern *m, int i, const uint8_t *from, const uint8_t *to,
                         struct ump_capture *out) {
  if (i >= m->n_captures) {
    *out = (struct ump_capture){from, to - from};
    m->index = i + 1;
    return i == 0 ? true : (fault(m, UMP_PATTERN_BAD_INDEX), false);
  }
  *out = m->captures[i];
  return out->n == UMP_CAPTURE_OPEN ? (fault(m, UMP_PATTERN_UNFINISHED), false) : true;
}

bool ump_pattern_is_plain(struct ump_bytes pattern) {
  for (size_t i = 0; i < pattern.n; i++)
    if (pattern.p[i] && strchr("^$*+?.([%-", pattern.p[i])) return false;
  return true;
}
