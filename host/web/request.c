#include "web/request.h"

#include <strings.h>

#include "web/web.h"

/* ---- header lines ---- */

static enum ump__web_field field_of(const char *name, size_t n) {
  static const char *const names[UMP__WEB_FIELDS] = {"host",     "if-none-match", "if-modified-since",
                                                     "if-range", "range",         "transfer-encoding"};
  for (int i = 0; i < UMP__WEB_FIELDS; i++)
    if (strlen(names[i]) == n && strncasecmp(names[i], name, n) == 0) return (enum ump__web_field)i;
  return UMP__WEB_FIELDS;
}

static void keep(struct ump__web_value *v, const char *p, size_t n) {
  for (size_t i = 0; i < n; i++, v->n++)
    if (v->n < UMP__WEB_VALUE) v->text[v->n] = p[i];
}

/* Ends the callback with an error, so that http-parser reads no further. */
static int refuse(struct ump__web_request *r, unsigned status) {
  r->refused = status;
  return 1;
}

static int on_url(http_parser *p, const char *at, size_t n) {
  struct ump__web_request *r = p->data;
  if (n > UMP__WEB_URL - r->n_url) return refuse(r, 414);
  for (size_t i = 0; i < n; i++) /* http-parser as distributions build it takes more than RFC 3986 does */
    if ((unsigned char)at[i] <= ' ' || (unsigned char)at[i] >= 0x7f) return refuse(r, 400);
  memcpy(r->url + r->n_url, at, n);
  r->n_url += n;
  return 0;
}

static int on_name(http_parser *p, const char *at, size_t n) {
  struct ump__web_request *r = p->data;
  if (r->in_value || r->lines == 0) { /* the first piece of a name */
    if (++r->lines > UMP__WEB_LINES) return refuse(r, 431);
    r->in_value = false;
    r->n_name = 0;
  }
  for (size_t i = 0; i < n; i++) {
    if (at[i] == ' ') return refuse(r, 400); /* RFC 9112, 5.1; http-parser as distributions build it lets it pass */
    if (r->n_name < UMP__WEB_NAME) r->name[r->n_name++] = at[i]; /* one as long as this is none of ours */
  }
  return 0;
}

static int on_value(http_parser *p, const char *at, size_t n) {
  struct ump__web_request *r = p->data;
  if (!r->in_value) {
    r->in_value = true;
    r->field = field_of(r->name, r->n_name);
    if (r->field < UMP__WEB_FIELDS && r->fields[r->field].times++ > 0) keep(&r->fields[r->field], ", ", 2);
  }
  if (r->field < UMP__WEB_FIELDS) keep(&r->fields[r->field], at, n);
  return 0;
}

/* ---- the whole of it ---- */

static void end_values(struct ump__web_request *r) {
  for (int i = 0; i < UMP__WEB_FIELDS; i++) {
    struct ump__web_value *v = &r->fields[i];
    if (v->n > UMP__WEB_VALUE) continue;
    while (v->n > 0 && (v->text[v->n - 1] == ' ' || v->text[v->n - 1] == '\t')) v->n--;
    v->text[v->n] = 0;
  }
}

/* "/a?b" and "http://host/a?b" (RFC 9112, 3.2.2: to be understood by every server) are both "/a". */
static bool find_path(struct ump__web_request *r) {
  struct http_parser_url u;
  http_parser_url_init(&u);
  if (http_parser_parse_url(r->url, r->n_url, 0, &u) != 0) return false;
  r->path = "/";
  if (u.field_set & 1u << UF_PATH) {
    r->url[u.field_data[UF_PATH].off + u.field_data[UF_PATH].len] = 0;
    r->path = r->url + u.field_data[UF_PATH].off;
  }
  return true;
}

static unsigned judge(struct ump__web_request *r) {
  const http_parser *p = &r->parser;
  bool body = r->fields[UMP__WEB_TRANSFER_ENCODING].times || (p->flags & F_CHUNKED) ||
              (p->content_length != 0 && p->content_length != UINT64_MAX);
  if (p->http_major != 1) return 505;
  if (p->method != HTTP_GET && p->method != HTTP_HEAD) return 405;
  if (body) return 413;
  unsigned hosts = r->fields[UMP__WEB_HOST].times;
  if (hosts > 1 || (hosts == 0 && p->http_minor > 0)) return 400; /* RFC 9112, 3.2 */
  return find_path(r) ? 0 : 400;
}

static int on_complete(http_parser *p) {
  struct ump__web_request *r = p->data;
  end_values(r);
  r->head = p->method == HTTP_HEAD;
  r->refused = judge(r);
  r->keep = !r->refused && p->http_minor > 0 && http_should_keep_alive(p);
  r->done = true;
  return 2; /* nothing that follows is this request's: http-parser returns right behind the head */
}

void ump__web_request_init(struct ump__web_request *r) {
  memset(r, 0, sizeof *r);
  http_parser_init(&r->parser, HTTP_REQUEST);
  r->parser.data = r;
}

static unsigned status_of(enum http_errno e) {
  return e == HPE_INVALID_METHOD ? 501 : e == HPE_INVALID_VERSION ? 505 : e == HPE_HEADER_OVERFLOW ? 431 : 400;
}

bool ump__web_request_feed(struct ump__web_request *r, struct ump_bytes *in) {
  static const http_parser_settings settings = {
      .on_url = on_url, .on_header_field = on_name, .on_header_value = on_value, .on_headers_complete = on_complete};
  size_t room = UMP_WEB_HEAD - r->n_bytes, n = in->n < room ? in->n : room;
  if (r->done || in->n == 0) return r->done; /* no bytes mean the end of all to http-parser */
  size_t taken = http_parser_execute(&r->parser, &settings, (const char *)in->p, n);
  enum http_errno e = HTTP_PARSER_ERRNO(&r->parser);
  r->n_bytes += taken;
  *in = ump_bytes(in->p + taken, in->n - taken);
  if (r->done) return true;
  if (e != HPE_OK && !r->refused) r->refused = status_of(e);
  if (e == HPE_OK && r->n_bytes == UMP_WEB_HEAD) r->refused = 431;
  return r->done = r->refused != 0;
}

const char *ump__web_request_value(const struct ump__web_request *r, enum ump__web_field field) {
  const struct ump__web_value *v = &r->fields[field];
  return v->times && v->n <= UMP__WEB_VALUE ? v->text : NULL;
}
