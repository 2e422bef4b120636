/* How things stand in a rulebook, so that another VM can go on from there: what a recording begins with. The same data
 * as a reload hands over (reload.c), and the same contract: what is in neither save() nor client.data is not in it. */
#include <lauxlib.h>

#include "bindings/rules_state.h"

struct packing {
  struct ump_book *from, *to;
};

static int pack_body(lua_State *L) {
  struct packing *p = lua_touserdata(L, 1);
  ump__client_pack_all(L, p->from, p->to);
  return 0;
}

static struct ump_bytes data_of(const struct ump_book *kept, const struct ump_client *c) {
  const struct ump_seat *seat = c->slot < kept->n_seats ? &kept->seats[c->slot] : NULL;
  return seat && seat->n_kept ? ump_bytes(kept->kept.p + seat->kept, seat->n_kept) : ump_bytes(NULL, 0);
}

int ump_rules_snapshot(struct ump_rules *r, ump_time now, const struct ump_rules_teller *tell) {
  struct ump_book *b = r->book, kept = {.mem = &ump_mem_libc, .kept = ump_buf(&ump_mem_libc, 0)};
  struct packing p = {b, &kept};
  ump_engine_begin(b->engine, &b->face, now);
  int err = ump__book_save(b, r->cfg.load_budget);
  if (err >= 0) err = ump_vm_call_for(b->vm, pack_body, &p, r->cfg.load_budget);
  ump_engine_rollback(b->engine);
  if (err < 0) {
    ump_log_write(b->log, UMP_ERROR, "rule_snapshot", NULL, ump_vm_error(b->vm));
  } else {
    tell->saved(tell->ctx, ump_buf_bytes(&b->out), b->version);
    for (const struct ump_client *c = NULL; (c = ump_engine_next_client(b->engine, c));)
      tell->client(tell->ctx, c, data_of(&kept, c));
  }
  ump_buf_free(&kept.kept);
  ump_free(kept.mem, kept.seats, kept.n_seats * sizeof *kept.seats);
  return err < 0 ? UMP_EINVAL : 0;
}

void ump_rules_random(const struct ump_rules *r, uint64_t state[4]) {
  memcpy(state, ump_vm_random(r->book->vm)->s, 4 * sizeof *state);
}

struct ump_bytes ump_rules_declared(const struct ump_rules *r) {
  return r->book->face.config;
}

struct ump_bytes ump_rules_error(const struct ump_rules *r) {
  return ump_vm_error(r->book->vm);
}

/* ---- going on from it ---- */

static bool make_seats(struct ump_book *b, size_t n) {
  if (n == 0) return true;
  struct ump_seat *seats = ump_zalloc(b->mem, n * sizeof *seats);
  if (!seats) return false;
  for (size_t i = 0; i < n; i++) seats[i].ref = LUA_NOREF;
  b->seats = seats, b->n_seats = (uint32_t)n;
  return true;
}

bool ump__book_go_on(struct ump_book *b, const struct ump_rules_start *s) {
  size_t i = 0, most = 0;
  if (s->random) memcpy(ump_vm_random(b->vm)->s, s->random, sizeof ump_vm_random(b->vm)->s);
  for (const struct ump_client *c = NULL; (c = ump_engine_next_client(b->engine, c));)
    if (c->slot >= most) most = (size_t)c->slot + 1;
  if (!make_seats(b, most)) return false;
  for (const struct ump_client *c = NULL; i < s->n_clients && (c = ump_engine_next_client(b->engine, c)); i++) {
    struct ump_seat *seat = &b->seats[c->slot];
    seat->kept = b->kept.n, seat->n_kept = s->clients[i].n;
    ump_buf_put(&b->kept, s->clients[i]);
    b->n_kept += seat->n_kept > 0;
  }
  return !b->kept.failed;
}
