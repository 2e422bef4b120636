#include "web/answer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "web/files.h"

/* ---- what is served ---- */

/* What every answer says: nothing is guessed from contents, pages stay out of other sites' frames and run only the
 * scripts that lie beside them, and a copy is asked about before it is used again, so that who saves a file sees it. */
static char *make_common(const char *connect) {
  static const char format[] =
      "X-Content-Type-Options: nosniff\r\n"
      "Content-Security-Policy: default-src 'self'; connect-src 'self'%s%s; img-src 'self' data:; object-src 'none'; "
      "base-uri 'none'; form-action 'self'; frame-ancestors 'none'\r\n"
      "Referrer-Policy: no-referrer\r\n"
      "Cross-Origin-Resource-Policy: same-origin\r\n"
      "Cross-Origin-Opener-Policy: same-origin\r\n"
      "Cache-Control: no-cache\r\n\r\n";
  size_t n = sizeof format + strlen(connect) + 1;
  char *common = malloc(n);
  if (common) snprintf(common, n, format, *connect ? " " : "", connect);
  return common;
}

int ump__web_site_init(struct ump__web_site *s, const struct ump_web_cfg *cfg) {
  int err = pthread_mutex_init(&s->lock, NULL);
  if (err != 0) return -err;
  s->about = strdup(cfg->about);
  s->common = make_common(cfg->connect);
  if (cfg->library && !(s->library = strdup(cfg->library))) return -ENOMEM;
  return s->about && s->common && ump__web_site_set(s, cfg->root, cfg->folder) ? 0 : -ENOMEM;
}

void ump__web_site_deinit(struct ump__web_site *s) {
  pthread_mutex_destroy(&s->lock);
  free(s->root);
  free(s->folder);
  free(s->library);
  free(s->about);
  free(s->common);
}

bool ump__web_site_set(struct ump__web_site *s, const char *root, const char *folder) {
  char *new_root = strdup(root), *new_folder = strdup(folder);
  if (!new_root || !new_folder) {
    free(new_root);
    free(new_folder);
    return false;
  }
  pthread_mutex_lock(&s->lock);
  char *old_root = s->root, *old_folder = s->folder;
  s->root = new_root, s->folder = new_folder;
  pthread_mutex_unlock(&s->lock);
  free(old_root);
  free(old_folder);
  return true;
}

/* What pages of any rulebook may use: the joint client, the copy of the state. */
static const char shared[] = "/umpire/";

static enum ump__web_found find(struct ump__web_site *s, const char *path, int *fd, struct stat *st) {
  if (s->library && strncmp(path, shared, sizeof shared - 1) == 0)
    return ump__web_open(s->library, "umpire/web", path + sizeof shared - 2, fd, st);
  pthread_mutex_lock(&s->lock);
  char *root = strdup(s->root), *folder = strdup(s->folder);
  pthread_mutex_unlock(&s->lock); /* before the disk is asked: a reload must not wait for it */
  enum ump__web_found found = root && folder ? ump__web_open(root, folder, path, fd, st) : UMP__WEB_BUSY;
  free(root);
  free(folder);
  return found;
}

/* ---- lines ---- */

static void line(struct ump__web_answer *a, const char *name, const char *value) {
  ump_write_text(&a->lines, name);
  ump_write_text(&a->lines, ": ");
  ump_write_text(&a->lines, value);
  ump_write_text(&a->lines, "\r\n");
}

static void length(struct ump__web_answer *a, off_t n) {
  ump_write_text(&a->lines, "Content-Length: ");
  ump_write_decimal(&a->lines, n);
  ump_write_text(&a->lines, "\r\n");
}

static void http_date(time_t t, char out[40]) { /* by hand: names of days and months must not follow the locale */
  static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  struct tm d = {0};
  gmtime_r(&t, &d);
  snprintf(out, 40, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[d.tm_wday % 7], d.tm_mday % 100, months[d.tm_mon % 12],
           (d.tm_year + 1900) % 10000, d.tm_hour % 100, d.tm_min % 100, d.tm_sec % 100);
}

static const struct status {
  unsigned status;
  const char *name, *text;
} statuses[] = {
    {200, "OK", ""},
    {206, "Partial Content", ""},
    {301, "Moved Permanently", "it is a folder: add a slash\n"},
    {304, "Not Modified", ""},
    {400, "Bad Request", "a request that cannot be read\n"},
    {404, "Not Found", "there is no such page\n"},
    {405, "Method Not Allowed", "only GET and HEAD are served here\n"},
    {413, "Content Too Large", "nothing is taken here: a request must have no body\n"},
    {414, "URI Too Long", "there is no page with so long a name\n"},
    {416, "Range Not Satisfiable", "the file is not that long\n"},
    {431, "Request Header Fields Too Large", "the head of the request is too large\n"},
    {501, "Not Implemented", "only GET and HEAD are served here\n"},
    {503, "Service Unavailable", "too much is asked for at once\n"},
    {505, "HTTP Version Not Supported", "only HTTP/1.1 is spoken here\n"},
};

static const struct status *status_of(unsigned status) {
  size_t i = 0;
  while (statuses[i].status != status) i++; /* one of ours */
  return &statuses[i];
}

static void begin(struct ump__web_answer *a, unsigned status) {
  char date[40];
  a->status = status;
  a->lines = ump_writer(a->bytes, sizeof a->bytes);
  ump_write_text(&a->lines, "HTTP/1.1 ");
  ump_write_decimal(&a->lines, status);
  ump_write_text(&a->lines, " ");
  ump_write_text(&a->lines, status_of(status)->name);
  ump_write_text(&a->lines, "\r\n");
  http_date(time(NULL), date);
  line(a, "Date", date);
}

static void say(struct ump__web_answer *a, struct ump_bytes text, const char *type) {
  line(a, "Content-Type", type);
  length(a, (off_t)text.n);
  a->text = text;
}

/* A status with its text, and at most one line more. */
static void refuse(struct ump__web_answer *a, unsigned status, const char *name, const char *value) {
  begin(a, status);
  if (name) line(a, name, value);
  say(a, ump_text(status_of(status)->text), "text/plain; charset=utf-8");
}

/* ---- files ---- */

/* Is the tag one of the list's? A tag of ours has neither comma nor quote inside. */
static bool lists(const char *header, const char *tag) {
  return strcmp(header, "*") == 0 || strstr(header, tag) != NULL;
}

/* RFC 9110, 13.2.2: a date counts only where there is no tag. */
static bool is_known(const struct ump__web_request *r, const char *tag, const char *date) {
  const char *tags = ump__web_request_value(r, UMP__WEB_IF_NONE_MATCH);
  const char *since = ump__web_request_value(r, UMP__WEB_IF_MODIFIED_SINCE);
  if (r->fields[UMP__WEB_IF_NONE_MATCH].times) return tags && lists(tags, tag);
  return since && strcmp(since, date) == 0;
}

/* Digits at *at: their value, at most 10^18 (no file is larger); false: there are none, or too many. */
static bool number(const char **at, off_t *out) {
  size_t n = strspn(*at, "0123456789");
  *out = 0;
  for (size_t i = 0; n <= 18 && i < n; i++) *out = *out * 10 + ((*at)[i] - '0');
  *at += n;
  return n > 0 && n <= 18;
}

/* "bytes=0-99", "bytes=100-", "bytes=-100" (RFC 9110, 14.1.2), for players of sound and film, which ask for pieces.
 * Other lists than of one range may be ignored, and are. Returns 200 (all of it), 206 (from *at to before *end) or 416.
 */
static unsigned range_of(const char *text, off_t size, off_t *at, off_t *end) {
  off_t from = 0, to = size - 1;
  *at = 0, *end = size;
  if (strncmp(text, "bytes=", 6) != 0) return 200;
  text += 6;
  if (*text == '-') {
    text++;
    if (!number(&text, &from) || *text) return 200;
    if (from == 0 || size == 0) return 416;
    *at = from < size ? size - from : 0;
    return 206;
  }
  if (!number(&text, &from) || *text++ != '-') return 200;
  if (*text && (!number(&text, &to) || *text || to < from)) return 200;
  if (from >= size) return 416;
  *at = from;
  *end = to < size ? to + 1 : size;
  return 206;
}

static unsigned wanted(const struct ump__web_request *r, const char *tag, const char *date, struct ump__web_answer *a,
                       off_t size) {
  const char *range = ump__web_request_value(r, UMP__WEB_RANGE);
  const char *same = ump__web_request_value(r, UMP__WEB_IF_RANGE);
  bool stale = r->fields[UMP__WEB_IF_RANGE].times && !(same && (strcmp(same, tag) == 0 || strcmp(same, date) == 0));
  return range_of(range && !stale && !r->head ? range : "", size, &a->at, &a->end);
}

static void answer_range(struct ump__web_answer *a, off_t size) {
  char text[80];
  if (a->status == 416)
    snprintf(text, sizeof text, "bytes */%lld", (long long)size);
  else
    snprintf(text, sizeof text, "bytes %lld-%lld/%lld", (long long)a->at, (long long)a->end - 1, (long long)size);
  line(a, "Content-Range", text);
}

static void answer_file(const struct ump__web_request *r, const struct stat *st, int fd, struct ump__web_answer *a) {
  char tag[80], date[40];
  snprintf(tag, sizeof tag, "\"%llx-%llx-%lx\"", (unsigned long long)st->st_size,
           (unsigned long long)st->st_mtim.tv_sec, (unsigned long)st->st_mtim.tv_nsec);
  http_date(st->st_mtim.tv_sec, date);
  unsigned status = is_known(r, tag, date) ? 304 : wanted(r, tag, date, a, st->st_size);
  begin(a, status);
  line(a, "ETag", tag);
  line(a, "Last-Modified", date);
  line(a, "Accept-Ranges", "bytes");
  if (status == 206 || status == 416) answer_range(a, st->st_size);
  if (status == 200 || status == 206) {
    line(a, "Content-Type", ump__web_type(r->path[strlen(r->path) - 1] == '/' ? "index.html" : r->path));
    length(a, a->end - a->at);
    a->fd = fd;
    return;
  }
  if (status == 416) say(a, ump_text(status_of(416)->text), "text/plain; charset=utf-8");
  close(fd);
}

static void answer_path(struct ump__web_site *s, const struct ump__web_request *r, struct ump__web_answer *a) {
  struct stat st;
  int fd = -1;
  char to[3 * UMP_WEB_PATH + 2];
  if (strcmp(r->path, "/umpire.json") == 0) {
    begin(a, 200);
    say(a, ump_text(s->about), "application/json");
    return;
  }
  switch (find(s, r->path, &fd, &st)) {
  case UMP__WEB_FILE:
    answer_file(r, &st, fd, a);
    return;
  case UMP__WEB_FOLDER: /* begins with one slash: two were refused, so it leads to no other host */
    snprintf(to, sizeof to, "%s/", r->path);
    refuse(a, 301, "Location", to);
    return;
  case UMP__WEB_MALFORMED:
    refuse(a, 400, NULL, NULL);
    return;
  case UMP__WEB_BUSY:
    refuse(a, 503, "Retry-After", "1");
    return;
  case UMP__WEB_NOTHING:
    refuse(a, 404, NULL, NULL);
    return;
  }
}

/* ---- answers ---- */

void ump__web_answer_init(struct ump__web_answer *a) {
  a->fd = -1;
  a->at = a->end = 0;
  a->text = ump_bytes(NULL, 0);
}

void ump__web_answer_deinit(struct ump__web_answer *a) {
  if (a->fd >= 0) close(a->fd);
  ump__web_answer_init(a);
}

void ump__web_answer(struct ump__web_site *s, const struct ump__web_request *r, struct ump__web_answer *a) {
  ump__web_answer_init(a);
  if (r->refused)
    refuse(a, r->refused, r->refused == 405 || r->refused == 501 ? "Allow" : NULL, "GET, HEAD");
  else
    answer_path(s, r, a);
  a->last = !r->keep;
  if (a->last) line(a, "Connection", "close");
  if (r->head) { /* the head is GET's, and all there is */
    if (a->fd >= 0) close(a->fd);
    ump__web_answer_init(a);
  }
  atomic_fetch_add_explicit(&s->requests, 1, memory_order_relaxed);
  if (a->status >= 400) atomic_fetch_add_explicit(&s->errors, 1, memory_order_relaxed);
}
