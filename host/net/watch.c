#include "net/watch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

/* 100 ms: an editor's write, rename and touch come within a few ms, `git checkout` of a folder within some tens. */
#define DEBOUNCE_MS 100

struct folder {
  struct ump_watch *watch;
  uv_fs_event_t event;
  struct ump_list link;
  size_t size;
  char path[];
};

struct ump_watch {
  struct ump_loop *loop;
  void (*changed)(void *ctx);
  void *ctx;
  uv_timer_t timer;
  struct ump_list folders;
  unsigned open; /* handles whose close callback is still to come */
};

static void on_quiet(uv_timer_t *t) {
  struct ump_watch *w = t->data;
  w->changed(w->ctx);
}

/* Any Lua file in a folder of the rulebook counts: one that was required for the first time by a rulebook that was
 * refused is in no list. Editors' lock and swap files (.#x.lua, .x.lua.swp) do not. */
static bool matters(const char *name) {
  size_t n = name ? strlen(name) : 0;
  if (n && strcmp(name, "..data") == 0) return true; /* how Kubernetes swaps all files of a ConfigMap at once */
  return n > 4 && name[0] != '.' && name[0] != '#' && strcmp(name + n - 4, ".lua") == 0;
}

static void on_event(uv_fs_event_t *h, const char *name, int events, int status) {
  struct folder *f = h->data;
  (void)events;
  if (status == 0 && matters(name)) uv_timer_start(&f->watch->timer, on_quiet, DEBOUNCE_MS, 0);
}

struct ump_watch *ump_watch_new(struct ump_loop *l, void (*changed)(void *ctx), void *ctx) {
  struct ump_watch *w = ump_zalloc(ump_loop_mem(l), sizeof *w);
  if (!w) return NULL;
  w->loop = l;
  w->changed = changed;
  w->ctx = ctx;
  w->open = 1;
  ump_list_init(&w->folders);
  uv_timer_init(ump_loop_uv(l), &w->timer);
  w->timer.data = w;
  return w;
}

static bool watched(const struct ump_watch *w, const char *path) {
  for (const struct ump_list *at = w->folders.next; at != &w->folders; at = at->next)
    if (strcmp(UMP_CONTAINER(at, struct folder, link)->path, path) == 0) return true;
  return false;
}

static void gone(struct ump_watch *w) {
  if (--w->open == 0) ump_free(ump_loop_mem(w->loop), w, sizeof *w);
}

static void on_folder_closed(uv_handle_t *h) {
  struct folder *f = h->data;
  struct ump_watch *w = f->watch;
  ump_free(ump_loop_mem(w->loop), f, f->size);
  gone(w);
}

static int report(struct ump_watch *w, const char *path, int err) {
  char text[512];
  int n = snprintf(
      text, sizeof text, "cannot watch %.300s for changes: %s; reload with SIGHUP or 'umpire reload' instead", path,
      err == UV_ENOSPC ? "no inotify watches are left (raise fs.inotify.max_user_watches)" : uv_strerror(err));
  ump_log_write(ump_loop_log(w->loop), UMP_ERROR, "watch", NULL, ump_bytes(text, (size_t)n));
  return err;
}

static int watch_folder(struct ump_watch *w, const char *path, size_t n) {
  const struct ump_mem *mem = ump_loop_mem(w->loop);
  size_t size = sizeof(struct folder) + n + 1;
  struct folder *f = ump_zalloc(mem, size);
  if (!f) return report(w, path, -ENOMEM);
  f->watch = w;
  f->size = size;
  memcpy(f->path, path, n);
  if (watched(w, f->path)) {
    ump_free(mem, f, size);
    return 0;
  }
  uv_fs_event_init(ump_loop_uv(w->loop), &f->event);
  f->event.data = f;
  w->open++;
  int err = uv_fs_event_start(&f->event, on_event, f->path, 0);
  if (err == 0) {
    ump_list_push(&w->folders, &f->link);
    return 0;
  }
  report(w, f->path, err);
  uv_close((uv_handle_t *)&f->event, on_folder_closed);
  return err;
}

int ump_watch_file(struct ump_watch *w, const char *path) {
  const char *slash = strrchr(path, '/');
  if (!slash) return watch_folder(w, ".", 1);
  return watch_folder(w, path, slash == path ? 1 : (size_t)(slash - path));
}

static void on_timer_closed(uv_handle_t *h) {
  gone(h->data);
}

void ump_watch_free(struct ump_watch *w) {
  if (!w) return;
  while (!ump_list_empty(&w->folders)) {
    struct folder *f = UMP_CONTAINER(w->folders.next, struct folder, link);
    ump_list_remove(&f->link);
    uv_close((uv_handle_t *)&f->event, on_folder_closed);
  }
  uv_close((uv_handle_t *)&w->timer, on_timer_closed);
}
