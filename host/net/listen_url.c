#include "net/listen_url.h"

#include <assert.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "net/sockaddr.h"

/* Options of every listener; the engine keeps `attempts`, the protocol the other two. */
static const struct ump_option common[] = {
    {.name = "limit",
     .fallback = "4096",
     .kind = UMP_OPTION_NUMBER,
     .min = 1,
     .max = 1000000,
     .help = "clients at a time"},
    {.name = "per_address",
     .fallback = "64",
     .kind = UMP_OPTION_NUMBER,
     .min = 1,
     .max = 1000000,
     .help = "connections or sessions from one address"},
    {.name = "attempts",
     .fallback = "10",
     .kind = UMP_OPTION_NUMBER,
     .min = 1,
     .max = 1000000,
     .help = "log-ins a minute per address and per name"},
};
enum { N_COMMON = sizeof common / sizeof *common, PER_ADDRESS = 1 };

struct parse {
  const struct ump_protocols *known;
  const char *url;
  struct ump_listen *out;
  FILE *error; /* a message is being written here */
};

static int wrong(struct parse *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int wrong(struct parse *p, const char *format, ...) {
  va_list args;
  va_start(args, format);
  fprintf(p->error, "%.200s: ", p->url);
  vfprintf(p->error, format, args);
  va_end(args);
  return UMP_EINVAL;
}

/* ---- help ---- */

enum { LEFT = 21, WIDTH = 110 }; /* columns: where meanings begin, where lines end */

static void wrap(FILE *out, const char *text) {
  size_t column = LEFT;
  while (*text) {
    size_t word = strcspn(text, " ");
    if (column > LEFT && column + 1 + word > WIDTH) fprintf(out, "\n%*s", LEFT, ""), column = LEFT;
    column += (size_t)fprintf(out, "%s%.*s", column > LEFT ? " " : "", (int)word, text);
    text += word + strspn(text + word, " ");
  }
}

static void describe(FILE *out, const struct ump_option *o) {
  char text[1024];
  const char *range = o->kind == UMP_OPTION_SWITCH ? "0 or 1; " : "";
  bool fallback = o->fallback && *o->fallback;
  snprintf(text, sizeof text, fallback ? "%s (%sdefault %s)" : "%s", o->help, range, o->fallback);
  fprintf(out, "\n  %-18s ", o->name);
  wrap(out, text);
}

static void describe_own(FILE *out, const struct ump_proto_ops *ops) {
  char number[16];
  struct ump_option o = common[PER_ADDRESS];
  snprintf(number, sizeof number, "%u", (unsigned)ops->per_address);
  o.fallback = number;
  if (ops->per_address) describe(out, &o);
  for (size_t i = 0; i < ops->n_options; i++) describe(out, &ops->options[i]);
}

static void describe_protocol(FILE *out, const struct ump_proto_ops *ops) {
  for (size_t i = 0; i < N_COMMON; i++)
    if (i != PER_ADDRESS || !ops->per_address) describe(out, &common[i]);
  describe_own(out, ops);
}

void ump_listen_help(const struct ump_protocols *known, FILE *out) {
  fprintf(out, "Options of every listen URL, as in %s://0.0.0.0:%u?limit=100:", known->list[0]->scheme,
          known->list[0]->default_port);
  for (size_t i = 0; i < N_COMMON; i++) describe(out, &common[i]);
  for (size_t k = 0; k < known->n; k++) {
    const struct ump_proto_ops *ops = known->list[k];
    fprintf(out, "\n\nOptions of %s (%s, port %u):", ops->scheme, ops->transport == UMP_DATAGRAM ? "UDP" : "TCP",
            ops->default_port);
    describe_own(out, ops);
  }
  fputc('\n', out);
}

/* ---- values ---- */

static bool parse_number(const char *text, uint64_t *out) { /* decimal digits only */
  uint64_t v = 0;
  if (!*text || strlen(text) > 18) return false;
  for (; *text; text++) {
    if (*text < '0' || *text > '9') return false;
    v = v * 10 + (uint64_t)(*text - '0');
  }
  *out = v;
  return true;
}

static int take_number(struct parse *p, const struct ump_option *o, const char *text, uint64_t *out) {
  uint64_t min = o->kind == UMP_OPTION_SWITCH ? 0 : o->min, max = o->kind == UMP_OPTION_SWITCH ? 1 : o->max;
  if (!parse_number(text, out) || *out < min || *out > max)
    return wrong(p, "option %s must be a whole number from %llu to %llu, not \"%.40s\"", o->name,
                 (unsigned long long)min, (unsigned long long)max, text);
  return 0;
}

static int hex(char c) {
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                : -1;
}

/* In place. False: a % without two hex digits, or a NUL byte. */
static bool percent_decode(char *s) {
  char *to = s;
  for (; *s; s++, to++) {
    int hi = 0, lo = 0;
    *to = *s;
    if (*s != '%') continue;
    if ((hi = hex(s[1])) < 0 || (lo = hex(s[2])) < 0 || hi + lo == 0) return false;
    *to = (char)(hi * 16 + lo);
    s += 2;
  }
  *to = 0;
  return true;
}

static int take_value(struct parse *p, const struct ump_option *o, const char *text, struct ump_option_value *v) {
  v->name = o->name;
  if (o->kind != UMP_OPTION_TEXT) return take_number(p, o, text, &v->number);
  size_t n = strlen(text);
  struct ump_listen *l = p->out;
  if (l->text_used + n > sizeof l->text) return wrong(p, "its options are longer than %d bytes", UMP_LISTEN_TEXT);
  memcpy(l->text + l->text_used, text, n);
  v->text = ump_bytes(l->text + l->text_used, n);
  l->text_used += n;
  return 0;
}

/* ---- options ---- */

static int unknown_option(struct parse *p, const char *name) {
  wrong(p, "unknown option \"%.60s\"; %s knows", name, p->out->ops->scheme);
  describe_protocol(p->error, p->out->ops);
  return UMP_EINVAL;
}

static uint32_t *common_place(struct ump_listen *l, size_t i) {
  return i == 0 ? &l->limit : i == 1 ? &l->per_address : &l->attempts;
}

static int take_option(struct parse *p, const char *name, const char *value) {
  const struct ump_proto_ops *ops = p->out->ops;
  for (size_t i = 0; i < N_COMMON; i++) {
    if (strcmp(name, common[i].name) != 0) continue;
    uint64_t v = 0;
    int err = take_number(p, &common[i], value, &v);
    *common_place(p->out, i) = (uint32_t)v;
    return err;
  }
  for (size_t i = 0; i < ops->n_options; i++)
    if (strcmp(name, ops->options[i].name) == 0) return take_value(p, &ops->options[i], value, &p->out->values[i]);
  return unknown_option(p, name);
}

static int take_fallbacks(struct parse *p) {
  const struct ump_proto_ops *ops = p->out->ops;
  assert(ops->n_options <= UMP_LISTEN_OPTIONS);
  p->out->n_values = ops->n_options;
  for (size_t i = 0; i < N_COMMON; i++) *common_place(p->out, i) = (uint32_t)strtoul(common[i].fallback, NULL, 10);
  if (ops->per_address) p->out->per_address = ops->per_address;
  for (size_t i = 0; i < ops->n_options; i++) {
    const struct ump_option *o = &ops->options[i];
    int err = take_value(p, o, o->fallback ? o->fallback : o->kind == UMP_OPTION_TEXT ? "" : "0", &p->out->values[i]);
    if (err != 0) return err;
  }
  return 0;
}

static int take_options(struct parse *p, char *query) {
  char *next = NULL;
  for (char *at = query; at && *at; at = next) {
    next = strchr(at, '&');
    if (next) *next++ = 0;
    char *value = strchr(at, '=');
    if (!value) return wrong(p, "option \"%.60s\" has no value; write %.60s=VALUE", at, at);
    *value++ = 0;
    if (!percent_decode(value))
      return wrong(p, "the value of %.60s has a %% that is not followed by two hex digits", at);
    int err = take_option(p, at, value);
    if (err != 0) return err;
  }
  return 0;
}

/* ---- scheme, host, port ---- */

static int take_scheme(struct parse *p, const char *url, size_t n) {
  for (size_t i = 0; i < p->known->n; i++) {
    const struct ump_proto_ops *ops = p->known->list[i];
    if (strlen(ops->scheme) != n || strncmp(ops->scheme, url, n) != 0) continue;
    p->out->ops = ops;
    return 0;
  }
  wrong(p, "unknown protocol \"%.*s\"; this program speaks", (int)(n < 60 ? n : 60), url);
  for (size_t i = 0; i < p->known->n; i++) fprintf(p->error, "%s %s", i ? "," : "", p->known->list[i]->scheme);
  return UMP_EINVAL;
}

static int take_port(struct parse *p, const char *text) {
  uint64_t v = p->out->ops->default_port;
  if (text && (!parse_number(text, &v) || v > 65535))
    return wrong(p, "the port must be a number from 0 to 65535 (0 picks a free one), not \"%.40s\"", text);
  p->out->port = (uint16_t)v;
  return 0;
}

static bool is_ipv6(const char *text) { /* with a scope or without; asks nobody */
  struct addrinfo *found = NULL;
  struct addrinfo hints = {.ai_family = AF_INET6, .ai_flags = AI_NUMERICHOST};
  if (getaddrinfo(text, NULL, &hints, &found) != 0) return false;
  freeaddrinfo(found);
  return true;
}

/* Splits HOST[:PORT] or [IPv6][:PORT]. */
static int take_authority(struct parse *p, char *text) {
  char *end, *port = NULL;
  p->out->bracketed = *text == '[';
  if (p->out->bracketed) {
    end = strchr(++text, ']');
    if (!end) return wrong(p, "the IPv6 address has no closing bracket");
    if (end[1] == ':') port = end + 2;
    if (end[1] && end[1] != ':') return wrong(p, "after the bracket only :PORT may follow");
    *end = 0;
  } else {
    end = strchr(text, ':');
    if (end && strchr(end + 1, ':')) return wrong(p, "an IPv6 address goes in brackets, as in [::1]");
    if (end) *end = 0, port = end + 1;
  }
  if (!*text) return wrong(p, "the host is missing; 0.0.0.0 means every interface");
  if (strlen(text) >= sizeof p->out->host) return wrong(p, "the host is longer than a name may be");
  if (p->out->bracketed && !is_ipv6(text))
    return wrong(p, "\"%.60s\" is no IPv6 address; [::] means every interface", text);
  memcpy(p->out->host, text, strlen(text) + 1);
  return take_port(p, port);
}

static int parse_url(struct parse *p) {
  char copy[UMP_LISTEN_TEXT];
  const char *mark = strstr(p->url, "://");
  if (!mark)
    return wrong(p, "a listen URL looks like %s://0.0.0.0:%u", p->known->list[0]->scheme,
                 p->known->list[0]->default_port);
  int err = take_scheme(p, p->url, (size_t)(mark - p->url));
  if (err != 0) return err;
  mark += 3;
  if (strlen(mark) >= sizeof copy) return wrong(p, "longer than %d bytes", UMP_LISTEN_TEXT);
  memcpy(copy, mark, strlen(mark) + 1);
  char *query = strchr(copy, '?');
  if (query) *query++ = 0;
  char *slash = strchr(copy, '/');
  if (slash && slash[1]) return wrong(p, "a listen URL has no path");
  if (slash) *slash = 0;
  err = take_authority(p, copy);
  if (err == 0) err = take_fallbacks(p);
  return err == 0 ? take_options(p, query) : err;
}

int ump_listen_parse(const struct ump_protocols *known, const char *url, struct ump_listen *out, char *error,
                     size_t cap) {
  memset(out, 0, sizeof *out);
  struct parse p = {known, url, out, fmemopen(error, cap, "w")};
  error[0] = 0;
  if (!p.error) return UMP_EINVAL;
  int err = parse_url(&p);
  fclose(p.error);
  error[cap - 1] = 0;
  return err;
}

/* ---- addresses ---- */

void ump_listen_name(const struct ump_proto_ops *ops, const struct ump_addr *addr, char out[UMP_LISTEN_NAME]) {
  char text[UMP_ADDR_TEXT];
  ump_addr_print(addr, text);
  snprintf(out, UMP_LISTEN_NAME, "%s://%s", ops->scheme, text);
}

int ump_listen_resolve(const struct ump_listen *l, struct ump_addr *out, char *error, size_t cap) {
  struct addrinfo *found = NULL;
  struct addrinfo hints = {.ai_family = l->bracketed ? AF_INET6 : AF_UNSPEC,
                           .ai_socktype = l->ops->transport == UMP_DATAGRAM ? SOCK_DGRAM : SOCK_STREAM,
                           .ai_flags = AI_PASSIVE | (l->bracketed ? AI_NUMERICHOST : 0)};
  int err = getaddrinfo(l->host, NULL, &hints, &found);
  if (err != 0) {
    snprintf(error, cap,
             "%s://%s: the host is not to be found (%s); name an address of this machine, or 0.0.0.0 for every one",
             l->ops->scheme, l->host, gai_strerror(err));
    return UMP_EINVAL;
  }
  union ump_sockaddr sa;
  memset(&sa, 0, sizeof sa);
  memcpy(&sa, found->ai_addr, found->ai_addrlen < sizeof sa ? found->ai_addrlen : sizeof sa);
  freeaddrinfo(found);
  ump_addr_from_sockaddr(out, &sa);
  out->port = l->port;
  return 0;
}
