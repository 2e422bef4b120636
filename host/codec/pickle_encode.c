/* Replies as pickles of protocol 2 without memo (wire/pymmorpg, "The encoder"): the newest that Python 2 reads. */
#include "codec/pickle.h"

#include "base/plain.h"

enum { BATCH = 1000 }; /* items between a MARK and its APPENDS, as real picklers cut them */

void ump_pickle_begin(struct ump_writer *w) {
  ump_write_bytes(w, ump_bytes("\x80\x02", 2));
}
void ump_pickle_end(struct ump_writer *w) {
  ump_write_u8(w, '.');
}
void ump_pickle_put(struct ump_writer *w, uint8_t opcode) {
  ump_write_u8(w, opcode);
}

void ump_pickle_put_int(struct ump_writer *w, int64_t v) {
  if (v >= 0 && v <= 0xff) {
    ump_write_u8(w, 'K'), ump_write_u8(w, (uint8_t)v);
  } else if (v >= 0 && v <= 0xffff) {
    ump_write_u8(w, 'M'), ump_write_u16le(w, (uint16_t)v);
  } else if (v >= INT32_MIN && v <= INT32_MAX) {
    ump_write_u8(w, 'J'), ump_write_u32le(w, (uint32_t)v);
  } else { /* LONG1: the shortest two's complement */
    uint64_t u = (uint64_t)v;
    uint8_t n = 5;
    while (n < 8 && (v >> (8 * n - 1)) != (v < 0 ? -1 : 0)) n++;
    ump_write_u8(w, 0x8a), ump_write_u8(w, n);
    for (uint8_t i = 0; i < n; i++) ump_write_u8(w, (uint8_t)(u >> (8 * i)));
  }
}

void ump_pickle_put_float(struct ump_writer *w, double v) {
  uint64_t bits;
  memcpy(&bits, &v, sizeof bits);
  ump_write_u8(w, 'G'), ump_write_u64be(w, bits);
}

static void put_unicode(struct ump_writer *w, struct ump_bytes s) {
  ump_write_u8(w, 'X'), ump_write_u32le(w, (uint32_t)s.n), ump_write_bytes(w, s);
}

/* Bytes as both Pythons read them with a plain loads(): _codecs.encode(text, "latin1"), each byte a character. */
void ump_pickle_put_bytes(struct ump_writer *w, struct ump_bytes s) {
  size_t n = s.n;
  for (size_t i = 0; i < s.n; i++) n += s.p[i] >> 7;
  ump_write_text(w, "c_codecs\nencode\n");
  ump_write_u8(w, 'X'), ump_write_u32le(w, (uint32_t)n);
  for (size_t i = 0; i < s.n && !w->full; i++) {
    if (s.p[i] >= 0x80)
      ump_write_u8(w, (uint8_t)(0xc0 | s.p[i] >> 6)), ump_write_u8(w, (uint8_t)(0x80 | (s.p[i] & 0x3f)));
    else
      ump_write_u8(w, s.p[i]);
  }
  put_unicode(w, ump_text("latin1"));
  ump_write_u8(w, 0x86), ump_write_u8(w, 'R');
}

void ump_pickle_put_text(struct ump_writer *w, struct ump_bytes s) {
  bool ascii = true;
  for (size_t i = 0; i < s.n && ascii; i++) ascii = s.p[i] < 0x80;
  if (!ascii) {
    if (ump_utf8_valid(s))
      put_unicode(w, s);
    else
      ump_pickle_put_bytes(w, s);
  } else if (s.n <= 255) {
    ump_write_u8(w, 'U'), ump_write_u8(w, (uint8_t)s.n), ump_write_bytes(w, s);
  } else {
    ump_write_u8(w, 'T'), ump_write_u32le(w, (uint32_t)s.n), ump_write_bytes(w, s);
  }
}

/* ---- plain data ---- */

/* An open container: what is left of it, and how it is closed. */
struct level {
  uint32_t left;     /* values still to come */
  uint32_t in_batch; /* since the last MARK */
  char appends;      /* 'e' APPENDS, 'u' SETITEMS, 't' TUPLE, or the TUPLE1..3 opcode; 0: nothing closes it */
};

static void put_scalar(struct ump_writer *w, const struct ump_plain *v) {
  switch (v->tag) {
  case UMP_PLAIN_FALSE:
    ump_write_u8(w, 0x89);
    break;
  case UMP_PLAIN_TRUE:
    ump_write_u8(w, 0x88);
    break;
  case UMP_PLAIN_INT:
    ump_pickle_put_int(w, v->i);
    break;
  case UMP_PLAIN_FLOAT:
    ump_pickle_put_float(w, v->f);
    break;
  case UMP_PLAIN_STRING:
    ump_pickle_put_text(w, v->s);
    break;
  default:
    ump_write_u8(w, 'N');
    break;
  }
}

static struct level open_level(struct ump_writer *w, const struct ump_plain *v) {
  bool map = v->tag == UMP_PLAIN_MAP;
  if (v->tag == UMP_PLAIN_TUPLE) {
    if (v->count > 3) ump_write_u8(w, '(');
    return (struct level){v->count, 0, (char)(v->count == 0 ? ')' : v->count > 3 ? 't' : 0x84 + (int)v->count)};
  }
  ump_write_u8(w, map ? '}' : ']');
  if (v->count) ump_write_u8(w, '(');
  return (struct level){map ? v->count * 2 : v->count, 0, map ? 'u' : 'e'};
}

/* Closes a batch, and the container when it is complete. True: it is. */
static bool close_level(struct ump_writer *w, struct level *l) {
  bool tuple = l->appends != 'e' && l->appends != 'u';
  if (l->left == 0) {
    if (tuple || l->in_batch) ump_write_u8(w, (uint8_t)l->appends);
    return true;
  }
  if (!tuple && l->in_batch >= BATCH && l->in_batch % 2 == 0) {
    ump_write_u8(w, (uint8_t)l->appends), ump_write_u8(w, '(');
    l->in_batch = 0;
  }
  return false;
}

enum { LEVELS = 40 }; /* plain data is at most 32 deep (bindings), and mixed tables add none */

int ump_pickle_put_plain(struct ump_writer *w, struct ump_bytes plain) {
  struct ump_reader r = ump_reader(plain);
  struct level levels[LEVELS];
  size_t depth = 0;
  do {
    struct ump_plain v;
    if (!ump_plain_get(&r, &v)) return UMP_EMALFORMED;
    if (depth) levels[depth - 1].left--, levels[depth - 1].in_batch++;
    if (v.tag == UMP_PLAIN_MIXED) return UMP_ENOSUPPORT;
    if (v.tag == UMP_PLAIN_ARRAY || v.tag == UMP_PLAIN_MAP || v.tag == UMP_PLAIN_TUPLE) {
      if (depth == LEVELS) return UMP_ETOOBIG;
      levels[depth++] = open_level(w, &v);
    } else {
      put_scalar(w, &v);
    }
    while (depth && close_level(w, &levels[depth - 1])) depth--;
  } while (depth && !w->full);
  return w->full ? UMP_ETOOBIG : 0;
}

int ump_pickle_encode(struct ump_bytes plain, struct ump_writer *out) {
  ump_pickle_begin(out);
  int err = ump_pickle_put_plain(out, plain);
  ump_pickle_end(out);
  return err ? err : out->full ? UMP_ETOOBIG : 0;
}
