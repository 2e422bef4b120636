/* The HTTP request that makes a connection a WebSocket, and its answer (RFC 6455, 4.2). http-parser reads it; of the
 * header only what matters is kept, in places of a fixed size. */
#include <http_parser.h>
#include <nettle/base64.h>
#include <nettle/sha1.h>

#include "codec/websocket.h"

enum { NAME_MAX_BYTES = 24, VALUE_MAX = 256, KEY = 24 };

enum field { OTHER, UPGRADE, VERSION, WS_KEY, ORIGIN };

struct ump_ws_upgrade {
  const struct ump_mem *mem;
  http_parser parser;
  size_t n_bytes;
  unsigned lines;
  bool in_value, complete, broken;
  uint8_t n_name;
  size_t n_value; /* what came, also of what was not kept */
  char name[NAME_MAX_BYTES], value[VALUE_MAX];
  bool websocket, version13, has_version, has_key, has_origin;
  char key[KEY];
  size_t n_origin;
  char origin[VALUE_MAX];
};

/* ---- text without regard to case (ASCII) ---- */

static char lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool same(const char *a, size_t n, const char *b, size_t m) {
  if (n != m) return false;
  for (size_t i = 0; i < n; i++)
    if (lower(a[i]) != lower(b[i])) return false;
  return true;
}

/* Is the word one of a comma separated list? */
static bool listed(const char *list, size_t n, const char *word, size_t m) {
  for (size_t i = 0; i <= n; i++) {
    size_t start = i;
    while (i < n && list[i] != ',') i++;
    size_t end = i;
    while (start < end && (list[start] == ' ' || list[start] == '\t')) start++;
    while (end > start && (list[end - 1] == ' ' || list[end - 1] == '\t')) end--;
    if (same(list + start, end - start, word, m)) return true;
  }
  return false;
}

/* ---- header lines ---- */

static enum field field_of(const struct ump_ws_upgrade *u) {
  static const struct {
    const char *name;
    enum field field;
  } known[] = {
      {"upgrade", UPGRADE}, {"sec-websocket-version", VERSION}, {"sec-websocket-key", WS_KEY}, {"origin", ORIGIN}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (same(u->name, u->n_name, known[i].name, strlen(known[i].name))) return known[i].field;
  return OTHER;
}

static void take_key(struct ump_ws_upgrade *u) {
  struct base64_decode_ctx ctx;
  uint8_t raw[BASE64_DECODE_LENGTH(KEY)];
  size_t n = sizeof raw;
  base64_decode_init(&ctx);
  bool sound =
      u->n_value == KEY && base64_decode_update(&ctx, &n, raw, KEY, u->value) && base64_decode_final(&ctx) && n == 16;
  if (!sound || u->has_key) u->broken = true; /* RFC 6455, 11.3.1: once */
  u->has_key = true;
  memcpy(u->key, u->value, KEY);
}

static void end_line(struct ump_ws_upgrade *u) {
  enum field f = u->in_value ? field_of(u) : OTHER;
  if (f != OTHER && u->n_value > VALUE_MAX)
    u->broken = true;
  else if (f == UPGRADE)
    u->websocket |= listed(u->value, u->n_value, "websocket", 9);
  else if (f == VERSION) {
    if (u->has_version) u->broken = true;
    u->has_version = true;
    u->version13 = same(u->value, u->n_value, "13", 2);
  } else if (f == WS_KEY)
    take_key(u);
  else if (f == ORIGIN) {
    if (u->has_origin) u->broken = true;
    u->has_origin = true;
    memcpy(u->origin, u->value, u->n_origin = u->n_value);
  }
  u->in_value = false;
  u->n_name = 0, u->n_value = 0;
}

static int on_name(http_parser *p, const char *at, size_t n) {
  struct ump_ws_upgrade *u = p->data;
  if (u->in_value) end_line(u);
  if (u->n_name == 0 && ++u->lines > UMP_WS_LINES_MAX) return 1;
  for (size_t i = 0; i < n; i++)
    if (u->n_name < NAME_MAX_BYTES) u->name[u->n_name++] = at[i]; /* one as long as this is none of ours */
  return 0;
}

static int on_value(http_parser *p, const char *at, size_t n) {
  struct ump_ws_upgrade *u = p->data;
  u->in_value = true;
  for (size_t i = 0; i < n; i++, u->n_value++)
    if (u->n_value < VALUE_MAX) u->value[u->n_value] = at[i];
  return 0;
}

static int on_complete(http_parser *p) {
  struct ump_ws_upgrade *u = p->data;
  end_line(u);
  u->complete = true;
  if (p->content_length != UINT64_MAX && p->content_length != 0) u->broken = true; /* a request with a body */
  if (p->flags & F_CHUNKED) u->broken = true;
  return 2; /* what follows is not HTTP */
}

/* ---- life ---- */

struct ump_ws_upgrade *ump_ws_upgrade_new(const struct ump_mem *mem) {
  struct ump_ws_upgrade *u = ump_zalloc(mem, sizeof *u);
  if (!u) return NULL;
  u->mem = mem;
  http_parser_init(&u->parser, HTTP_REQUEST);
  u->parser.data = u;
  return u;
}

void ump_ws_upgrade_free(struct ump_ws_upgrade *u) {
  if (u) ump_free(u->mem, u, sizeof *u);
}

int ump_ws_upgrade_feed(struct ump_ws_upgrade *u, struct ump_bytes *in) {
  static const http_parser_settings settings = {
      .on_header_field = on_name, .on_header_value = on_value, .on_headers_complete = on_complete};
  size_t room = UMP_WS_HEAD_MAX - u->n_bytes, n = in->n < room ? in->n : room;
  if (in->n == 0) return u->broken ? UMP_EMALFORMED : UMP_EAGAIN; /* no bytes mean the end of all to http-parser */
  if (n == 0) return u->broken = true, *in = ump_bytes(NULL, 0), UMP_EMALFORMED;
  size_t taken = http_parser_execute(&u->parser, &settings, (const char *)in->p, n);
  u->n_bytes += taken;
  if (u->complete && !u->broken) {
    *in = ump_bytes(in->p + taken, in->n - taken);
    return 0;
  }
  bool bad = u->broken || HTTP_PARSER_ERRNO(&u->parser) != HPE_OK || in->n > room;
  *in = ump_bytes(NULL, 0);
  if (bad) u->broken = true;
  return bad ? UMP_EMALFORMED : UMP_EAGAIN;
}

/* ---- the answer ---- */

static int refuse(struct ump_writer *out, int status, const char *line, const char *more) {
  ump_write_text(out, "HTTP/1.1 ");
  ump_write_text(out, line);
  ump_write_text(out, "\r\n");
  ump_write_text(out, more);
  ump_write_text(out, "Connection: close\r\nContent-Length: 0\r\n\r\n");
  return status;
}

static bool is_welcome(const struct ump_ws_upgrade *u, struct ump_bytes origins) {
  if (origins.n == 0 || ump_bytes_equal(origins, ump_text("*"))) return true;
  return u->has_origin && u->n_origin && listed((const char *)origins.p, origins.n, u->origin, u->n_origin);
}

static void write_accept(const struct ump_ws_upgrade *u, struct ump_writer *out) {
  static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455, 1.3 */
  struct sha1_ctx sha;
  uint8_t digest[SHA1_DIGEST_SIZE];
  char text[BASE64_ENCODE_RAW_LENGTH(SHA1_DIGEST_SIZE)];
  sha1_init(&sha);
  sha1_update(&sha, KEY, (const uint8_t *)u->key);
  sha1_update(&sha, sizeof magic - 1, (const uint8_t *)magic);
  sha1_digest(&sha, sizeof digest, digest);
  base64_encode_raw(text, sizeof digest, digest);
  ump_write_bytes(out, ump_bytes(text, sizeof text));
}

int ump_ws_upgrade_answer(const struct ump_ws_upgrade *u, struct ump_bytes origins, struct ump_writer *out) {
  const http_parser *p = &u->parser;
  bool asks = u->complete && !u->broken && p->method == HTTP_GET && p->http_major == 1 && p->http_minor >= 1 &&
              u->websocket && (p->flags & F_CONNECTION_UPGRADE);
  if (asks && !u->version13) return refuse(out, 426, "426 Upgrade Required", "Sec-WebSocket-Version: 13\r\n");
  if (!asks || !u->has_key) return refuse(out, 400, "400 Bad Request", "");
  if (!is_welcome(u, origins)) return refuse(out, 403, "403 Forbidden", "");
  ump_write_text(
      out, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ");
  write_accept(u, out);
  ump_write_text(out, "\r\n\r\n");
  return 101;
}
