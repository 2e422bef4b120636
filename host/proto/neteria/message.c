/* A datagram as values, and values as a datagram: wire sections 3 and 7.
 *
 * Reading looks at the envelope only; event_data stays text. What is not sound is dropped as a whole, before anything
 * changed, with one exception: an EVENT whose event_data alone is what Python writes and we refuse (NaN, a lone
 * surrogate, too deep) goes on as malformed, so that its client rolls back instead of waiting. */
#include "proto/neteria/internal.h"

void ump__nt_drop(struct ump_neteria *n, enum nt_count cause, const struct ump_addr *from, const char *text) {
  nt_count(n, cause);
  ump_log_text(n->log, UMP_INFO, ump__nt_count_names[cause], from, text);
}

/* ---- reading ---- */

struct ump_bytes ump__nt_string(struct ump_neteria *n, const struct ump_json_value *v) {
  if (!v->escaped) return ump_json_string(v, NULL, 0);
  uint8_t *buf = n->decoded + n->decoded_n; /* all strings of a text together are never longer than it is */
  struct ump_bytes s = ump_json_string(v, buf, n->text_max - n->decoded_n);
  n->decoded_n += s.n;
  return s;
}

/* JSON allows no raw control characters in strings but DEL; the others can only come of escapes. */
static bool control_free(struct ump_bytes s, bool escaped) {
  for (size_t i = 0; escaped && i < s.n; i++) {
    if (s.p[i] < 0x20) return false;
  }
  return !memchr(s.p, 0x7f, s.n);
}

/* A cuuid or euuid: a string of 1 to 64 bytes without control characters. */
static bool read_id(struct ump_neteria *n, const struct ump_json_value *v, struct ump_bytes *out) {
  if (v->type != UMP_JSON_STRING) return false;
  *out = ump__nt_string(n, v);
  return out->n >= 1 && out->n <= NT_ID && control_free(*out, v->escaped);
}

static bool read_priority(struct ump_neteria *n, const struct ump_json_value *v, bool *high) {
  *high = false;
  if (v->type == UMP_JSON_NONE) return true;
  if (v->type != UMP_JSON_STRING) return false;
  struct ump_bytes s = ump__nt_string(n, v);
  *high = ump_bytes_equal(s, ump_text("high"));
  return *high || ump_bytes_equal(s, ump_text("normal"));
}

static const struct nt_method *read_method(struct ump_neteria *n, const struct ump_json_value *v) {
  if (v->type != UMP_JSON_STRING) return NULL;
  struct ump_bytes s = ump__nt_string(n, v);
  for (const struct nt_method *m = ump__nt_methods; m->name; m++) {
    if (s.n == m->n && memcmp(s.p, m->name, s.n) == 0) return m;
  }
  return NULL;
}

enum slot { METHOD, CUUID, EUUID, DATA, PRIORITY, VERSION, ENCRYPTION, N_SLOTS };

#define KEY(literal)                                                                                                   \
  {                                                                                                                    \
    .key = {(const uint8_t *)literal, sizeof literal - 1 }                                                             \
  }
static const struct ump_json_slot keys[N_SLOTS] = {
    [METHOD] = KEY("method"),        [CUUID] = KEY("cuuid"),       [EUUID] = KEY("euuid"),
    [DATA] = KEY("event_data"),      [PRIORITY] = KEY("priority"), [VERSION] = KEY("version"),
    [ENCRYPTION] = KEY("encryption")};

/* The bytes of the value of the top-level key "event_data" in a text that JSON refuses: found by brackets and strings
 * alone. 0: there is no such key, or the text ends before the value does. */
static int find_data(const uint8_t *p, size_t n, size_t *from, size_t *to) {
  static const char key[] = "\"event_data\"";
  size_t depth = 0, start = 0, string = 0;
  for (size_t i = 0; i < n; i++) {
    if (p[i] == '"') {
      string = i;
      for (i++; i < n && p[i] != '"'; i++) i += p[i] == '\\';
    } else if (p[i] == '{' || p[i] == '[') {
      depth++;
    } else if (start && depth == 1 && (p[i] == ',' || p[i] == '}')) {
      *from = start, *to = i;
      return *from < *to;
    } else if (p[i] == '}' || p[i] == ']') {
      depth -= depth > 0;
    } else if (p[i] == ':' && depth == 1 && !start && n - string > sizeof key &&
               !memcmp(p + string, key, sizeof key - 1)) {
      start = i + 1;
    }
  }
  return 0;
}

/* True when event_data is all that is wrong, and it is what other decoders go on with rather than no JSON at all: in a
 * copy, the value is painted over and the envelope read again, as strictly as ever. */
static bool only_data_is_bad(struct ump_neteria *n, struct ump_bytes text, struct ump_json_slot *slots,
                             const struct ump_json_error *error) {
  size_t from, to;
  if (!error->beyond || !find_data(text.p, text.n, &from, &to) || error->offset < from || error->offset > to)
    return false;
  if (!ump_utf8_valid(ump_bytes(text.p + from, to - from))) return false;
  if (text.p != n->text) memcpy(n->text, text.p, text.n);
  memset(n->text + from, ' ', to - from);
  n->text[from] = '0';
  memcpy(slots, keys, sizeof keys);
  return ump_json_members(ump_bytes(n->text, text.n), slots, N_SLOTS, NULL) == 0;
}

static bool drop(struct ump_neteria *n, const struct nt_request *r, enum nt_count cause, const char *text) {
  ump__nt_drop(n, cause, r->from, text);
  return false;
}

static bool read_json(struct ump_neteria *n, struct nt_request *r, struct ump_bytes text, struct ump_json_slot *slots) {
  struct ump_json_error error = {NULL, 0, false};
  memcpy(slots, keys, sizeof keys);
  if (ump_json_members(text, slots, N_SLOTS, &error) == 0) return true;
  if (only_data_is_bad(n, text, slots, &error)) return r->malformed = true;
  return drop(n, r, error.beyond ? NT_bad_value : NT_bad_json, error.why ? error.why : "no JSON object");
}

bool ump__nt_parse(struct ump_neteria *n, struct nt_request *r, struct ump_bytes text) {
  n->decoded_n = 0;
  return ump__nt_read_layout(r, text) || ump__nt_read_any(n, r, text);
}

bool ump__nt_read_any(struct ump_neteria *n, struct nt_request *r, struct ump_bytes text) {
  struct ump_json_slot slots[N_SLOTS];
  if (!read_json(n, r, text, slots)) return false;
  r->method = read_method(n, &slots[METHOD].value);
  if (!r->method) return drop(n, r, NT_bad_method, "method is missing, unknown, or one of the server's own");
  unsigned needs = r->method->needs;
  if (r->malformed && !(needs & NT_NEEDS_DATA)) return drop(n, r, NT_bad_value, "a value is out of bounds");
  if (needs & NT_NEEDS_CUUID && !read_id(n, &slots[CUUID].value, &r->cuuid))
    return drop(n, r, NT_bad_cuuid, "cuuid must be a string of 1 to 64 bytes without control characters");
  if (needs & NT_NEEDS_EUUID && !read_id(n, &slots[EUUID].value, &r->euuid))
    return drop(n, r, NT_bad_euuid, "euuid must be a string of 1 to 64 bytes without control characters");
  if (needs & NT_NEEDS_DATA) {
    if (slots[DATA].value.type == UMP_JSON_NONE) return drop(n, r, NT_no_event_data, "event_data is missing");
    if (!read_priority(n, &slots[PRIORITY].value, &r->high))
      return drop(n, r, NT_bad_priority, "priority must be \"normal\" or \"high\"");
  }
  r->data = slots[DATA].value, r->version = slots[VERSION].value, r->encryption = slots[ENCRYPTION].value;
  return true;
}

/* ---- writing: with Python's separators, as the original does ---- */

#define WRITE(w, literal) ump_write_bytes((w), (struct ump_bytes){(const uint8_t *)(literal), sizeof(literal) - 1})

/* The first n bytes, and not half a character. */
static struct ump_bytes cut(struct ump_bytes s, size_t n) {
  if (s.n <= n) return s;
  while (n && (s.p[n] & 0xc0) == 0x80) n--;
  return ump_bytes(s.p, n);
}

static struct ump_bytes reason_of(const struct nt_out *o) {
  if (o->text) return ump_text(o->text);
  return o->blob ? cut(ump_bytes(o->blob->p, o->blob->n), NT_REASON) : ump_bytes(NULL, 0);
}

static void write_reason(struct ump_writer *w, struct ump_bytes reason) {
  if (!reason.n) return;
  WRITE(w, ", \"reason\": ");
  ump_json_write_string(w, reason);
}

static void write_uuid(struct ump_writer *w, const struct ump_uuid *u) {
  char text[UMP_UUID_TEXT];
  ump_uuid_print(u, text);
  ump_write_bytes(w, ump_bytes(text, sizeof text));
}

static void write_verdict(const struct nt_out *o, struct ump_writer *w) {
  if (o->legal) {
    WRITE(w, "{\"method\": \"LEGAL\", \"euuid\": ");
  } else {
    WRITE(w, "{\"method\": \"ILLEGAL\", \"euuid\": ");
  }
  ump_json_write_string(w, ump_bytes(o->id, o->id_n));
  if (o->high) {
    WRITE(w, ", \"priority\": \"high\"");
  } else {
    WRITE(w, ", \"priority\": \"normal\"");
  }
  if (!o->legal) write_reason(w, reason_of(o));
  WRITE(w, "}");
}

static void write_probe(struct ump_bytes id, struct ump_writer *w) {
  if (id.n < UMP_UUID_TEXT) {
    WRITE(w, "{\"method\":\"LEGAL\",\"euuid\":\"");
    ump_write_bytes(w, id);
    WRITE(w, "\",\"priority\":0}");
  } else {
    WRITE(w, "{\"method\": \"LEGAL\", \"euuid\": \"");
    ump_write_bytes(w, id);
    WRITE(w, "\", \"priority\": \"normal\"}");
  }
}

static const char notify_head[] = "{\"method\": \"NOTIFY\", \"event_data\": ", notify_middle[] = ", \"euuid\": \"";
#define NOTIFY_TAIL (UMP_UUID_TEXT + 2)

static void write_ohai(const struct nt_out *o, struct ump_bytes name, struct ump_writer *w) {
  WRITE(w, "{\"method\": \"OHAI Client\", \"version\": \"" NT_VERSION "\", \"server_name\": ");
  if (o->text) {
    ump_json_write_string(w, name);
  } else {
    WRITE(w, "null");
  }
  WRITE(w, "}");
}

/* extra: what may be left out or cut when room is short: a reason, our name. */
static void write_message(const struct nt_out *o, struct ump_bytes extra, struct ump_writer *w) {
  switch ((enum nt_kind)o->kind) {
  case NT_VERDICT:
  case NT_COPY:
    write_verdict(o, w);
    break;
  case NT_NOTIFY:
    ump_write_bytes(w, ump_bytes(o->blob->p, o->blob->n));
    write_uuid(w, &o->uuid);
    WRITE(w, "\"}");
    break;
  case NT_PROBING:
    write_probe(ump_bytes(o->id, o->id_n), w);
    break;
  case NT_OK_REGISTER:
    WRITE(w, "{\"method\": \"OK REGISTER\"}");
    break;
  case NT_BYE_REGISTER:
    WRITE(w, "{\"method\": \"BYE REGISTER\"");
    write_reason(w, extra);
    WRITE(w, "}");
    break;
  case NT_BYE_EVENT:
    WRITE(w, "{\"method\": \"BYE EVENT\", \"data\": \"Not registered\"}");
    break;
  case NT_OHAI_CLIENT:
    write_ohai(o, extra, w);
    break;
  }
}

/* One try. 0, or by how many bytes it was too long; nothing is written then. */
static size_t try_message(struct ump_neteria *n, const struct nt_out *o, struct ump_bytes extra, struct ump_writer *w) {
  size_t start = w->n;
  if (o->deflated) {
    struct ump_writer plain = ump_writer(n->scratch, sizeof n->scratch);
    write_message(o, extra, &plain);
    if (plain.full || ump__nt_deflate(n->deflate, ump_written(&plain), w)) w->full = true;
  } else {
    write_message(o, extra, w);
  }
  size_t bytes = w->n - start, over = o->limit && bytes > o->limit ? bytes - o->limit : w->full;
  if (over) w->n = start, w->full = false;
  return over;
}

int ump__nt_compose(struct ump_neteria *n, const struct nt_out *o, struct ump_writer *w) {
  struct ump_bytes extra = ump_bytes(NULL, 0);
  if (o->kind == NT_BYE_REGISTER) extra = reason_of(o);
  if (o->kind == NT_OHAI_CLIENT && o->text) extra = n->server_name;
  for (;;) {
    size_t over = try_message(n, o, extra, w);
    if (!over) return 0;
    if (!extra.n) return UMP_ETOOBIG;
    extra = o->kind == NT_OHAI_CLIENT ? cut(extra, over < extra.n ? extra.n - over : 0) : ump_bytes(NULL, 0);
  }
}

/* Among the clients may be one that is answered in compressed text, whose base64 adds a third to what does not
 * compress. */
static bool fits_compressed(struct ump_neteria *n, struct ump_bytes head) {
  return !n->deflate || ump__nt_deflates_into(n->deflate, head, NT_TEXT - 2 * NOTIFY_TAIL);
}

/* The first part of a NOTIFY, which all clients share: all but the euuid. */
int ump__nt_pack(struct ump_neteria *n, const struct ump_notice *notice, struct ump_blob **out) {
  struct ump_writer w = ump_writer(n->scratch, sizeof n->scratch - NOTIFY_TAIL);
  ump_write_text(&w, notify_head);
  if (notice->has_name && notice->has_data) WRITE(&w, "{");
  if (notice->has_name) ump_json_write_string(&w, notice->name);
  if (notice->has_name && notice->has_data) WRITE(&w, ": ");
  if (notice->has_data) ump_write_bytes(&w, notice->data);
  if (notice->has_name && notice->has_data) WRITE(&w, "}");
  if (!notice->has_name && !notice->has_data) WRITE(&w, "null");
  ump_write_text(&w, notify_middle);
  if (w.full || !fits_compressed(n, ump_written(&w))) return UMP_ETOOBIG;
  *out = ump_blob_new(n->mem, w.n);
  if (!*out) return UMP_ENOMEM;
  memcpy((*out)->p, w.p, w.n);
  return 0;
}
