/* The scanner: a loop over values with a small stack of open containers. Keys of open objects are kept in one array, each
 * object's in a row, to find doubled ones: against all earlier keys of the object while it has few, by sorting when it
 * closes if it has many. All state lives in one struct on the C stack, about 66 KiB of which only what is used is touched. */
#include <assert.h>

#include "base/err.h"
#include "codec/json_internal.h"

enum { FEW_KEYS = 32 }; /* up to here comparing marks with each other costs less than sorting */

struct frame {
  const uint8_t *start;  /* at its bracket */
  uint64_t seen;         /* objects: a bit for each key by its mark; a bit that is not set saves the comparisons */
  unsigned holds, n_members;
  unsigned keys;         /* index of its first key */
  uint8_t close;         /* '}' or ']' */
};

struct scan {
  const uint8_t *p, *end;
  struct ump__json_fault fault;
  unsigned nodes, depth, n_keys;
  struct ump_json_slot *slots, *wanted; /* wanted: the slot of the current top-level key, or NULL */
  size_t n_slots, next_slot;
  struct frame frames[UMP_JSON_DEPTH];
  struct ump__json_key keys[UMP_JSON_NODES];
};

/* Leaves the arrays as they are: they are stacks. */
static void start(struct scan *s, struct ump_bytes text) {
  s->p = text.p;
  s->end = text.n ? text.p + text.n : text.p;
  s->fault = (struct ump__json_fault){0};
  s->nodes = s->depth = s->n_keys = 0;
  s->slots = s->wanted = NULL;
  s->n_slots = s->next_slot = 0;
}

static bool refuse(struct scan *s, const uint8_t *at, const char *why) {
  ump__json_refuse(&s->fault, at, why);
  return false;
}

static inline void skip_space(struct scan *s) {
  while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\r' || *s->p == '\t')) s->p++;
}

/* ---- keys ---- */

static bool note_key(struct scan *s, const struct ump__json_string *text) {
  struct frame *f = &s->frames[s->depth - 1];
  struct ump__json_key key = ump__json_key(text);
  uint64_t bit = (uint64_t)1 << (key.mark & 63);
  if (f->seen & bit && s->n_keys - f->keys < FEW_KEYS) {
    for (unsigned i = f->keys; i < s->n_keys; i++) {
      if (ump__json_key_equal(&s->keys[i], &key)) return refuse(s, text->p - 1, "a doubled key");
    }
  }
  f->seen |= bit;
  assert(s->n_keys < UMP_JSON_NODES); /* each key but the last has had its value counted */
  s->keys[s->n_keys++] = key;
  return true;
}

/* Clients send the keys of a message in one order, so the search begins behind the last one found. */
static struct ump_json_slot *find_slot(struct scan *s, const struct ump__json_string *key) {
  for (size_t k = 0, i = s->next_slot; k < s->n_slots; k++, i++) {
    if (i >= s->n_slots) i = 0;
    struct ump_json_slot *slot = &s->slots[i];
    bool same = key->escaped ? ump__json_key_is(key, slot->key) : ump_bytes_equal(ump_bytes(key->p, key->n), slot->key);
    if (!same) continue;
    s->next_slot = i + 1;
    return slot->value.type == UMP_JSON_NONE ? slot : NULL;
  }
  return NULL;
}

/* A key and its colon; afterwards p is at the value. */
static bool key(struct scan *s) {
  struct ump__json_string text;
  const uint8_t *quote = s->p;
  if (s->p == s->end) return refuse(s, s->p, "the text ends inside an object");
  if (*s->p != '"') return refuse(s, s->p, "a key that is no string");
  const uint8_t *next = ump__json_string(&text, s->p + 1, s->end, &s->fault);
  if (!next) return false;
  if (text.nul) return refuse(s, quote, "a NUL inside a key");
  if (!note_key(s, &text)) return false;
  if (s->depth == 1 && s->n_slots) s->wanted = find_slot(s, &text);
  s->p = next;
  skip_space(s);
  if (s->p == s->end || *s->p != ':') return refuse(s, s->p, "a key without a colon");
  s->p++;
  skip_space(s);
  return true;
}

/* ---- values ---- */

/* Opens a container; p is at its bracket. Afterwards p is at its first value, or at its closing bracket. */
static bool open(struct scan *s, uint8_t close) {
  if (s->depth == UMP_JSON_DEPTH) return refuse(s, s->p, "deeper than 32");
  s->frames[s->depth++] = (struct frame){s->p, 0, 0, 0, s->n_keys, close};
  s->p++;
  skip_space(s);
  if (s->p < s->end && *s->p == close) return true;
  return close == ']' || key(s);
}

/* Closes the innermost container; p is at its closing bracket. */
static bool close(struct scan *s, struct ump_json_value *v) {
  struct frame *f = &s->frames[--s->depth];
  unsigned n = s->n_keys - f->keys;
  if (n > FEW_KEYS) {
    const struct ump__json_key *doubled = ump__json_keys_doubled(&s->keys[f->keys], n);
    if (doubled) return refuse(s, doubled->p - 1, "a doubled key");
  }
  s->n_keys = f->keys;
  s->p++;
  v->type = f->close == '}' ? UMP_JSON_OBJECT : UMP_JSON_ARRAY;
  v->holds = f->holds | (v->type == UMP_JSON_ARRAY && !f->n_members ? UMP_JSON_EMPTY_ARRAYS : 0);
  v->n_members = f->n_members;
  v->escaped = false;
  v->raw = ump_bytes(f->start, (size_t)(s->p - f->start));
  return true;
}

static bool word(struct scan *s, struct ump_json_value *v, const char *name, enum ump_json_type type) {
  size_t n = strlen(name);
  if ((size_t)(s->end - s->p) < n || memcmp(s->p, name, n) != 0) return refuse(s, s->p, "an unknown word");
  *v = (struct ump_json_value){type, type == UMP_JSON_NULL ? UMP_JSON_NULLS : 0, 0, false, ump_bytes(s->p, n)};
  s->p += n;
  return true;
}

static bool string(struct scan *s, struct ump_json_value *v) {
  struct ump__json_string text;
  const uint8_t *next = ump__json_string(&text, s->p + 1, s->end, &s->fault);
  if (!next) return false;
  *v = (struct ump_json_value){UMP_JSON_STRING, text.nul ? UMP_JSON_NUL_BYTES : 0, 0, text.escaped,
                               ump_bytes(s->p, (size_t)(next - s->p))};
  s->p = next;
  return true;
}

static bool number(struct scan *s, struct ump_json_value *v) {
  unsigned holds;
  const uint8_t *next = ump__json_number(s->p, s->end, &holds, &s->fault);
  if (!next) return false;
  *v = (struct ump_json_value){UMP_JSON_NUMBER, holds, 0, false, ump_bytes(s->p, (size_t)(next - s->p))};
  s->p = next;
  return true;
}

static bool scalar(struct scan *s, struct ump_json_value *v) {
  switch (*s->p) {
  case '"': return string(s, v);
  case 't': return word(s, v, "true", UMP_JSON_TRUE);
  case 'f': return word(s, v, "false", UMP_JSON_FALSE);
  case 'n': return word(s, v, "null", UMP_JSON_NULL);
  case 'N':
  case 'I': return refuse(s, s->p, "NaN and Infinity are not JSON");
  case 0xEF: return refuse(s, s->p, "a byte order mark, or no value");
  default: break;
  }
  if (*s->p == '-' || (*s->p >= '0' && *s->p <= '9')) return number(s, v);
  return refuse(s, s->p, "no value where one must be");
}

/* A value is complete: its container, or the slot that waits for it, notes it. */
static inline void note_value(struct scan *s, const struct ump_json_value *v) {
  struct frame *f = &s->frames[s->depth - 1];
  f->n_members++;
  f->holds |= v->holds;
  if (s->depth > 1 || !s->wanted) return;
  s->wanted->value = *v;
  s->wanted = NULL;
}

/* Behind a value: passes over a comma and the key behind it (1: p is at the next value), or says that a bracket closes the
 * container here (0). */
static int comma(struct scan *s) {
  uint8_t close = s->frames[s->depth - 1].close;
  skip_space(s);
  if (s->p == s->end) return refuse(s, s->p, "the text ends inside a container"), -1;
  if (*s->p == close) return 0;
  if (*s->p != ',') return refuse(s, s->p, "no comma between two values"), -1;
  s->p++;
  skip_space(s);
  return close == ']' || key(s) ? 1 : -1;
}

/* One whole value from p on, with all that is inside. */
static bool value(struct scan *s, struct ump_json_value *v) {
  for (;;) {
    if (s->p == s->end) return refuse(s, s->p, "the text ends where a value must be");
    if (s->nodes++ == UMP_JSON_NODES) return refuse(s, s->p, "more than 4096 values");
    if (*s->p == '{' || *s->p == '[') {
      uint8_t bracket = *s->p == '{' ? '}' : ']';
      if (!open(s, bracket)) return false;
      if (s->p == s->end || *s->p != bracket || s->n_keys > s->frames[s->depth - 1].keys) continue;
      if (!close(s, v)) return false;
    } else if (!scalar(s, v)) {
      return false;
    }
    for (int more = 0; more == 0;) {
      if (s->depth == 0) return true;
      note_value(s, v);
      more = comma(s);
      if (more < 0 || (more == 0 && !close(s, v))) return false;
    }
  }
}

static int whole_text(struct scan *s, struct ump_bytes text, struct ump_json_value *top, struct ump_json_error *error) {
  bool sound = text.n <= INT32_MAX ? value(s, top) : refuse(s, text.p, "longer than 2 GiB");
  if (sound) skip_space(s);
  if (sound && s->p < s->end) sound = refuse(s, s->p, "text behind the value");
  if (error && !sound) *error = (struct ump_json_error){s->fault.why, (size_t)(s->fault.at - text.p)};
  return sound ? 0 : UMP_EMALFORMED;
}

int ump_json_check(struct ump_bytes text, struct ump_json_value *top, struct ump_json_error *error) {
  struct scan s;
  start(&s, text);
  skip_space(&s);
  return whole_text(&s, text, top, error);
}

int ump_json_members(struct ump_bytes text, struct ump_json_slot *slots, size_t n_slots, struct ump_json_error *error) {
  struct scan s;
  struct ump_json_value top;
  start(&s, text);
  s.slots = slots;
  s.n_slots = n_slots;
  for (size_t i = 0; i < n_slots; i++) slots[i].value = (struct ump_json_value){0};
  skip_space(&s);
  if (s.p < s.end && *s.p != '{') {
    if (error) *error = (struct ump_json_error){"no object", (size_t)(s.p - text.p)};
    return UMP_EMALFORMED;
  }
  return whole_text(&s, text, &top, error);
}

int ump_json_next(const struct ump_json_value *container, struct ump_json_iter *it, struct ump_json_value *key,
                  struct ump_json_value *v) {
  struct scan s;
  start(&s, container->raw);
  s.p += it->at ? it->at : 1;
  skip_space(&s);
  if (*s.p == ',') s.p++, skip_space(&s);
  if (*s.p == '}' || *s.p == ']') return 0;
  *key = (struct ump_json_value){0};
  if (container->type == UMP_JSON_OBJECT) {
    string(&s, key);
    skip_space(&s);
    s.p++; /* the colon */
    skip_space(&s);
  }
  bool sound = value(&s, v);
  assert(sound);
  (void)sound;
  it->at = (size_t)(s.p - container->raw.p);
  return 1;
}

void ump_json_only_member(const struct ump_json_value *object, struct ump_json_value *key, struct ump_json_value *v) {
  struct ump_json_iter it = {0};
  assert(object->type == UMP_JSON_OBJECT && object->n_members == 1);
  ump_json_next(object, &it, key, v);
}
