/* `umpire check`: a rulebook loaded as the host would, without an engine, looked at (check_text.c), described, and
 * played with (check_legal.c). What stops it from loading is told alone; the rest would only repeat it. */
#include <lauxlib.h>
#include <stdio.h>

#include "bindings/check_inside.h"
#include "bindings/rules_state.h"

static void describe_handlers(const struct ump_book *b, struct ump_buf *out) {
  ump_buf_text(out, "handlers:");
  int n = 0;
  for (int h = 0; h < UMP_N_HANDLERS; h++) {
    if (b->handlers[h] == LUA_NOREF) continue;
    ump_buf_print(out, "%s %s", n++ ? "," : " ", ump__handler_names[h]);
    if (h == UMP_H_LEGAL && b->n_legal) ump_buf_print(out, " (%u in order)", (unsigned)b->n_legal);
  }
  if (!n) ump_buf_text(out, "  none: every event is legal and does nothing");
}

static void describe_listen(const struct ump_book *b, struct ump_buf *out) {
  const char *url = (const char *)b->listen.p;
  ump_buf_text(out, "\nlisten:   ");
  for (size_t i = 0; i < b->n_listen; i++, url += strlen(url) + 1) ump_buf_print(out, "%s %s", i ? "," : "", url);
  if (!b->n_listen) ump_buf_text(out, " not said: --listen, or neteria://0.0.0.0:40080");
}

/* Of the table on top: the name that comes after `last`, and its mode, both borrowed from it; NULL: none. Nothing here
 * allocates, so nothing can raise outside of a call. */
static const char *next_channel(lua_State *L, const char *last, const char **mode) {
  const char *next = NULL;
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    const char *name = lua_tostring(L, -2);
    if ((last && strcmp(name, last) <= 0) || (next && strcmp(name, next) >= 0)) continue;
    next = name;
    lua_rawgeti(L, -1, 2);
    *mode = lua_tostring(L, -1);
    lua_pop(L, 1);
  }
  return next;
}

static void describe_channels(const struct ump_book *b, struct ump_buf *out) {
  lua_State *L = ump_vm_state(b->vm);
  const char *mode = NULL, *name = NULL;
  if (b->channels == LUA_NOREF) return;
  lua_rawgeti(L, LUA_REGISTRYINDEX, b->channels);
  for (int n = 0; (name = next_channel(L, name, &mode)); n++)
    ump_buf_print(out, n ? ", %s (%s)" : "\nchannels:  %s (%s)", name, mode);
  lua_pop(L, 1);
}

static void describe(const struct ump_book *b, const char *path, struct ump_buf *out) {
  ump_buf_print(out, "%s is a good rulebook\n", path);
  describe_handlers(b, out);
  if (b->face.tick_rate > 0) ump_buf_print(out, "\ntick:      %g times a second", b->face.tick_rate);
  describe_listen(b, out);
  describe_channels(b, out);
  ump_buf_print(out, "\nversion:   %lld\nhash:      %016llx\nfiles:    ", (long long)b->version,
                (unsigned long long)ump_vm_files_hash(b->vm));
  for (size_t i = 0; i < ump_vm_n_files(b->vm); i++) ump_buf_print(out, "%s %s", i ? "," : "", ump_vm_file(b->vm, i));
}

static void note_files(const struct ump_book *b, struct ump_buf *out) {
  for (size_t i = 0; i < ump_vm_n_files(b->vm); i++) {
    const char *path = ump_vm_file(b->vm, i);
    if (!ump__is_shipped(b, path)) ump_buf_put(out, ump_bytes(path, strlen(path) + 1));
  }
}

static int text_body(lua_State *L) {
  return ump__check_text(L, lua_touserdata(L, 1));
}

static void look_at(struct ump_checking *c) {
  if (ump_vm_call_for(c->book->vm, text_body, c, 10 * UMP_S) == 0)
    return; /* what takes time there has limits of its own */
  if (c->out->errors.n) ump_buf_byte(&c->out->errors, '\n');
  ump_buf_put(&c->out->errors, ump_vm_error(c->book->vm));
}

static void check_loaded(struct ump_checking *c) {
  char shown[1024];
  const char *main = ump_vm_file(c->book->vm, 0);
  snprintf(shown, sizeof shown, "%s", strncmp(main, "./", 2) == 0 ? main + 2 : main);
  c->shown = shown;
  look_at(c);
  ump__check_legal(c);
  describe(c->book, c->cfg->path, &c->out->about);
}

void ump_check(const struct ump_check_cfg *cfg, struct ump_checked *out) {
  struct ump_buf root = ump_buf(&ump_mem_libc, 0), file = root;
  struct ump_vm_cfg vm = cfg->vm;
  struct ump_checking c = {.cfg = cfg, .out = out};
  char error[1024] = "out of memory";
  *out = (struct ump_checked){ump_buf(&ump_mem_libc, 1 << 20), ump_buf(&ump_mem_libc, 1 << 20),
                              ump_buf(&ump_mem_libc, 1 << 20), ump_buf(&ump_mem_libc, 1 << 20)};
  ump__load_split(cfg->path, &root, &file);
  vm.root = (const char *)root.p;
  struct ump_load how = {.file = (const char *)file.p, .budget = UMP_S, .findings = &out->errors};
  c.book = root.failed || file.failed ? NULL : ump__book_new(&vm, NULL, error, sizeof error);
  bool loads = c.book && ump__book_load(c.book, &how);
  if (!c.book) ump_buf_print(&out->errors, "%s: %s", cfg->path, error);
  if (c.book) note_files(c.book, &out->files);
  if (loads) check_loaded(&c);
  ump__book_free(c.book);
  ump_buf_free(&root);
  ump_buf_free(&file);
}

void ump_checked_free(struct ump_checked *c) {
  ump_buf_free(&c->errors);
  ump_buf_free(&c->warnings);
  ump_buf_free(&c->about);
  ump_buf_free(&c->files);
}

bool ump_rules_check(const char *path, const struct ump_vm_cfg *vm, struct ump_report *report) {
  struct ump_check_cfg cfg = {.path = path, .vm = *vm};
  struct ump_checked c;
  ump_check(&cfg, &c);
  bool ok = !c.errors.n && c.about.n;
  if (report) *report = (struct ump_report){0};
  ump__report(report, ok, ok ? &c.about : &c.errors);
  ump_checked_free(&c);
  return ok;
}
