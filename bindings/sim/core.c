/* The Lua module umpire.sim.core: translation only. scripts/umpire/sim is its one user and says what things mean; times
 * here are integers in ns, peers and listeners are the small numbers of world.h and network.h. */
#include <lauxlib.h>
#include <stdlib.h>

#include "bindings/value.h"
#include "stream.h"
#include "world.h"

#define WORLD "umpire.sim.core.World"

static const char live_key; /* registry: how many worlds are open */

int luaopen_umpire_sim_core(lua_State *L);

struct box {
  bool open, twin; /* a twin belongs to another world, and is not counted */
  struct ump_sim_world world;
};

static void count_live(lua_State *L, lua_Integer by) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &live_key);
  lua_pushinteger(L, lua_tointeger(L, -1) + by);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &live_key);
  lua_pop(L, 1);
}

static struct ump_sim_world *check(lua_State *L) {
  struct box *b = luaL_checkudata(L, 1, WORLD);
  if (!b->open) luaL_error(L, "this world is closed");
  return &b->world;
}

static uint32_t check_peer(lua_State *L, struct ump_sim_world *w, int arg) {
  lua_Integer i = luaL_checkinteger(L, arg);
  luaL_argcheck(L, i >= 0 && i < UINT32_MAX && ump_sim_net_alive(&w->net, (uint32_t)i), arg,
                "no such peer, or it is gone");
  return (uint32_t)i;
}

/* ---- life ---- */

static int core_new(lua_State *L) { /* seed, is a twin -> world */
  uint64_t seed = (uint64_t)luaL_checkinteger(L, 1);
  bool twin = lua_toboolean(L, 2);
  struct box *b = lua_newuserdatauv(L, sizeof *b, 0);
  b->twin = twin;
  b->open = false; /* owner first, resource second: nothing that raises stands after init */
  luaL_setmetatable(L, WORLD);
  if (!b->twin) count_live(L, 1);
  if (ump_sim_world_init(&b->world, seed) != 0) {
    ump_sim_world_deinit(&b->world);
    if (!b->twin) count_live(L, -1);
    return luaL_error(L, "out of memory");
  }
  b->open = true;
  return 1;
}

static int world_close(lua_State *L) { /* -> what was still allocated; nil: closed before */
  struct box *b = luaL_checkudata(L, 1, WORLD);
  if (!b->open) return 0;
  b->open = false;
  size_t left = ump_sim_world_deinit(&b->world);
  if (!b->twin) count_live(L, -1);
  lua_pushinteger(L, (lua_Integer)left);
  return 1;
}

static int core_open_objects(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &live_key);
  lua_pushinteger(L, lua_tointeger(L, -1));
  return 1;
}

static lua_Integer number_field(lua_State *L, int table, const char *name) {
  lua_getfield(L, table, name);
  lua_Integer v = lua_isnil(L, -1) ? 0 : luaL_checkinteger(L, -1);
  lua_pop(L, 1);
  return v;
}

static int push_report(lua_State *L, bool ok, struct ump_report *report) { /* ok, text, ns */
  lua_pushboolean(L, ok);
  lua_pushstring(L, report->text ? report->text : "");
  lua_pushinteger(L, report->took);
  ump_report_free(report);
  return 3;
}

static int world_open(lua_State *L) { /* path, library, limits -> ok, report, ns */
  struct ump_sim_world *w = check(L);
  struct ump_report report = {0};
  struct ump_rules_cfg cfg = {.path = luaL_checkstring(L, 2), .vm.library = luaL_checkstring(L, 3)};
  luaL_checktype(L, 4, LUA_TTABLE);
  luaL_argcheck(L, !w->rules, 1, "it has a rulebook already");
  cfg.vm.memory = (size_t)number_field(L, 4, "memory");
  cfg.vm.instructions = (uint64_t)number_field(L, 4, "instructions");
  cfg.load_budget = number_field(L, 4, "load_budget");
  bool ok = ump_sim_world_open(w, &cfg, &report);
  return push_report(L, ok, &report);
}

static int world_reload(lua_State *L) { /* -> ok, report, ns */
  struct ump_sim_world *w = check(L);
  struct ump_report report = {0};
  luaL_argcheck(L, w->rules, 1, "it has no rulebook");
  bool ok = ump_rules_reload(w->rules, w->now, &report);
  ump_sim_world_flush(w); /* what load() asked for */
  return push_report(L, ok, &report);
}

static int world_aim(lua_State *L) { /* path: of the rulebook at the next reload */
  struct ump_sim_world *w = check(L);
  const char *path = luaL_checkstring(L, 2);
  luaL_argcheck(L, w->rules, 1, "it has no rulebook");
  if (ump_rules_set_path(w->rules, path) != 0) return luaL_error(L, "out of memory");
  return 0;
}

static int world_chance(lua_State *L) { /* bytes: what is drawn next */
  struct ump_sim_world *w = check(L);
  size_t n;
  const char *bytes = luaL_checklstring(L, 2, &n);
  if (ump_sim_world_chance(w, ump_bytes(bytes, n)) != 0) return luaL_error(L, "out of memory");
  return 0;
}

static int world_give_id(lua_State *L) { /* text of a UUID: the next client's */
  struct ump_sim_world *w = check(L);
  struct ump_uuid id;
  size_t n;
  const char *text = luaL_checklstring(L, 2, &n);
  luaL_argcheck(L, ump_uuid_parse(ump_bytes(text, n), &id), 2, "a UUID expected");
  ump_engine_give_id(w->engine, &id);
  return 0;
}

static int world_drain(lua_State *L) {
  struct ump_sim_world *w = check(L);
  ump_engine_drain(w->engine, w->now);
  ump_sim_world_flush(w);
  return 0;
}

/* ---- listeners and peers ---- */

static int world_listen(lua_State *L) { /* scheme, {{name, text}, ...} -> index | nil, why */
  struct ump_sim_world *w = check(L);
  const char *scheme = luaL_checkstring(L, 2);
  struct ump_sim_option options[32];
  size_t n = (size_t)luaL_len(L, 3);
  luaL_argcheck(L, n <= 32, 3, "more than 32 options");
  for (size_t i = 0; i < n; i++) { /* the texts stay alive in the table */
    lua_geti(L, 3, (lua_Integer)i + 1);
    lua_geti(L, -1, 1), lua_geti(L, -2, 2);
    luaL_argcheck(L, lua_type(L, -2) == LUA_TSTRING && lua_type(L, -1) == LUA_TSTRING, 3, "pairs of strings expected");
    options[i].name = lua_tostring(L, -2);
    options[i].text.p = (const uint8_t *)lua_tolstring(L, -1, &options[i].text.n);
    lua_pop(L, 3);
  }
  uint32_t index;
  char why[200] = "";
  if (ump_sim_world_listen(w, scheme, options, n, &index, why) != 0) return luaL_pushfail(L), lua_pushstring(L, why), 2;
  lua_pushinteger(L, index);
  return 1;
}

static int world_urls(lua_State *L) { /* -> the rulebook's listen list */
  struct ump_sim_world *w = check(L);
  size_t n = w->rules ? ump_rules_n_listen(w->rules) : 0;
  lua_createtable(L, (int)n, 0);
  for (size_t i = 0; i < n; i++) {
    lua_pushstring(L, ump_rules_listen(w->rules, i));
    lua_seti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

static struct ump_addr check_addr(lua_State *L, int arg) { /* a, b, c, d, port */
  struct ump_addr a = {.family = 4};
  for (int i = 0; i < 4; i++) {
    lua_Integer v = luaL_checkinteger(L, arg + i);
    luaL_argcheck(L, v >= 0 && v <= 255, arg + i, "a byte of an IPv4 address expected");
    a.ip[i] = (uint8_t)v;
  }
  lua_Integer port = luaL_checkinteger(L, arg + 4);
  luaL_argcheck(L, port >= 1 && port <= 65535, arg + 4, "a port expected");
  a.port = (uint16_t)port;
  return a;
}

static int addr_result(lua_State *L, int err) {
  if (err == UMP_EFULL) return luaL_error(L, "that address and port belong to another client");
  if (err) return luaL_error(L, "%s", ump_err_name(err));
  return 0;
}

static int world_peer(lua_State *L) { /* a, b, c, d, port -> peer */
  struct ump_sim_world *w = check(L);
  struct ump_addr a = check_addr(L, 2);
  uint32_t peer;
  addr_result(L, ump_sim_net_peer(&w->net, &a, &peer));
  lua_pushinteger(L, peer);
  return 1;
}

static int world_move(lua_State *L) { /* peer, a, b, c, d, port */
  struct ump_sim_world *w = check(L);
  uint32_t peer = check_peer(L, w, 2);
  struct ump_addr a = check_addr(L, 3);
  return addr_result(L, ump_sim_net_move(&w->net, peer, &a));
}

static int world_alive(lua_State *L) { /* peer -> is it there */
  struct ump_sim_world *w = check(L);
  lua_Integer i = luaL_checkinteger(L, 2);
  lua_pushboolean(L, i >= 0 && i < UINT32_MAX && ump_sim_net_alive(&w->net, (uint32_t)i));
  return 1;
}

static int world_drop(lua_State *L) { /* peer */
  struct ump_sim_world *w = check(L);
  ump_sim_net_drop(&w->net, check_peer(L, w, 2));
  return 0;
}

static int world_send(lua_State *L) { /* peer, listener, bytes */
  struct ump_sim_world *w = check(L);
  uint32_t peer = check_peer(L, w, 2);
  lua_Integer listener = luaL_checkinteger(L, 3);
  size_t n;
  const char *bytes = luaL_checklstring(L, 4, &n);
  luaL_argcheck(L, listener >= 0 && (size_t)listener < ump_engine_n_listeners(w->engine), 3, "no such listener");
  return addr_result(L, ump_sim_net_send_up(&w->net, peer, (uint32_t)listener, ump_bytes(bytes, n), w->now));
}

static int world_wake(lua_State *L) { /* peer, time | nil */
  struct ump_sim_world *w = check(L);
  uint32_t peer = check_peer(L, w, 2);
  ump_time at = luaL_optinteger(L, 3, UMP_NEVER);
  return addr_result(L, ump_sim_net_wake(&w->net, peer, at < w->now ? w->now : at));
}

/* ---- streams ---- */

static int world_dial(lua_State *L) { /* peer, listener */
  struct ump_sim_world *w = check(L);
  uint32_t peer = check_peer(L, w, 2);
  lua_Integer l = luaL_checkinteger(L, 3);
  luaL_argcheck(L, l >= 0 && (size_t)l < ump_engine_n_listeners(w->engine), 3, "no such listener");
  luaL_argcheck(L, ump_engine_listener(w->engine, (uint32_t)l)->transport == UMP_STREAM, 3, "it takes datagrams");
  luaL_argcheck(L, !ump_sim_stream_dialled(&w->net, peer), 2, "it has dialled before");
  return addr_result(L, ump_sim_stream_dial(&w->net, peer, (uint32_t)l));
}

static uint32_t check_stream(lua_State *L, struct ump_sim_world *w) {
  uint32_t peer = check_peer(L, w, 2);
  luaL_argcheck(L, ump_sim_stream_dialled(&w->net, peer), 2, "it has not dialled");
  return peer;
}

static int world_write(lua_State *L) { /* peer, bytes -> true | false: it is closed on our side */
  struct ump_sim_world *w = check(L);
  uint32_t peer = check_stream(L, w);
  size_t n;
  const char *bytes = luaL_checklstring(L, 3, &n);
  int err = ump_sim_stream_write(&w->net, peer, UMP_SIM_UP, ump_bytes(bytes, n));
  if (err == UMP_EFULL) return luaL_error(L, "more than 64 MiB wait to be sent");
  if (err == UMP_ENOMEM) return luaL_error(L, "out of memory");
  lua_pushboolean(L, err == 0);
  return 1;
}

static int world_shut(lua_State *L) { /* peer: it says no more (FIN) */
  struct ump_sim_world *w = check(L);
  ump_sim_stream_shut(&w->net, check_stream(L, w), UMP_SIM_UP);
  return 0;
}

static int world_reset(lua_State *L) { /* peer: it resets the connection (RST) */
  struct ump_sim_world *w = check(L);
  ump_sim_stream_reset(&w->net, check_stream(L, w), UMP_SIM_UP);
  return 0;
}

static int world_pause(lua_State *L) { /* peer, on: it reads nothing */
  struct ump_sim_world *w = check(L);
  ump_sim_stream_pause(&w->net, check_stream(L, w), UMP_SIM_DOWN, lua_toboolean(L, 3));
  return 0;
}

/* ---- time and weather ---- */

static const char *const news[] = {
    [UMP_SIM_OPENED] = "open", [UMP_SIM_DATA] = "data", [UMP_SIM_END] = "end", [UMP_SIM_RESET] = "reset"};

/* until, quiet -> peer, bytes | peer (its alarm) | nothing. On a stream: peer, bytes or nil, "open" "data" "end"
 * "reset" */
static int world_run(lua_State *L) {
  struct ump_sim_world *w = check(L);
  struct ump_sim_arrival a;
  enum ump_sim_stop stop = ump_sim_world_run(w, luaL_checkinteger(L, 2), lua_toboolean(L, 3), &a);
  if (stop == UMP_SIM_STUCK) return luaL_error(L, "the engine's deadline has passed and it does nothing about it");
  if (stop == UMP_SIM_REFUSED)
    return luaL_error(L, "the rulebook could not be loaded again:\n%s", w->rehearsal.refusal);
  if (stop == UMP_SIM_REACHED) return 0;
  lua_pushinteger(L, a.peer);
  if (a.what == UMP_SIM_WAKE) return 1;
  if (a.news && a.news != UMP_SIM_DATA)
    lua_pushnil(L);
  else
    lua_pushlstring(L, a.data.n ? (const char *)a.data.p : "", a.data.n);
  if (!a.news) return 2;
  lua_pushstring(L, news[a.news]);
  return 3;
}

static int world_now(lua_State *L) {
  lua_pushinteger(L, check(L)->now);
  return 1;
}

static enum ump_sim_way check_way(lua_State *L, int arg) { /* 1 up, 2 down */
  lua_Integer way = luaL_checkinteger(L, arg);
  luaL_argcheck(L, way == 1 || way == 2, arg, "1 or 2 expected");
  return way == 1 ? UMP_SIM_UP : UMP_SIM_DOWN;
}

static int world_cut(lua_State *L) { /* peer, way, on: its link carries nothing that way */
  struct ump_sim_world *w = check(L);
  uint32_t peer = check_peer(L, w, 2);
  ump_sim_net_cut(&w->net, peer, check_way(L, 3), lua_toboolean(L, 4), w->now);
  return 0;
}

static int world_silence(lua_State *L) { /* peer, on: both ways */
  struct ump_sim_world *w = check(L);
  uint32_t peer = check_peer(L, w, 2);
  for (int way = 0; way < 2; way++) ump_sim_net_cut(&w->net, peer, (enum ump_sim_way)way, lua_toboolean(L, 3), w->now);
  return 0;
}

static struct ump_sim_link check_link(lua_State *L, int arg) { /* loss, ... as in struct ump_sim_link */
  return (struct ump_sim_link){.loss = luaL_checknumber(L, arg),
                               .duplicate = luaL_checknumber(L, arg + 1),
                               .reorder = luaL_checknumber(L, arg + 2),
                               .lag = luaL_checkinteger(L, arg + 3),
                               .jitter = luaL_checkinteger(L, arg + 4),
                               .rate = luaL_checknumber(L, arg + 5),
                               .cut = luaL_checknumber(L, arg + 6),
                               .split = (int32_t)luaL_checkinteger(L, arg + 7),
                               .window = (uint32_t)luaL_checkinteger(L, arg + 8)};
}

static int world_network(lua_State *L) { /* way, loss, ... */
  struct ump_sim_world *w = check(L);
  enum ump_sim_way way = check_way(L, 2);
  w->net.link[way] = check_link(L, 3);
  return 0;
}

static int world_weather(lua_State *L) { /* peer, way, loss, ... | nothing more: everybody's again */
  struct ump_sim_world *w = check(L);
  uint32_t peer = check_peer(L, w, 2);
  enum ump_sim_way way = check_way(L, 3);
  struct ump_sim_link link;
  if (!lua_isnoneornil(L, 4)) link = check_link(L, 4);
  ump_sim_net_weather(&w->net, peer, way, lua_isnoneornil(L, 4) ? NULL : &link);
  return 0;
}

/* ---- looking ---- */

static void set_string(lua_State *L, const char *key, const char *value) {
  if (!value) return;
  lua_pushstring(L, value);
  lua_setfield(L, -2, key);
}

static void set_integer(lua_State *L, const char *key, uint64_t value) {
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, key);
}

static void push_client(lua_State *L, const struct ump_client *c) {
  char id[UMP_UUID_TEXT], addr[UMP_ADDR_TEXT];
  ump_uuid_print(&c->id, id);
  ump_addr_print(&c->addr, addr);
  lua_createtable(L, 0, 6);
  lua_pushlstring(L, id, sizeof id);
  lua_setfield(L, -2, "id");
  set_string(L, "address", addr);
  set_string(L, "protocol", c->protocol);
  set_string(L, "name", c->name);
  set_string(L, "version", c->version);
}

static int world_clients(lua_State *L) {
  struct ump_sim_world *w = check(L);
  lua_newtable(L);
  lua_Integer i = 0;
  for (const struct ump_client *c = NULL; (c = ump_engine_next_client(w->engine, c));) {
    push_client(L, c);
    lua_seti(L, -2, ++i);
  }
  return 1;
}

static void add_counters(lua_State *L, const char *prefix, struct ump_counters c) {
  for (size_t i = 0; i < c.n; i++) {
    lua_pushfstring(L, "%s.%s", prefix, c.names[i]);
    lua_pushvalue(L, -1);
    lua_Integer before = lua_rawget(L, -3) == LUA_TNUMBER ? lua_tointeger(L, -1) : 0; /* table, name, before */
    lua_pop(L, 1);
    lua_pushinteger(L, before + (lua_Integer)c.counts[i]);
    lua_rawset(L, -3);
  }
}

static int world_counters(lua_State *L) {
  struct ump_sim_world *w = check(L);
  lua_newtable(L);
  add_counters(L, "engine", ump_engine_counters(w->engine));
  for (uint32_t l = 0; l < ump_engine_n_listeners(w->engine); l++) {
    add_counters(L, ump_engine_listener(w->engine, l)->scheme, ump_engine_listener_counters(w->engine, l));
  }
  for (int i = 0; i < UMP_SIM_COUNTS; i++) set_integer(L, ump_sim_count_names[i], w->net.counts[i]);
  return 1;
}

/* What protocols over datagrams hold besides their sessions: above all, what they repeat until it is confirmed. */
static uint64_t unconfirmed(const struct ump_engine *e) {
  uint64_t sum = 0;
  for (uint32_t l = 0; l < ump_engine_n_listeners(e); l++) {
    if (ump_engine_listener(e, l)->transport == UMP_STREAM) continue;
    uint64_t load = ump_engine_listener_load(e, l), clients = 0;
    for (const struct ump_client *c = NULL; (c = ump_engine_next_client(e, c));) clients += c->listener == l;
    sum += load > clients ? load - clients : 0;
  }
  return sum;
}

static int world_info(lua_State *L) {
  struct ump_sim_world *w = check(L);
  lua_newtable(L);
  set_integer(L, "load", ump_engine_load(w->engine));
  set_integer(L, "unconfirmed", unconfirmed(w->engine));
  set_integer(L, "datagrams", w->net.datagrams);
  set_integer(L, "under_way", w->net.under_way + ump_sim_stream_due(&w->net));
  set_integer(L, "bytes", w->used.bytes);
  set_integer(L, "peak", w->used.peak);
  set_integer(L, "log_dropped", w->dropped_lines);
  if (!w->rules) return 1;
  struct ump_rules_info info;
  ump_rules_info(w->rules, &info);
  set_string(L, "path", info.path);
  set_string(L, "hash", info.hash);
  set_integer(L, "version", (uint64_t)info.version);
  set_integer(L, "loads", info.loads), set_integer(L, "refused", info.refused);
  set_integer(L, "errors", info.errors), set_integer(L, "tripped", info.tripped);
  set_integer(L, "memory", info.memory);
  return 1;
}

static int world_hash(lua_State *L) {
  char text[20];
  struct ump_sim_world *w = check(L);
  for (int i = 0; i < 16; i++) text[i] = "0123456789abcdef"[w->net.trace >> (60 - 4 * i) & 15];
  lua_pushlstring(L, text, 16);
  return 1;
}

static int world_log(lua_State *L) { /* -> {{ns, level, cause, text}, ...}: the lines since the last call */
  static const char *const levels[] = {"debug", "info", "warn", "error"};
  struct ump_sim_world *w = check(L);
  size_t n = w->n_lines;
  lua_createtable(L, (int)n, 0);
  for (size_t i = 0; i < n; i++) {
    const struct ump_sim_line *line = &w->lines[i];
    lua_createtable(L, 4, 0);
    lua_pushinteger(L, line->at), lua_seti(L, -2, 1);
    lua_pushstring(L, levels[line->level & 3]), lua_seti(L, -2, 2);
    lua_pushstring(L, line->cause), lua_seti(L, -2, 3);
    lua_pushlstring(L, line->text, line->n), lua_seti(L, -2, 4);
    lua_seti(L, -2, (lua_Integer)i + 1);
  }
  for (size_t i = 0; i < n; i++) free(w->lines[i].text);
  w->n_lines = 0;
  return 1;
}

/* ---- the rulebook from outside ---- */

static int world_rehearse(lua_State *L) { /* from now on */
  struct ump_sim_world *w = check(L);
  luaL_argcheck(L, w->rules, 1, "it has no rulebook");
  ump_sim_world_rehearse(w);
  return 0;
}

static int world_rehearsed(lua_State *L) { /* -> how often, ns of the last, peer, what it had sent, its bytes in all */
  const struct ump_sim_rehearsal *r = &check(L)->rehearsal;
  lua_pushinteger(L, (lua_Integer)r->n);
  lua_pushinteger(L, r->at);
  lua_pushinteger(L, r->peer);
  lua_pushlstring(L, (const char *)r->bytes, r->shown);
  lua_pushinteger(L, (lua_Integer)r->n_bytes);
  return 5;
}

/* "clients" | "schema" | "config" | "saved" | "state" (enum ump_peek), packed -> a value, or its bytes | nil, why: the
 * log has more */
static int world_peek(lua_State *L) {
  static const char *const names[] = {"clients", "schema", "config", "saved", "state", NULL};
  struct ump_sim_world *w = check(L);
  int what = luaL_checkoption(L, 2, NULL, names);
  struct ump_bytes out;
  luaL_argcheck(L, w->rules, 1, "it has no rulebook");
  int err = ump_rules_peek(w->rules, (enum ump_peek)what, w->now, &out);
  if (err) return luaL_pushfail(L), lua_pushstring(L, ump_err_name(err)), 2;
  if (lua_toboolean(L, 3))
    lua_pushlstring(L, out.n ? (const char *)out.p : "", out.n);
  else if (out.n)
    ump_value_push(L, out);
  else
    lua_pushnil(L);
  return 1;
}

static const luaL_Reg methods[] = {
    {"chance", world_chance},
    {"give_id", world_give_id},
    {"open", world_open},
    {"reload", world_reload},
    {"aim", world_aim},
    {"drain", world_drain},
    {"close", world_close},
    {"listen", world_listen},
    {"urls", world_urls},
    {"peer", world_peer},
    {"move", world_move},
    {"drop", world_drop},
    {"send", world_send},
    {"wake", world_wake},
    {"run", world_run},
    {"now", world_now},
    {"network", world_network},
    {"clients", world_clients},
    {"counters", world_counters},
    {"info", world_info},
    {"hash", world_hash},
    {"log", world_log},
    {"dial", world_dial},
    {"write", world_write},
    {"shut", world_shut},
    {"reset", world_reset},
    {"pause", world_pause},
    {"silence", world_silence},
    {"cut", world_cut},
    {"alive", world_alive},
    {"weather", world_weather},
    {"rehearse", world_rehearse},
    {"rehearsed", world_rehearsed},
    {"peek", world_peek},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {{"new", core_new}, {"open_objects", core_open_objects}, {NULL, NULL}};

int luaopen_umpire_sim_core(lua_State *L) {
  ump_value_open(L);
  luaL_newmetatable(L, WORLD);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, world_close);
  lua_setfield(L, -2, "__gc");
  lua_pushboolean(L, false);
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  lua_pushinteger(L, UMP_SIM_EPOCH);
  lua_setfield(L, -2, "epoch");
  lua_pushstring(L, UMPIRE_VERSION);
  lua_setfield(L, -2, "version");
  return 1;
}
