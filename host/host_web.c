/* --web: the rulebook's pages over HTTP, and what they are told of where the game is. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "host.h"

enum { MESSAGE = 4096, ABOUT = 2048, CONNECT = 2048 };

/* A scheme for net/listen_url.h, which knows how hosts and ports are written. */
static const struct ump_proto_ops http = {.scheme = "http", .transport = UMP_STREAM, .default_port = 8000};
static const struct ump_proto_ops *const schemes[] = {&http};
static const struct ump_protocols web_only = {schemes, 1};

/* A port alone is this machine's own: pages are for those whom the operator names. */
static int parse(const char *text, struct ump_listen *out, char *error, size_t cap) {
  char url[512];
  bool port_only = text[strspn(text, "0123456789")] == 0;
  if (strlen(text) > 300 || strpbrk(text, "/?")) {
    snprintf(error, cap, "--web must be a port or HOST:PORT, such as 8000 or 0.0.0.0:8000, not \"%.60s\"", text);
    return UMP_EINVAL;
  }
  snprintf(url, sizeof url, "http://%s%s", port_only ? "127.0.0.1:" : "", text);
  return ump_listen_parse(&web_only, url, out, error, cap);
}

int ump_host_web_check(const char *text, char *error, size_t cap) {
  struct ump_listen scratch;
  return parse(text, &scratch, error, cap);
}

/* ---- what pages are told ---- */

static void print_joints(const struct host *h, char *out, size_t cap, const char *format, const char *between) {
  size_t n = 0;
  out[0] = 0;
  for (size_t i = 0; i < h->n_listeners && n < cap; i++) {
    const struct listener *l = &h->listeners[i];
    if (strcmp(l->url.ops->scheme, "joint") != 0) continue;
    int more = snprintf(out + n, cap - n, "%s", n ? between : "");
    if (more > 0) n += (size_t)more;
    for (const char *at = format; *at && n + 8 < cap; at++)
      if (*at == '#')
        n += (size_t)snprintf(out + n, cap - n, "%u", (unsigned)l->addr.port);
      else
        out[n++] = *at, out[n] = 0;
  }
}

/* ---- building ---- */

static const char *shown(const struct ump_rules_web *web, char out[MESSAGE]) {
  bool here = strcmp(web->root, ".") == 0;
  snprintf(out, MESSAGE, "%.3000s%s%s", here ? "" : web->root, here || strcmp(web->root, "/") == 0 ? "" : "/",
           web->folder);
  return out;
}

static int no_folder(struct host *h, const struct ump_rules_web *web, int err) {
  char folder[MESSAGE];
  if (err == -ENOENT)
    ump_logger_say(
        h->logger, UMP_ERROR, "web",
        "--web: there is no folder %s; make it, with an index.html in it, or name another one in the rulebook: "
        "web = \"pages/\"",
        shown(web, folder));
  else
    ump_logger_say(h->logger, UMP_ERROR, "web", "--web: %s: %s; it must be a folder, and not a link",
                   shown(web, folder), err == -ELOOP ? strerror(ENOTDIR) : strerror(-err));
  return EXIT_RULEBOOK;
}

static int cannot_bind(struct host *h, int err) {
  const char *hint = err == EADDRINUSE      ? "; another program has it: choose another port, 0 for any that is free"
                     : err == EACCES        ? "; ports below 1024 are reserved, choose a higher one"
                     : err == EADDRNOTAVAIL ? "; this machine has no such address, 0.0.0.0 means every one"
                                            : "";
  ump_logger_say(h->logger, UMP_ERROR, "bind", "--web: cannot bind %s: %s%s", h->web_name, strerror(err), hint);
  return EXIT_BIND;
}

int ump_host_web_open(struct host *h) {
  struct ump_listen url;
  struct ump_addr addr;
  struct ump_rules_web web;
  char error[MESSAGE], about[ABOUT], connect[CONNECT], joints[ABOUT - 64];
  if (!h->options->web) return EXIT_OK;
  if (parse(h->options->web, &url, error, sizeof error) != 0 ||
      ump_listen_resolve(&url, &addr, error, sizeof error) != 0) {
    ump_logger_say(h->logger, UMP_ERROR, "web", "--web: %s", error);
    return EXIT_BIND; /* the form was looked at by cmd_run.c: what is left is a name that nobody knows */
  }
  ump_rules_web(h->rules, &web);
  int err = ump_web_folder_there(web.root, web.folder);
  if (err != 0) return no_folder(h, &web, err);
  print_joints(h, joints, sizeof joints, "{\"scheme\":\"ws\",\"port\":#}", ",");
  snprintf(about, sizeof about, "{\"joint\":[%s]}\n", joints);
  print_joints(h, connect, sizeof connect, "ws://*:# wss://*:#", " ");
  ump_listen_name(&http, &addr, h->web_name);
  int fd = ump_web_listen(&addr, &addr);
  if (fd < 0) return cannot_bind(h, -fd);
  ump_listen_name(&http, &addr, h->web_name);
  struct ump_web_cfg cfg = {
      .root = web.root, .folder = web.folder, .library = h->places.library, .about = about, .connect = connect};
  h->web = ump_web_start(fd, &cfg);
  if (h->web) return EXIT_OK;
  ump_logger_say(h->logger, UMP_ERROR, "web", "--web: out of memory or threads");
  return EXIT_RULEBOOK;
}

void ump_host_web_say(struct host *h) {
  if (h->web) ump_logger_say(h->logger, UMP_INFO, "web", "web %s/", h->web_name);
}

void ump_host_web_reloaded(struct host *h) {
  struct ump_rules_web web;
  char folder[MESSAGE];
  if (!h->web) return;
  ump_rules_web(h->rules, &web);
  if (!ump_web_set_folder(h->web, web.root, web.folder))
    ump_logger_say(h->logger, UMP_ERROR, "web", "out of memory: the pages stay those of the rulebook before");
  else if (ump_web_folder_there(web.root, web.folder) != 0)
    ump_logger_say(h->logger, UMP_WARN, "web", "there is no folder %s any more: its pages are not found",
                   shown(&web, folder));
}
