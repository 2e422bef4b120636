#include "net/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

enum { UNREAD = 4 << 20 }; /* bytes of replies that wait for who asked; more are not kept for who never reads */

struct ump_control_conn {
  struct ump_control *control;
  uv_pipe_t pipe;
  struct ump_list link;
  uint64_t ticket;
  size_t n; /* bytes of a line that is not complete */
  char line[UMP_CONTROL_LINE];
  bool closing;
};

struct ump_control {
  struct ump_loop *loop;
  struct ump_control_cfg cfg;
  char path[UMP_CONTROL_PATH];
  uv_pipe_t pipe;
  struct ump_list conns;
  unsigned n_conns;
  uint64_t tickets; /* the last one given */
  bool waiting;     /* a connection was left in the kernel's queue */
  bool closing;
};

struct reply {
  uv_write_t req;
  struct ump_control *control;
  size_t size;
  char bytes[];
};

/* ---- one connection ---- */

static void accept_one(struct ump_control *c);

static void maybe_gone(struct ump_control *c) { /* the last close callback frees */
  if (c->closing && c->n_conns == 0 && !c->waiting) ump_free(ump_loop_mem(c->loop), c, sizeof *c);
}

static void on_conn_closed(uv_handle_t *h) {
  struct ump_control_conn *conn = h->data;
  struct ump_control *c = conn->control;
  ump_list_remove(&conn->link);
  ump_free(ump_loop_mem(c->loop), conn, sizeof *conn);
  c->n_conns--;
  if (c->waiting && !c->closing) {
    c->waiting = false;
    accept_one(c);
  }
  maybe_gone(c);
}

static void close_conn(struct ump_control_conn *conn) {
  if (conn->closing) return;
  conn->closing = true;
  uv_close((uv_handle_t *)&conn->pipe, on_conn_closed);
}

static void on_replied(uv_write_t *req, int status) {
  struct reply *r = UMP_CONTAINER(req, struct reply, req);
  (void)status;
  ump_free(ump_loop_mem(r->control->loop), r, r->size);
}

void ump_control_reply(struct ump_control_conn *conn, struct ump_bytes line) {
  const struct ump_mem *mem = ump_loop_mem(conn->control->loop);
  size_t size = sizeof(struct reply) + line.n + 1;
  bool reads = uv_stream_get_write_queue_size((uv_stream_t *)&conn->pipe) < UNREAD;
  struct reply *r = reads ? ump_alloc(mem, size) : NULL;
  if (!r || conn->closing) {
    ump_free(mem, r, size);
    close_conn(conn);
    return;
  }
  r->control = conn->control;
  r->size = size;
  memcpy(r->bytes, line.p, line.n);
  r->bytes[line.n] = '\n';
  uv_buf_t buf = uv_buf_init(r->bytes, (unsigned)(line.n + 1));
  if (uv_write(&r->req, (uv_stream_t *)&conn->pipe, &buf, 1, on_replied) != 0) {
    ump_free(mem, r, size);
    close_conn(conn);
  }
}

uint64_t ump_control_later(struct ump_control_conn *c) {
  return c->ticket;
}

struct ump_control_conn *ump_control_find(struct ump_control *c, uint64_t ticket) {
  for (struct ump_list *at = c->conns.next; at != &c->conns; at = at->next) {
    struct ump_control_conn *conn = UMP_CONTAINER(at, struct ump_control_conn, link);
    if (conn->ticket == ticket && !conn->closing) return conn;
  }
  return NULL;
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf) {
  struct ump_control_conn *conn = h->data;
  (void)suggested;
  *buf = uv_buf_init(conn->line + conn->n, (unsigned)(sizeof conn->line - conn->n));
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf) {
  struct ump_control_conn *conn = s->data;
  struct ump_control *c = conn->control;
  (void)buf;
  if (n > 0) conn->n += (size_t)n;
  char *end;
  while (n > 0 && !conn->closing && (end = memchr(conn->line, '\n', conn->n)) != NULL) {
    c->cfg.request(c->cfg.ctx, conn, ump_bytes(conn->line, (size_t)(end - conn->line)));
    conn->n -= (size_t)(end + 1 - conn->line);
    memmove(conn->line, end + 1, conn->n);
  }
  if (n < 0 || conn->n == sizeof conn->line) close_conn(conn); /* gone, or a line without end (n is then UV_ENOBUFS) */
}

static void accept_one(struct ump_control *c) {
  const struct ump_mem *mem = ump_loop_mem(c->loop);
  struct ump_control_conn *conn = c->n_conns < UMP_CONTROL_CLIENTS ? ump_zalloc(mem, sizeof *conn) : NULL;
  if (!conn) {
    c->waiting = true; /* libuv does not listen on until this one is accepted, when another leaves */
    return;
  }
  conn->control = c;
  uv_pipe_init(ump_loop_uv(c->loop), &conn->pipe, 0);
  conn->pipe.data = conn;
  ump_list_push(&c->conns, &conn->link);
  c->n_conns++;
  conn->ticket = ++c->tickets;
  if (uv_accept((uv_stream_t *)&c->pipe, (uv_stream_t *)&conn->pipe) != 0 ||
      uv_read_start((uv_stream_t *)&conn->pipe, on_alloc, on_read) != 0)
    close_conn(conn);
}

static void on_connection(uv_stream_t *s, int status) {
  if (status == 0) accept_one(s->data);
}

/* ---- taking the path ---- */

int ump_control_default_path(char out[UMP_CONTROL_PATH]) {
  const char *set = getenv("UMPIRE_CONTROL"), *runtime = getenv("XDG_RUNTIME_DIR");
  int n = set && *set           ? snprintf(out, UMP_CONTROL_PATH, "%s", set)
          : runtime && *runtime ? snprintf(out, UMP_CONTROL_PATH, "%s/umpire.sock", runtime)
                                : snprintf(out, UMP_CONTROL_PATH, "/tmp/umpire-%lu.sock", (unsigned long)getuid());
  return n < UMP_CONTROL_PATH ? 0 : UMP_EINVAL;
}

static bool is_stale(const char *path) { /* a socket that nobody listens on */
  struct stat st;
  if (lstat(path, &st) != 0 || !S_ISSOCK(st.st_mode)) return false;
  int fd = ump_control_connect(path);
  if (fd >= 0) close(fd);
  return fd == -ECONNREFUSED;
}

static int bind_path(struct ump_control *c) {
  mode_t before = umask(0177); /* the socket is mode 0600 from its first moment */
  int err = uv_pipe_bind(&c->pipe, c->path);
  if (err == UV_EADDRINUSE && is_stale(c->path) && unlink(c->path) == 0) err = uv_pipe_bind(&c->pipe, c->path);
  umask(before);
  return err;
}

static void explain(int err, const char *path, char *error, size_t cap) {
  struct stat st;
  if (err == UV_EADDRINUSE && lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
    snprintf(error, cap,
             "cannot make the control socket %s: something else of that name is there; choose another place with "
             "--control PATH, or --control none",
             path);
  else if (err == UV_EADDRINUSE)
    snprintf(
        error, cap,
        "the control socket %s belongs to a host that is running; stop that one with 'umpire stop --control %s', or "
        "give this one a socket of its own with --control PATH, or none with --control none",
        path, path);
  else
    snprintf(error, cap,
             "cannot make the control socket %s: %s; choose another place with --control PATH, or --control none", path,
             err == UV_EACCES ? "permission denied, or its folder does not exist" : uv_strerror(err));
}

static void on_closed(uv_handle_t *h) {
  struct ump_control *c = h->data;
  c->waiting = false; /* from here on: no connection can come any more */
  maybe_gone(c);
}

int ump_control_open(struct ump_loop *l, const struct ump_control_cfg *cfg, struct ump_control **out, char *error,
                     size_t cap) {
  *out = NULL;
  if (strlen(cfg->path) >= UMP_CONTROL_PATH) {
    snprintf(error, cap, "the path of the control socket is longer than %d bytes: %s", UMP_CONTROL_PATH - 1, cfg->path);
    return -ENAMETOOLONG;
  }
  struct ump_control *c = ump_zalloc(ump_loop_mem(l), sizeof *c);
  if (!c) return snprintf(error, cap, "out of memory"), -ENOMEM;
  c->loop = l;
  c->cfg = *cfg;
  memcpy(c->path, cfg->path, strlen(cfg->path) + 1);
  ump_list_init(&c->conns);
  uv_pipe_init(ump_loop_uv(l), &c->pipe, 0);
  c->pipe.data = c;
  int err = bind_path(c);
  if (err == 0) err = uv_listen((uv_stream_t *)&c->pipe, 16, on_connection);
  if (err == 0) {
    *out = c;
    return 0;
  }
  explain(err, cfg->path, error, cap);
  c->closing = c->waiting = true; /* waiting: for on_closed */
  uv_close((uv_handle_t *)&c->pipe, on_closed);
  return err;
}

void ump_control_close(struct ump_control *c) {
  if (!c) return;
  struct ump_list *next;
  c->closing = c->waiting = true;
  for (struct ump_list *at = c->conns.next; at != &c->conns; at = next) {
    next = at->next;
    close_conn(UMP_CONTAINER(at, struct ump_control_conn, link));
  }
  uv_close((uv_handle_t *)&c->pipe, on_closed); /* libuv removes the file */
}
