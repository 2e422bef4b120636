/* The scanner: a loop over values with a small stack of open containers. Keys of open objects are kept in one array,
 * each object's in a row, to find doubled ones: against the earlier keys of the object while it has few, by sorting
 * when it closes if it has many. All state is one struct on the C stack, 66 KiB of which only what is used is ever
 * touched. */
#include <assert.h>

#include "base/err.h"
#include "codec/json_internal.h"

enum {
  FEW_KEYS = 32,   /* up to here comparing all with each other costs less than sorting */
  FEW_DIGITS = 15, /* an integer of so many is what a double can tell apart: DBL_DIG */
};

struct frame {
  const uint8_t *start; /* at its bracket */
  uint64_t seen;        /* objects: a bit for each key; one that is not set saves the comparisons */
  unsigned holds, n_members;
  unsigned keys; /* index of its first key */
  uint8_t close; /* '}' or ']' */
};

struct scan {
  const uint8_t *end;
  struct ump__json_fault fault;
  unsigned nodes, depth, n_keys;
  struct ump_json_slot *slots, *wanted; /* wanted: the slot of the current top-level key, or NULL */
  size_t n_slots, next_slot;
  struct frame *top; /* the innermost open container; at depth 0: not used */
  struct frame frames[UMP_JSON_DEPTH];
  struct ump__json_key keys[UMP_JSON_NODES];
};

/* Leaves the arrays as they are: they are stacks. */
static void start(struct scan *s, struct ump_bytes text) {
  s->end = text.n ? text.p + text.n : text.p;
  s->fault = (struct ump__json_fault){0};
  s->nodes = s->depth = s->n_keys = 0;
  s->slots = s->wanted = NULL;
  s->n_slots = s->next_slot = 0;
}

/* From here on: functions take a position and give the one behind what they read, or NULL when the text is refused. */
static const uint8_t *refuse(struct scan *s, const uint8_t *at, const char *why) {
  return ump__json_refuse(&s->fault, at, why);
}

/* What other decoders go on with. */
static const uint8_t *beyond(struct scan *s, const uint8_t *at, const char *why) {
  return ump__json_beyond(&s->fault, at, why);
}

UMP__HOT bool is_space(uint8_t c) {
  return c <= ' ' && (c == ' ' || c == '\n' || c == '\r' || c == '\t');
}

UMP__HOT const uint8_t *skip_space(const struct scan *s, const uint8_t *p) {
  while (p < s->end && is_space(*p)) p++;
  return p;
}

/* ---- keys ---- */

static bool has_key(const struct scan *s, const struct ump__json_key *key) {
  for (unsigned i = s->top->keys; i < s->n_keys; i++) {
    if (s->keys[i].n == key->n && ump__json_key_equal(&s->keys[i], key)) return true;
  }
  return false;
}

/* False: doubled. */
UMP__HOT bool note_key(struct scan *s, const struct ump__json_string *text) {
  uint64_t bit;
  assert(s->n_keys < UMP_JSON_NODES); /* each key but the last has had its value counted */
  struct ump__json_key *key = &s->keys[s->n_keys];
  *key = ump__json_key(text, &bit);
  if (s->top->seen & bit && s->n_keys - s->top->keys < FEW_KEYS && has_key(s, key)) return false;
  s->top->seen |= bit;
  s->n_keys++;
  return true;
}

/* Clients send the keys of a message in one order, so the search begins behind the last one found. */
UMP__HOT struct ump_json_slot *find_slot(struct scan *s, const struct ump__json_string *key) {
  for (size_t k = 0, i = s->next_slot; k < s->n_slots; k++, i++) {
    if (i >= s->n_slots) i = 0;
    struct ump_json_slot *slot = &s->slots[i];
    if (key->escaped) {
      struct ump__json_string copy = *key;
      if (!ump__json_key_is(&copy, slot->key)) continue;
    } else if (key->n != slot->key.n || !ump__json_same(key->p, slot->key.p, key->n)) {
      continue;
    }
    s->next_slot = i + 1;
    return slot->value.type == UMP_JSON_NONE ? slot : NULL; /* an object with many keys finds doubled ones late */
  }
  return NULL;
}

/* A key, its colon, and the space up to the value. */
UMP__HOT const uint8_t *key(struct scan *s, const uint8_t *p) {
  struct ump__json_string text;
  if (p == s->end) return refuse(s, p, "the text ends inside an object");
  if (*p != '"') return refuse(s, p, "a key that is no string");
  const uint8_t *q = ump__json_string(&text, p + 1, s->end, &s->fault);
  if (!q) return NULL;
  if (text.nul) return beyond(s, p, "a NUL inside a key");
  if (!note_key(s, &text)) return beyond(s, p, "a doubled key");
  if (s->depth == 1 && s->n_slots) s->wanted = find_slot(s, &text);
  q = skip_space(s, q);
  if (q == s->end || *q != ':') return refuse(s, q, "a key without a colon");
  return skip_space(s, q + 1);
}

/* ---- values ---- */

static bool begins(const struct scan *s, const uint8_t *p, const char *word) {
  size_t n = strlen(word);
  return (size_t)(s->end - p) >= n && memcmp(p, word, n) == 0;
}

static const uint8_t *word(struct scan *s, const uint8_t *p, struct ump_json_value *v, const char *name,
                           enum ump_json_type type) {
  if (!begins(s, p, name)) return refuse(s, p, "an unknown word");
  *v = (struct ump_json_value){type, type == UMP_JSON_NULL ? UMP_JSON_NULLS : 0, 0, false, ump_bytes(p, strlen(name))};
  return p + strlen(name);
}

UMP__HOT const uint8_t *string(struct scan *s, const uint8_t *p, struct ump_json_value *v) {
  struct ump__json_string text;
  const uint8_t *q = ump__json_string(&text, p + 1, s->end, &s->fault);
  if (!q) return NULL;
  *v = (struct ump_json_value){UMP_JSON_STRING, text.nul ? UMP_JSON_NUL_BYTES : 0, 0, text.escaped,
                               ump_bytes(p, (size_t)(q - p))};
  return q;
}

/* Integers of a few digits, as most numbers of a game are, are told here; all else by json_number.c. */
static const uint8_t *number(struct scan *s, const uint8_t *p, struct ump_json_value *v) {
  unsigned holds = UMP_JSON_INTEGERS;
  const uint8_t *d = p + (*p == '-'), *q = d;
  while (q < s->end && *q >= '0' && *q <= '9') q++;
  bool few = q > d && q - d <= FEW_DIGITS && (*d != '0' || q - d == 1);
  bool whole = q == s->end || (*q != '.' && *q != 'e' && *q != 'E');
  if (!few || !whole) q = ump__json_number(p, s->end, &holds, &s->fault);
  if (q) *v = (struct ump_json_value){UMP_JSON_NUMBER, holds, 0, false, ump_bytes(p, (size_t)(q - p))};
  return q;
}

/* A value that is neither string nor container. */
static const uint8_t *scalar(struct scan *s, const uint8_t *p, struct ump_json_value *v) {
  if ((*p >= '0' && *p <= '9') || (*p == '-' && !begins(s, p, "-I"))) return number(s, p, v);
  switch (*p) {
  case 't':
    return word(s, p, v, "true", UMP_JSON_TRUE);
  case 'f':
    return word(s, p, v, "false", UMP_JSON_FALSE);
  case 'n':
    return word(s, p, v, "null", UMP_JSON_NULL);
  case 0xEF:
    return refuse(s, p, "a byte order mark, or no value");
  default:
    break;
  }
  bool python = begins(s, p, "NaN") || begins(s, p, "Infinity") || begins(s, p, "-Infinity");
  return python ? beyond(s, p, "NaN and Infinity are not JSON") : refuse(s, p, "no value where one must be");
}

/* Opens the container at p. Gives the position of the first thing inside, or of the closing bracket. */
static const uint8_t *open(struct scan *s, const uint8_t *p) {
  if (s->depth == UMP_JSON_DEPTH) return beyond(s, p, "deeper than 32");
  s->top = &s->frames[s->depth++];
  *s->top = (struct frame){p, 0, 0, 0, s->n_keys, *p == '{' ? '}' : ']'};
  return skip_space(s, p + 1);
}

/* Closes the innermost container; p is at its closing bracket. */
static const uint8_t *close(struct scan *s, const uint8_t *p, struct ump_json_value *v) {
  struct frame *f = s->top;
  unsigned n = s->n_keys - f->keys;
  const struct ump__json_key *doubled = n > FEW_KEYS ? ump__json_keys_doubled(&s->keys[f->keys], n) : NULL;
  if (doubled) return beyond(s, doubled->p - 1, "a doubled key");
  s->n_keys = f->keys;
  s->top -= --s->depth > 0;
  v->type = f->close == '}' ? UMP_JSON_OBJECT : UMP_JSON_ARRAY;
  v->holds = f->holds | (v->type == UMP_JSON_ARRAY && !f->n_members ? UMP_JSON_EMPTY_ARRAYS : 0);
  v->n_members = f->n_members;
  v->escaped = false;
  v->raw = ump_bytes(f->start, (size_t)(p + 1 - f->start));
  return p + 1;
}

/* A value is complete: its container notes it, and the slot that waits for it. */
UMP__HOT void note_value(struct scan *s, const struct ump_json_value *v) {
  s->top->n_members++;
  s->top->holds |= v->holds;
  if (s->depth > 1 || !s->wanted) return;
  s->wanted->value = *v;
  s->wanted = NULL;
}

/* Behind a value that is complete: notes it, and closes what ends there. Gives the position behind the comma, where the
 * next key or value is, or, with s->depth == 0, the end of the outermost value. */
UMP__HOT const uint8_t *complete(struct scan *s, const uint8_t *p, struct ump_json_value *v) {
  while (p && s->depth > 0) {
    note_value(s, v);
    p = skip_space(s, p);
    if (p == s->end) return refuse(s, p, "the text ends inside a container");
    if (*p == ',') return skip_space(s, p + 1);
    if (*p != s->top->close) return refuse(s, p, "no comma between two values");
    struct ump_json_value closed;
    p = close(s, p, &closed);
    *v = closed;
  }
  return p;
}

/* One whole value with all that is inside. */
static const uint8_t *value(struct scan *s, const uint8_t *p, struct ump_json_value *out) {
  struct ump_json_value v = {0}, other; /* other: apart from v, so that v can stay in registers */
  for (bool keyed = false; p; keyed = s->top->close == '}') {
    if (keyed && !(p = key(s, p))) return NULL;
    if (p == s->end) return refuse(s, p, "the text ends where a value must be");
    if (s->nodes++ == UMP_JSON_NODES) return beyond(s, p, "more than 4096 values");
    if (*p == '"') {
      p = string(s, p, &v);
    } else if (*p != '{' && *p != '[') {
      p = scalar(s, p, &other);
      v = other;
    } else {
      p = open(s, p);
      if (p && (p == s->end || *p != s->top->close)) continue;
      if (p) p = close(s, p, &other), v = other;
    }
    p = complete(s, p, &v);
    if (s->depth > 0) continue;
    if (p) *out = v;
    return p;
  }
  return NULL;
}

static int whole_text(struct scan *s, struct ump_bytes text, struct ump_json_value *top, struct ump_json_error *error) {
  const uint8_t *p =
      text.n <= INT32_MAX ? value(s, skip_space(s, text.p), top) : refuse(s, text.p, "longer than 2 GiB");
  if (p) p = skip_space(s, p);
  if (p && p < s->end) p = refuse(s, p, "text behind the value");
  if (p) return 0;
  if (error) *error = (struct ump_json_error){s->fault.why, (size_t)(s->fault.at - text.p), s->fault.beyond};
  return UMP_EMALFORMED;
}

int ump_json_check(struct ump_bytes text, struct ump_json_value *top, struct ump_json_error *error) {
  struct scan s;
  start(&s, text);
  int err = whole_text(&s, text, top, error);
  if (err) *top = (struct ump_json_value){0};
  return err;
}

int ump_json_members(struct ump_bytes text, struct ump_json_slot *slots, size_t n_slots, struct ump_json_error *error) {
  struct scan s;
  struct ump_json_value top;
  start(&s, text);
  s.slots = slots;
  s.n_slots = n_slots;
  for (size_t i = 0; i < n_slots; i++) slots[i].value = (struct ump_json_value){0};
  const uint8_t *p = skip_space(&s, text.p);
  if (p < s.end && *p != '{') {
    if (error) *error = (struct ump_json_error){"no object", (size_t)(p - text.p), false};
    return UMP_EMALFORMED;
  }
  return whole_text(&s, text, &top, error);
}

int ump_json_next(const struct ump_json_value *container, struct ump_json_iter *it, struct ump_json_value *key,
                  struct ump_json_value *v) {
  struct scan s;
  start(&s, container->raw);
  const uint8_t *p = skip_space(&s, container->raw.p + (it->at ? it->at : 1));
  if (*p == ',') p = skip_space(&s, p + 1);
  if (*p == '}' || *p == ']') return 0;
  *key = (struct ump_json_value){0};
  if (container->type == UMP_JSON_OBJECT) {
    p = skip_space(&s, string(&s, p, key));
    p = skip_space(&s, p + 1); /* behind the colon */
  }
  p = value(&s, p, v);
  assert(p); /* it was checked */
  it->at = (size_t)(p - container->raw.p);
  return 1;
}

void ump_json_only_member(const struct ump_json_value *object, struct ump_json_value *key, struct ump_json_value *v) {
  struct ump_json_iter it = {0};
  assert(object->type == UMP_JSON_OBJECT && object->n_members == 1);
  ump_json_next(object, &it, key, v);
}

struct ump_bytes ump_json_only_text(const struct ump_json_value *object, struct ump_json_value *key) {
  struct scan s;
  assert(object->type == UMP_JSON_OBJECT && object->n_members == 1);
  start(&s, object->raw);
  const uint8_t *p = string(&s, skip_space(&s, object->raw.p + 1), key);
  p = skip_space(&s, skip_space(&s, p) + 1);   /* behind the colon */
  for (s.end--; is_space(s.end[-1]);) s.end--; /* at the closing bracket */
  return ump_bytes(p, (size_t)(s.end - p));
}
