/* The rulebook in place: opened, closed, saved and described. reload.c swaps it. */
#include "bindings/rules_state.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

enum { SAVED_VALUES = 4 << 20 }; /* of save() and in all: a million tables of four; memory is the VM's limit anyway */

/* ---- reports ---- */

void ump_report_free(struct ump_report *r) {
  free(r->text);
  *r = (struct ump_report){0};
}

void ump__report(struct ump_report *r, bool ok, struct ump_buf *text) {
  if (!r) return;
  r->ok = ok;
  r->text = malloc(text->n + 1);
  if (!r->text) return;
  if (text->n) memcpy(r->text, text->p, text->n);
  r->text[text->n] = 0;
}

/* ---- saving ---- */

struct saving {
  struct ump_book *b;
};

static int save_body(lua_State *L) {
  static const struct ump_packing how = {"save()", "kept across a reload", SAVED_VALUES};
  struct saving *s = lua_touserdata(L, 1);
  struct ump_book *b = s->b;
  b->refuses = "save";
  ump__book_push_handler(L, b, UMP_H_SAVE);
  lua_call(L, 0, 1);
  ump_buf_clear(&b->out);
  if (lua_type(L, -1) <= LUA_TNIL) return 0;
  ump_value_pack(L, -1, &how, &b->out);
  return 0;
}

int ump__book_save(struct ump_book *b, ump_time budget) {
  struct saving s = {b};
  ump_buf_clear(&b->out);
  if (b->handlers[UMP_H_SAVE] == LUA_NOREF) return 0;
  int err = ump_vm_call_for(b->vm, save_body, &s, budget);
  b->refuses = NULL;
  return err;
}

/* The state goes along, so that a clean restart finds it: then it is a tuple, which save() itself can never give. */
static bool add_state(struct ump_book *b) {
  const struct ump_state *s = ump_engine_state(b->engine);
  if (!ump_state_keys(s)) return true;
  struct ump_blob *state = ump_state_content(s, ump_state_root(s));
  struct ump_buf both = ump_buf(b->mem, 0);
  uint8_t head[16];
  struct ump_writer w = ump_writer(head, sizeof head);
  ump_plain_put_tuple(&w, 2);
  if (!b->out.n) ump_plain_put_tag(&w, UMP_PLAIN_NIL);
  ump_buf_put(&both, ump_written(&w));
  ump_buf_put(&both, ump_buf_bytes(&b->out));
  if (state) ump_buf_put(&both, ump_bytes(state->p, state->n));
  bool ok = state && !both.failed;
  ump_blob_unref(state);
  ump_buf_free(ok ? &b->out : &both);
  if (ok) b->out = both;
  return ok;
}

/* Both parts of what was saved; state is empty when there was none. */
static void split_saved(struct ump_bytes saved, struct ump_bytes *data, struct ump_bytes *state) {
  struct ump_reader r = ump_reader(saved);
  struct ump_plain v;
  *data = saved, *state = ump_bytes(NULL, 0);
  if (!saved.n || *saved.p != UMP_PLAIN_TUPLE || !ump_plain_get(&r, &v)) return;
  const uint8_t *start = r.p;
  if (!ump_plain_skip(&r)) return;
  *data = *start == UMP_PLAIN_NIL ? ump_bytes(NULL, 0) : ump_bytes(start, (size_t)(r.p - start));
  *state = ump_bytes(r.p, ump_reader_left(&r));
}

static bool restore_state(struct ump_engine *e, struct ump_bytes state, struct ump_buf *findings) {
  struct ump_state_fault why = {.why = "is broken"};
  int err = state.n ? ump_engine_update(e, state, &why) : 0;
  if (err)
    ump_buf_print(findings, "the saved state cannot be put back: %s: it %s (--state-memory, --state-keys)",
                  ump_err_name(err), why.why);
  return err == 0;
}

int ump_rules_save(struct ump_rules *r, ump_time now, struct ump_bytes *out) {
  struct ump_book *b = r->book;
  *out = ump_bytes(NULL, 0);
  ump_engine_begin(b->engine, &b->face, now);
  int err = ump__book_save(b, r->cfg.load_budget);
  ump_engine_rollback(b->engine); /* save asks for nothing: it is refused */
  if (err < 0) {
    b->errors++;
    b->tripped += err == UMP_VM_EBUDGET;
    ump_log_write(b->log, UMP_ERROR, "rule_save", NULL, ump_vm_error(b->vm));
    return err == UMP_VM_EMEMORY ? UMP_ENOMEM : UMP_EINVAL;
  }
  if (!add_state(b)) return UMP_ENOMEM;
  *out = ump_buf_bytes(&b->out);
  return 0;
}

/* ---- opening ---- */

static char *copy(const char *s, size_t n) {
  char *p = malloc(n);
  if (p) memcpy(p, s, n);
  return p;
}

/* root and file from the path, as it is now: a folder may have become a file since. */
bool ump__rules_place(struct ump_rules *r) {
  struct ump_buf root = ump_buf(&ump_mem_libc, 0), file = ump_buf(&ump_mem_libc, 0);
  ump__load_split(r->path, &root, &file);
  char *new_root = root.failed ? NULL : copy((char *)root.p, root.n),
       *new_file = file.failed ? NULL : copy((char *)file.p, file.n);
  ump_buf_free(&root);
  ump_buf_free(&file);
  if (!new_root || !new_file) {
    free(new_root), free(new_file);
    return false;
  }
  free(r->root), free(r->file);
  r->root = new_root, r->file = new_file;
  return true;
}

struct ump_book *ump__rules_new_book(struct ump_rules *r, struct ump_buf *findings) {
  char error[1024] = "";
  struct ump_vm_cfg cfg = r->cfg.vm;
  cfg.root = r->root;
  struct ump_book *b = ump__book_new(&cfg, r->cfg.engine, error, sizeof error);
  if (!b) ump_buf_print(findings, "%s: %s", r->path, error);
  return b;
}

static struct ump_rules *new_rules(const struct ump_rules_cfg *cfg) {
  struct ump_rules *r = calloc(1, sizeof *r);
  if (!r) return NULL;
  r->cfg = *cfg;
  if (!r->cfg.load_budget) r->cfg.load_budget = UMP_S;
  r->path = copy(cfg->path, strlen(cfg->path) + 1);
  if (r->path && ump__rules_place(r)) return r;
  ump_rules_close(r);
  return NULL;
}

static bool first_book(struct ump_rules *r, struct ump_load *how, ump_time now) {
  struct ump_engine *e = r->cfg.engine;
  struct ump_book *b = ump__rules_new_book(r, how->findings);
  if (!b) return false;
  bool ready = !r->cfg.start || ump__book_go_on(b, r->cfg.start);
  if (!ready) ump_buf_text(how->findings, "out of memory");
  struct ump_bytes state;
  split_saved(how->saved, &how->saved, &state);
  ready = ready && restore_state(e, state, how->findings);
  ump_engine_begin(e, &b->face, now);
  if (!ready || !ump__book_load(b, how)) {
    ump_engine_rollback(e);
    ump__book_free(b);
    return false;
  }
  ump_engine_commit(e);
  ump_engine_set_rulebook(e, &b->face, now);
  r->book = b;
  r->cfg.start = NULL;
  r->loads = 1;
  return true;
}

struct ump_rules *ump_rules_open(const struct ump_rules_cfg *cfg, struct ump_bytes saved, int64_t saved_version,
                                 ump_time now, struct ump_report *report) {
  struct ump_buf findings = ump_buf(&ump_mem_libc, 1 << 20);
  struct ump_rules *r = new_rules(cfg);
  if (!r) ump_buf_text(&findings, "out of memory");
  struct ump_load how = {
      .file = r ? r->file : NULL, .saved = saved, .saved_version = saved_version, .findings = &findings};
  how.budget = r ? r->cfg.load_budget : 0;
  bool ok = r && first_book(r, &how, now);
  if (report) *report = (struct ump_report){0};
  ump__report(report, ok, &findings);
  ump_buf_free(&findings);
  if (ok) return r;
  ump_rules_close(r);
  return NULL;
}

void ump_rules_close(struct ump_rules *r) {
  if (!r) return;
  if (r->book) ump_engine_set_rulebook(r->cfg.engine, NULL, ump_engine_now(r->cfg.engine));
  ump__book_free(r->book);
  free(r->path);
  free(r->root);
  free(r->file);
  free(r);
}

int ump_rules_set_path(struct ump_rules *r, const char *path) {
  char *new_path = copy(path, strlen(path) + 1);
  if (!new_path) return UMP_ENOMEM;
  free(r->path);
  r->path = new_path;
  return 0;
}

/* ---- facts ---- */

void ump_rules_info(const struct ump_rules *r, struct ump_rules_info *out) {
  const struct ump_book *b = r->book;
  *out = (struct ump_rules_info){.path = r->path,
                                 .version = b->version,
                                 .loads = r->loads,
                                 .refused = r->refused,
                                 .errors = r->errors + b->errors,
                                 .tripped = r->tripped + b->tripped,
                                 .memory = ump_vm_memory(b->vm)};
  snprintf(out->hash, sizeof out->hash, "%016llx", (unsigned long long)ump_vm_files_hash(b->vm));
}

void ump_rules_costs(const struct ump_rules *r, ump_rules_cost_fn *tell, void *ctx) {
  if (r->book->costs) ump_costs_each(r->book->costs, tell, ctx);
}

void ump_rules_faults(const struct ump_rules *r, ump_rules_fault_fn *tell, void *ctx) {
  for (int i = 0; i < UMP_FAULTS; i++) {
    const struct ump_fault *v = &r->book->faults.v[i];
    if (v->count) tell(ctx, &(struct ump_rules_fault){v->text, v->count, v->seen});
  }
}

size_t ump_rules_n_listen(const struct ump_rules *r) {
  return r->book->n_listen;
}

const char *ump_rules_listen(const struct ump_rules *r, size_t i) {
  const char *s = (const char *)r->book->listen.p;
  while (i--) s += strlen(s) + 1;
  return s;
}

size_t ump_rules_n_files(const struct ump_rules *r) {
  return ump_vm_n_files(r->book->vm);
}
const char *ump_rules_file(const struct ump_rules *r, size_t i) {
  return ump_vm_file(r->book->vm, i);
}
