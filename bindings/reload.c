/* What SIGHUP does: a fresh VM off to the side, loaded and checked, given copies of what the old one knows, and then
 * put in its place by one pointer. Until that moment nothing of the old one has changed, so any failure leaves things
 * as they were. */
#include <stdio.h>

#include "bindings/rules_state.h"

struct handing_over {
  struct ump_book *old, *fresh;
};

static int pack_body(lua_State *L) {
  struct handing_over *h = lua_touserdata(L, 1);
  ump__client_pack_all(L, h->old, h->fresh);
  return 0;
}

static void tell_error(struct ump_book *b, const char *during, struct ump_buf *findings) {
  struct ump_bytes e = ump_vm_error(b->vm);
  ump_buf_put(findings, e);
  ump_buf_print(findings, "\n    in %s of the rulebook in place", during);
}

/* save() and every client.data of the old VM, in bytes. False: findings says what is wrong with them. */
static bool hand_over(struct ump_book *old, struct ump_book *fresh, ump_time budget, struct ump_buf *findings) {
  struct handing_over h = {old, fresh};
  if (ump__book_save(old, budget) < 0) return tell_error(old, "save", findings), false;
  if (ump_vm_call_for(old->vm, pack_body, &h, budget) < 0) return tell_error(old, "client.data", findings), false;
  return true;
}

static bool build(struct ump_rules *r, struct ump_book *fresh, bool unheard, ump_time now, struct ump_buf *findings) {
  struct ump_engine *e = r->cfg.engine;
  struct ump_book *old = r->book;
  ump_engine_begin(e, &old->face, now);
  bool ok = hand_over(old, fresh, r->cfg.load_budget, findings);
  ump_engine_rollback(e);
  if (!ok) return false;
  struct ump_load how = {.file = r->file,
                         .saved = ump_buf_bytes(&old->out),
                         .saved_version = old->version,
                         .budget = r->cfg.load_budget,
                         .findings = findings};
  ump_engine_begin(e, &fresh->face, now);
  fresh->unheard = unheard;
  ok = ump__book_load(fresh, &how);
  fresh->unheard = false;
  ok ? ump_engine_commit(e) : ump_engine_rollback(e);
  return ok;
}

static void swap(struct ump_rules *r, struct ump_book *fresh, ump_time now) {
  struct ump_book *old = r->book;
  ump_engine_set_rulebook(r->cfg.engine, &fresh->face, now);
  r->book = fresh;
  r->errors += old->errors;
  r->tripped += old->tripped;
  r->loads++;
  ump__book_free(old);
}

static ump_time clock_of(const struct ump_rules *r) {
  const struct ump_vm_cfg *vm = &r->cfg.vm;
  return vm->now ? vm->now(vm->clock_ctx) : 0;
}

static bool reload(struct ump_rules *r, bool rehearsed, ump_time now, struct ump_report *report) {
  struct ump_buf findings = ump_buf(&ump_mem_libc, 1 << 20);
  ump_time start = clock_of(r);
  bool placed = ump__rules_place(r);
  if (!placed) ump_buf_text(&findings, "out of memory");
  struct ump_book *fresh = placed ? ump__rules_new_book(r, &findings) : NULL;
  bool ok = fresh && build(r, fresh, rehearsed, now, &findings);
  if (ok) {
    if (rehearsed) ump_vm_chance_from(fresh->vm, r->book->vm);
    swap(r, fresh, now);
  } else {
    ump__book_free(fresh);
    r->refused++;
  }
  if (report) *report = (struct ump_report){.took = clock_of(r) - start};
  ump__report(report, ok, &findings);
  ump_buf_free(&findings);
  return ok;
}

bool ump_rules_reload(struct ump_rules *r, ump_time now, struct ump_report *report) {
  return reload(r, false, now, report);
}

bool ump_rules_rehearse(struct ump_rules *r, ump_time now, struct ump_report *report) {
  return reload(r, true, now, report);
}
