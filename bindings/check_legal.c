/* Does legal change anything? The rulebook is opened once more, in an engine of its own with players that nobody hears,
 * and plays: before each event the judges are asked by scripts/umpire/check.lua, which sees what they change; then the
 * event is judged and executed as ever, so that the next ones find a game under way. All of it within the usual
 * budgets, and within half a second. What is found is certain; what no made-up event brought about is not found. */
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>

#include "bindings/check_inside.h"
#include "bindings/check_player.h"
#include "bindings/rules_state.h"

enum { SCHEMES = 6, PER_SCHEME = 2, TRIPS = 3 };
#define PLAY_TIME (UMP_S / 2)
#define STEP      (UMP_S / 3) /* of the players' clock, between events */

struct legal {
  struct ump_checking *c;
  struct ump_book *book;
  struct ump_engine *engine;
  struct ump__player players[SCHEMES];
  size_t n_players;
  char schemes[SCHEMES][16];
  char channels[UMP__PLAYERS][256];
  uint32_t n_channels;
  ump_time now;
  int checker; /* registry reference of what check.lua returns */
  size_t n_samples, at;
  struct ump_buf name, data; /* of the sample under way */
  bool has_name, has_data;
  struct ump_client *client;
};

/* ---- check.lua ---- */

/* Into the table on top: legal as a list; others, those through which a game goes on. */
static void set_handlers(lua_State *L, const struct ump_book *b) {
  static const enum ump_handler others[] = {UMP_H_EXECUTE, UMP_H_TICK, UMP_H_LOGIN};
  lua_newtable(L);
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    if (ump__book_push_handler(L, b, others[i])) lua_setfield(L, -2, ump__handler_names[others[i]]);
  lua_setfield(L, -2, "others");
  ump__book_push_handler(L, b, UMP_H_LEGAL);
  if (!lua_istable(L, -1)) {
    lua_newtable(L);
    lua_insert(L, -2);
    lua_rawseti(L, -2, 1);
  }
  lua_setfield(L, -2, "legal");
}

/* The library's files by the names that they have in the VM: "@umpire/middleware/schema.lua". */
static void set_shipped(lua_State *L, const struct ump_book *b) {
  lua_newtable(L);
  for (size_t i = 0; i < ump_vm_n_files(b->vm); i++) {
    const char *path = ump_vm_file(b->vm, i);
    if (!ump__is_shipped(b, path)) continue;
    lua_pushfstring(L, "@%s", path + strlen(b->cfg.library) + 1);
    lua_pushboolean(L, 1);
    lua_rawset(L, -3);
  }
  lua_setfield(L, -2, "shipped");
}

static void push_given(lua_State *L, struct legal *l) {
  lua_newtable(L);
  set_handlers(L, l->book);
  set_shipped(L, l->book);
  lua_newtable(L);
  struct ump_checking here = *l->c;
  here.book = l->book;
  ump__check_strings(L, &here);
  lua_setfield(L, -2, "strings");
  if (l->book->face.config.n)
    ump_value_push(L, l->book->face.config);
  else
    lua_newtable(L);
  lua_setfield(L, -2, "declared");
}

static void note_channels(lua_State *L, struct legal *l) { /* the table `given` is on top */
  lua_getfield(L, -1, "declared");
  if (lua_getfield(L, -1, "channels") == LUA_TTABLE)
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
      if (lua_type(L, -2) == LUA_TSTRING && l->n_channels < UMP__PLAYERS / PER_SCHEME)
        snprintf(l->channels[l->n_channels++], sizeof *l->channels, "%s", lua_tostring(L, -2));
  lua_pop(L, 2);
}

static int open_body(lua_State *L) {
  struct legal *l = lua_touserdata(L, 1);
  char path[4096];
  luaL_checkstack(L, 20, NULL);
  snprintf(path, sizeof path, "%s/umpire/check.lua", l->book->cfg.library);
  if (luaL_loadfilex(L, path, "t") != LUA_OK) return lua_error(L);
  lua_pushcfunction(L, luaopen_debug);
  lua_call(L, 0, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, l->book->host);
  push_given(L, l);
  note_channels(L, l);
  lua_call(L, 3, 1);
  lua_getfield(L, -1, "samples");
  l->n_samples = lua_rawlen(L, -1);
  lua_pop(L, 1);
  l->checker = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

/* The sample under way, packed, for the event that check.lua sees and the one that is played. */
static int sample_body(lua_State *L) {
  static const struct ump_packing how = {"data", "sent", 0};
  struct legal *l = lua_touserdata(L, 1);
  ump_buf_clear(&l->name), ump_buf_clear(&l->data);
  lua_rawgeti(L, LUA_REGISTRYINDEX, l->checker);
  lua_getfield(L, -1, "samples");
  lua_rawgeti(L, -1, (lua_Integer)l->at + 1);
  l->has_name = lua_rawgeti(L, -1, 1) == LUA_TSTRING;
  if (l->has_name) ump_buf_put(&l->name, ump_bytes(lua_tostring(L, -1), lua_rawlen(L, -1)));
  l->has_data = lua_rawgeti(L, -2, 2) != LUA_TNIL;
  if (l->has_data) ump_value_pack(L, -1, &how, &l->data);
  return 0;
}

static struct ump_event event_of(const struct legal *l) {
  return (struct ump_event){.type = UMP_EVENT_JUDGE,
                            .session = l->client->session,
                            .client = l->client,
                            .from = &l->client->addr,
                            .has_name = l->has_name,
                            .has_data = l->has_data,
                            .name = ump_buf_bytes(&l->name),
                            .data = ump_buf_bytes(&l->data),
                            .encoding = UMP_PLAIN};
}

static int try_body(lua_State *L) {
  struct legal *l = lua_touserdata(L, 1);
  struct ump_event ev = event_of(l);
  ev.id = ump_text("00000000-0000-4000-8000-000000000000");
  lua_rawgeti(L, LUA_REGISTRYINDEX, l->checker);
  lua_getfield(L, -1, "try");
  ump__client_push(L, l->book, l->client);
  ump__event_push(L, l->book, &ev);
  l->book->refuses = "legal";
  lua_call(L, 2, 0);
  return 0;
}

static int findings_body(lua_State *L) {
  struct legal *l = lua_touserdata(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, l->checker);
  lua_getfield(L, -1, "findings");
  for (lua_Unsigned i = 1; i <= lua_rawlen(L, -1); i++) {
    lua_rawgeti(L, -1, (lua_Integer)i);
    for (int k = 1; k <= 3; k++) lua_rawgeti(L, -k, k);
    ump__found(&l->c->out->errors, lua_tostring(L, -3), (int)lua_tointeger(L, -2), "%s", lua_tostring(L, -1));
    lua_pop(L, 4);
  }
  return 0;
}

/* ---- players ---- */

static void note_scheme(struct legal *l, const char *url, size_t n) {
  for (size_t i = 0; i < l->n_players; i++)
    if (strlen(l->schemes[i]) == n && memcmp(l->schemes[i], url, n) == 0) return;
  if (l->n_players == SCHEMES || n >= sizeof *l->schemes) return;
  memcpy(l->schemes[l->n_players], url, n);
  l->schemes[l->n_players++][n] = 0;
}

static void note_schemes(struct legal *l) {
  const char *url = (const char *)l->book->listen.p;
  for (size_t i = 0; i < l->book->n_listen; i++, url += strlen(url) + 1) note_scheme(l, url, strcspn(url, ":"));
  if (!l->n_players) note_scheme(l, "neteria", 7);
}

/* Two of each kind, of whom one is logged in. */
static void connect_player(struct legal *l, size_t i, uint32_t session) {
  struct ump__player *p = &l->players[i];
  struct ump_addr from = {.family = 4, .ip = {192, 0, 2, (uint8_t)(1 + i * UMP__PLAYERS + session)}, .port = 50000};
  struct ump_event ev = {.type = UMP_EVENT_CONNECT, .session = session, .from = &from};
  bool joint = strcmp(l->schemes[i], "joint") == 0;
  if (joint && l->n_channels) ev.channel = ump_text(l->channels[session / PER_SCHEME]);
  ump__player_say(p, l->engine, &ev, l->now);
  if (!p->clients[session] || session % PER_SCHEME) return;
  struct ump_event name = {.type = UMP_EVENT_NAME,
                           .session = session,
                           .from = &from,
                           .client = p->clients[session],
                           .user = ump_text("ann")};
  ump__player_say(p, l->engine, &name, l->now);
}

static void connect_all(struct legal *l) {
  for (size_t i = 0; i < l->n_players; i++) {
    uint32_t n = strcmp(l->schemes[i], "joint") == 0 && l->n_channels ? PER_SCHEME * l->n_channels : PER_SCHEME;
    for (uint32_t s = 0; s < n; s++)
      if (!l->players[i].clients[s]) connect_player(l, i, s);
  }
}

/* ---- playing ---- */

static void play_one(struct legal *l, struct ump__player *p, struct ump_client *client, unsigned *trips) {
  l->client = client;
  if (ump_vm_call(l->book->vm, sample_body, l) < 0) return;
  int err = ump_vm_call(l->book->vm, try_body, l);
  if (err == UMP_VM_EBUDGET) ++*trips;
  l->book->refuses = NULL;
  struct ump_event ev = event_of(l);
  ump__player_say(p, l->engine, &ev, l->now);
  l->now += STEP;
  ump_engine_expire(l->engine, l->now);
}

static ump_time clock_of(const struct ump_vm_cfg *vm) {
  return vm->now ? vm->now(vm->clock_ctx) : 0;
}

static void play(struct legal *l) {
  const struct ump_vm_cfg *vm = &l->c->cfg->vm;
  ump_time began = clock_of(vm);
  unsigned trips = 0;
  for (l->at = 0; l->at < l->n_samples; l->at++) {
    connect_all(l); /* whoever was kicked comes again */
    for (size_t i = 0; i < l->n_players; i++)
      for (uint32_t s = 0; s < UMP__PLAYERS; s++) {
        struct ump_client *client = l->players[i].clients[s];
        if (client) play_one(l, &l->players[i], client, &trips);
        if (trips >= TRIPS || clock_of(vm) - began > PLAY_TIME) return;
      }
  }
}

static void play_in(struct legal *l, struct ump_rules *rules) {
  l->book = rules->book;
  note_schemes(l);
  for (size_t i = 0; i < l->n_players; i++)
    if (ump__player_listen(&l->players[i], l->engine, l->schemes[i], l->now) < 0) return;
  if (ump_vm_call_for(l->book->vm, open_body, l, UMP_S) == 0) {
    play(l);
    ump_vm_call_for(l->book->vm, findings_body, l, UMP_S);
  } else {
    ump__found(&l->c->out->warnings, l->c->shown, 0, "legal was not tried: %.*s", (int)ump_vm_error(l->book->vm).n,
               (const char *)ump_vm_error(l->book->vm).p);
  }
  ump_engine_drain(l->engine, l->now);
}

void ump__check_legal(struct ump_checking *c) {
  static const struct ump_log silence = {0};
  struct ump_rng_seeded seeded;
  if (c->book->handlers[UMP_H_LEGAL] == LUA_NOREF) return;
  ump_rng_seed(&seeded, 1); /* the same finding each time */
  struct ump_rng rng = ump_rng_of(&seeded);
  struct legal *l = ump_zalloc(&ump_mem_libc, sizeof *l);
  struct ump_engine_cfg cfg = {.mem = &ump_mem_libc, .rng = &rng, .log = &silence, .limits = {.window_bytes = 4 << 20}};
  if (!l) return;
  *l = (struct legal){.c = c, .checker = LUA_NOREF, .now = UMP_S};
  l->name = l->data = ump_buf(&ump_mem_libc, 1 << 20);
  l->engine = ump_engine_new(&cfg, l->now);
  struct ump_rules_cfg how = {.path = c->cfg->path, .vm = c->cfg->vm, .engine = l->engine};
  how.vm.log = &silence, how.vm.rng = rng;
  struct ump_rules *rules = l->engine ? ump_rules_open(&how, ump_bytes(NULL, 0), 0, l->now, NULL) : NULL;
  if (rules) play_in(l, rules);
  ump_rules_close(rules);
  ump_engine_free(l->engine);
  ump_buf_free(&l->name);
  ump_buf_free(&l->data);
  ump_free(&ump_mem_libc, l, sizeof *l);
}
