/* Memory: the cap, exact accounts, and each allocation failing in turn. And the ends that nobody comes back from. */
#include "vm_testing.h"

#include "bindings/vm_state.h"

#include <sys/wait.h>
#include <unistd.h>

static void test_vm_is_made_or_says_why_not(void **state) {
  (void)state;
  struct vm_test t;
  char error[256];
  size_t refused = 0;
  for (size_t memory = 64; memory < 1 << 20; memory += 160) {
    vm_test_init(&t);
    t.cfg.memory = memory;
    t.vm = ump_vm_new(&t.cfg, error, sizeof error);
    if (t.vm) break;
    assert_int_equal(strncmp(error, "cannot make a Lua VM: ", 22), 0);
    refused++;
  }
  assert_non_null(t.vm);
  assert_true(refused > 100);
  assert_true(ump_vm_memory(t.vm) < 64 << 10); /* what an empty VM costs */
  vm_test_gives(&t, "return 1", "1");
  vm_test_close(&t);
}

static int collect(lua_State *L) {
  lua_gc(L, LUA_GCCOLLECT);
  return 0;
}

static void test_vm_counts_every_byte(void **state) {
  (void)state;
  struct vm_test t;
  vm_test_init(&t), vm_test_open(&t);
  size_t before = 0;
  for (int i = 0; i < 20; i++) {
    vm_test_gives(&t,
                  "local t = {} for i = 1, 2000 do t[i] = {tostring(i), ('x'):rep(i)} end table.sort(t, function(a, b) "
                  "return a[1] < b[1] end) local s = table.concat({('ab'):rep(9999):gsub('a', 'b')}) "
                  "coroutine.wrap(function() coroutine.yield(#s) end)() return load('return 1')()",
                  "1");
    lua_State *L = ump_vm_state(t.vm);
    size_t lua_says = (size_t)lua_gc(L, LUA_GCCOUNT) * 1024 + (size_t)lua_gc(L, LUA_GCCOUNTB);
    assert_int_equal(ump_vm_memory(t.vm), lua_says);
    assert_int_equal(ump_vm_call(t.vm, collect, NULL), 0);
    if (i == 1) before = ump_vm_memory(t.vm); /* by then strings that stay are there */
  }
  assert_in_range(ump_vm_memory(t.vm), before - 4096,
                  before + 4096); /* Lua's table of strings has one size or the next */
  vm_test_close(&t);
}

static void test_vm_ends_a_call_that_wants_too_much(void **state) {
  (void)state;
  static const char *const greedy[] = {
      "local t = {} for i = 1, 1e9 do t[i] = {} end",
      "local s = 'x' while true do s = s .. s end",
      "local t = {} while true do t[#t + 1] = coroutine.create(print) end",
      "local t = {} while true do t[{}] = #t end",
      "string.pack('c2000000000', '')",
      "local s = ('x'):rep(1 << 20) return (s:gsub('x', s))",
      "local t = {} for i = 1, 99999 do t[i] = ('x'):rep(1000) .. i end return table.concat(t)",
      "local function f(...) return f(1, ...) end f()",
      ("return ('%s'):rep(99):format(table.unpack((function() local t = {} "
       "for i = 1, 99 do t[i] = ('x'):rep(1 << 19) .. i end return t end)()))")};
  struct vm_test t;
  vm_test_init(&t);
  t.cfg.memory = 4 << 20, t.cfg.instructions = 100000000;
  vm_test_open(&t);
  for (size_t i = 0; i < sizeof greedy / sizeof *greedy; i++) {
    vm_test_fails(&t, greedy[i], UMP_VM_EMEMORY, "the rulebook uses more than 4 MiB of memory, the most it may have");
    assert_true(ump_vm_memory(t.vm) <= 4 << 20);
    vm_test_gives(&t, "return #('x'):rep(99999)", "99999");
    assert_int_equal(ump_vm_call(t.vm, collect, NULL), 0);
    assert_true(ump_vm_memory(t.vm) < 128 << 10);
  }
  vm_test_fails(&t, "local function grow() local t = {} for i = 1, 1e9 do t[i] = {} end end\ngrow()", UMP_VM_EMEMORY,
                "test:1: the rulebook uses more than");
  /* no place: it may be the stack itself that could not grow, which nobody may look at then (alloc.c) */
  vm_test_fails(&t, "local function f() return f() + 1 end\nf()", UMP_VM_EMEMORY,
                "the rulebook uses more than 4 MiB of memory, the most it may have: here it is over 10000 calls deep");
  /* caught, it is an ordinary error */
  vm_test_gives(&t, "return select(2, pcall(function() local s = 'x' while true do s = s .. s end end))",
                "not enough memory");
  vm_test_close(&t);
}

static size_t resident(void) { /* bytes of this process in memory */
  size_t pages = 0;
  FILE *f = fopen("/proc/self/statm", "r");
  if (f && fscanf(f, "%*u %zu", &pages) != 1) pages = 0;
  if (f) fclose(f);
  return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Small blocks of one size are not given to another, yet all together never hold more than twice what the cap says. */
static void test_vm_memory_is_bounded_by_the_cap_whatever_the_sizes(void **state) {
  (void)state;
  struct vm_test t;
  char text[256];
  enum { CAP = 16 << 20 };
  vm_test_init(&t);
  size_t before = resident();
  t.cfg.memory = CAP, t.cfg.instructions = 100000000;
  vm_test_open(&t);
  for (int size = 1; size < 220; size += 15) { /* strings of each size, until no more fit */
    snprintf(text, sizeof text,
             "local t, n = {}, 0 pcall(function() while true do n = n + 1 t[n] = ('%%0%dd'):format(n) end end) t = nil",
             size < 99 ? size : 99);
    if (size > 99)
      snprintf(text, sizeof text,
               "local t, n = {}, 0 local x = ('x'):rep(%d) pcall(function() while true do n = n + 1 t[n] = x .. n end "
               "end) t = nil",
               size);
    vm_test_run(&t, text);
    assert_int_equal(ump_vm_call(t.vm, collect, NULL), 0);
  }
  if (UMP__SMALL_USED) assert_true(t.vm->small.end - t.vm->small.fresh < UMP__SMALL_MOST); /* used up */
  if (UMP__SMALL_USED && before) assert_in_range(resident(), 0, before + 2 * CAP + (1 << 20));
  vm_test_gives(&t, "local t = {} for i = 1, 1000 do t[i] = {tostring(i)} end return #t", "1000"); /* and it goes on */
  vm_test_close(&t);
}

/* ---- each allocation in turn ---- */

struct failing {
  lua_Alloc real;
  void *real_ctx;
  size_t n, fail_at, failed;
  bool forever;
};

static void *failing_alloc(void *ctx, void *p, size_t old_n, size_t n) {
  struct failing *f = ctx;
  bool grows = n > (p ? old_n : 0);
  if (grows && f->fail_at && (++f->n == f->fail_at || (f->forever && f->n > f->fail_at))) {
    f->failed++;
    return NULL;
  }
  return f->real(f->real_ctx, p, old_n, n);
}

static const char everything[] =
    "local log = {}\n"
    "local function note(...) log[#log + 1] = table.concat({...}, ' ') end\n"
    "local Point = setmetatable({}, {__call = function(c, x) return setmetatable({x = x}, c) end})\n"
    "Point.__index, Point.__tostring = Point, function(p) return 'P' .. p.x end\n"
    "note(tostring(Point(3)), string.format('%s %5.2f %q', Point(4), 1.5, 'a\\n'))\n"
    "for k, v in ('a=1, b=2'):gmatch('(%w+)=(%w+)') do note(k, v) end\n"
    "note((('hello'):gsub('l', {l = 'L'})), (('hello'):gsub('(h)(e)', '%2%1')), (('abc'):gsub('%w', function(c) return "
    "c .. c end)))\n"
    "local t = {5, 2, 8, 1} table.sort(t, function(a, b) return a < b end) table.insert(t, 1, 9) table.remove(t, 2)\n"
    "local co = coroutine.wrap(function(...) local x <close> = setmetatable({}, {__close = function() note 'closed' "
    "end})\n"
    "  for i = 1, select('#', ...) do coroutine.yield(i) end end)\n"
    "co(1, 2, 3) co() co() co()\n"
    "note(pcall(error, 'x') and 'no' or 'yes')\n"
    "note(select(2, xpcall(function() local n = nil + 1 end, function(e) return 'handled ' .. e end)))\n"
    "note(load('local a = ... return a .. \"!\"')('loaded'), os.date('%Y'), require 'mine')\n"
    "print(table.unpack(log)) for k in pairs(Point) do note(k) end\n"
    "if ... then error(Point(1)) end return table.concat(log, ';')\n";

static int open_mine(lua_State *L) {
  lua_pushliteral(L, "preloaded");
  return 1;
}

static int run_everything(lua_State *L) {
  ump_vm_preload(L, "mine", open_mine);
  if (luaL_loadstring(L, everything)) return lua_error(L);
  lua_pushboolean(L, lua_touserdata(L, 1) != NULL);
  lua_call(L, 1, 1);
  return 0;
}

/* The nth allocation fails (and all later ones): the call succeeds or says that it did not; the next one works. */
static bool run_with_failure(size_t n, bool forever, void *with_error) {
  struct vm_test t;
  struct failing f = {.fail_at = n, .forever = forever};
  vm_test_init(&t), vm_test_open(&t);
  lua_State *L = ump_vm_state(t.vm);
  f.real = lua_getallocf(L, &f.real_ctx);
  lua_setallocf(L, failing_alloc, &f);
  int status = ump_vm_call(t.vm, run_everything, with_error);
  lua_setallocf(L, f.real, f.real_ctx);
  if (status == 0)
    assert_true(!with_error || f.failed);
  else
    assert_true(ump_vm_error(t.vm).n > 0 && ump_vm_error(t.vm).n < 4096);
  if (status && f.failed && !with_error && !strstr(vm_test_error(&t), "memory"))
    fail_msg("%zu: %s", n, vm_test_error(&t));
  if (!f.failed) assert_int_equal(status, with_error ? UMP_VM_EERROR : 0);
  vm_test_gives(&t, "local t = {} for i = 1, 100 do t[i] = tostring(i) end return #table.concat(t)", "192");
  vm_test_close(&t);
  return f.failed > 0;
}

static void test_vm_survives_each_failing_allocation(void **state) {
  (void)state;
  static char yes;
  size_t n[3] = {0};
  while (run_with_failure(n[0] + 1, false, NULL)) n[0]++;
  while (run_with_failure(n[1] + 1, true, NULL)) n[1]++;
  while (run_with_failure(n[2] + 1, true, &yes)) n[2]++;
  for (int i = 0; i < 3; i++) assert_true(n[i] > 100);
}

/* ---- collecting ---- */

static void test_vm_idle_collection_comes_to_an_end(void **state) {
  (void)state;
  struct vm_test t;
  vm_test_init(&t), vm_test_open(&t);
  assert_false(ump_vm_idle_collect(t.vm)); /* so little is not worth a step */
  vm_test_gives(&t, "rawset(_G, 'kept', {}) for i = 1, 50000 do kept[i] = {i, tostring(i), {}} end return #kept",
                "50000");
  vm_test_gives(&t, "for i = 2, #kept, 2 do kept[i] = false end return #kept", "50000");
  size_t before = ump_vm_memory(t.vm), steps = 0;
  while (ump_vm_idle_collect(t.vm)) assert_true(++steps < 100000);
  assert_true(steps > 3); /* not all at once */
  assert_true(ump_vm_memory(t.vm) < before * 3 / 4);
  assert_false(ump_vm_idle_collect(t.vm));
  vm_test_close(&t);
}

/* Half full, a call that leaves garbage pays a little of the collection, so that no call meets the cap for garbage's
 * sake. */
static void test_vm_garbage_alone_never_meets_the_cap(void **state) {
  (void)state;
  struct vm_test t;
  vm_test_init(&t);
  t.cfg.memory = 8 << 20;
  vm_test_open(&t);
  vm_test_gives(&t, "rawset(_G, 'kept', {}) for i = 1, 40000 do kept[i] = {i} end return #kept", "40000");
  size_t peak = 0;
  for (int i = 0; i < 5000; i++) {
    vm_test_gives(&t, "local t = {} for i = 1, 50 do t[i] = {tostring(i)} end return #t", "50");
    if (ump_vm_memory(t.vm) > peak) peak = ump_vm_memory(t.vm);
  }
  assert_true(peak < 7 << 20);
  vm_test_close(&t);
}

/* ---- messages ---- */

static void test_vm_messages_are_bounded(void **state) {
  (void)state;
  struct vm_test t;
  vm_test_init(&t), vm_test_open(&t);
  vm_test_fails(&t, "error(('x'):rep(1 << 20))", UMP_VM_EERROR, "xxx ... (1046536 bytes more)\n");
  vm_test_fails(&t, "local function f(n) if n == 0 then error('deep') end f(n - 1) return 1 end f(1000)", UMP_VM_EERROR,
                "\n    ... (");
  assert_true(ump_vm_error(t.vm).n < 4096);
  vm_test_fails(&t, "local function f(a, b, c, d, e) return f(a, b, c, d, e, 1, 2, 3, 4, 5, 6, 7, 8) + 1 end f()",
                UMP_VM_EERROR, "test:1: stack overflow");
  assert_non_null(strstr(vm_test_error(&t), "'f'\n    ... (more than 10000 levels)"));
  vm_test_fails(&t, "error(setmetatable({}, {__tostring = function() error('again') end}))", UMP_VM_EERROR, "again");
  vm_test_fails(&t, "error(setmetatable({}, {__tostring = function(e) error(e) end}))", UMP_VM_EERROR, "");
  vm_test_fails(&t, "error(setmetatable({}, {__tostring = function(e) return 'told' end}))", UMP_VM_EERROR,
                "test:1: told");
  vm_test_fails(&t, "error(42)", UMP_VM_EERROR, "42");
  vm_test_fails(&t, "error()", UMP_VM_EERROR, "test:1: the error is a nil, not a message");
  vm_test_fails(&t, "error('a:b:c', 0)", UMP_VM_EERROR, "test:1: a:b:c");
  vm_test_fails(&t, "error('rules/x.lua:7: rethrown', 0)", UMP_VM_EERROR, "rules/x.lua:7: rethrown");
  assert_int_equal(strncmp(vm_test_error(&t), "rules/x.lua:7: ", 15), 0);
  vm_test_gives(&t, "return 1", "1");
  assert_int_equal(ump_vm_error(t.vm).n, 0);
  vm_test_close(&t);
}

/* ---- the ends nobody comes back from, each in a process of its own ---- */

static void write_line(void *ctx, const struct ump_log_line *line) {
  dprintf(*(int *)ctx, "%s: %.*s\n", line->cause, (int)line->text.n, (const char *)line->text.p);
}

/* Runs `end` in a child, which must abort; what it logged. */
static void assert_aborts(void (*end)(struct vm_test *t), char *logged, size_t cap) {
  int ends[2], status;
  size_t n = 0;
  assert_int_equal(pipe(ends), 0);
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    struct vm_test t;
    struct ump_log log = {write_line, &ends[1]};
    alarm(120); /* of the clock on the wall: who sleeps uses no time of the CPU */
    vm_test_init(&t);
    t.cfg.log = &log;
    end(&t);
    _exit(0);
  }
  close(ends[1]);
  for (ssize_t r; n + 1 < cap && (r = read(ends[0], logged + n, cap - 1 - n)) > 0;) n += (size_t)r;
  logged[n] = 0;
  close(ends[0]);
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static int never_returns(lua_State *L) {
  volatile uint64_t n = 0;
  (void)L;
  while (n + 1) n++;
  return 0;
}

static int call_never_returns(lua_State *L) {
  static const char text[] = "\nlocal f = ...\nf()\n";
  if (luaL_loadbuffer(L, text, sizeof text - 1, "@rules/stuck.lua")) return lua_error(L);
  lua_pushcfunction(L, never_returns);
  lua_call(L, 1, 0);
  return 0;
}

static void get_stuck(struct vm_test *t) {
  t->cfg.hard = 10 * UMP_MS;
  t->cfg.watchdog = ump_watchdog_new(150 * UMP_MS, t->cfg.log);
  vm_test_open(t);
  ump_vm_call(t->vm, call_never_returns, NULL);
}

static int sleeps(lua_State *L) {
  (void)L;
  for (int i = 0; i < 1000; i++) nanosleep(&(struct timespec){1, 0}, NULL);
  return 0;
}

static void get_stuck_asleep(struct vm_test *t) {
  t->cfg.hard = 10 * UMP_MS;
  t->cfg.watchdog = ump_watchdog_new(100 * UMP_MS, t->cfg.log);
  vm_test_open(t);
  ump_vm_call(t->vm, sleeps, NULL);
}

static void panic(struct vm_test *t) {
  vm_test_open(t);
  lua_pushliteral(ump_vm_state(t->vm), "out of the blue");
  lua_error(ump_vm_state(t->vm));
}

static void test_vm_stuck_loop_is_logged_and_aborted(void **state) {
  (void)state;
  char logged[1024];
  assert_aborts(get_stuck, logged, sizeof logged);
  assert_non_null(strstr(logged, "stuck: a call into the rulebook goes on "));
  assert_non_null(strstr(logged, "stuck: rules/stuck.lua:3: stuck here"));
  assert_aborts(get_stuck_asleep, logged, sizeof logged);
  assert_non_null(strstr(logged, "stuck: a call into the rulebook goes on "));
}

static void test_vm_panic_is_logged(void **state) {
  (void)state;
  char logged[1024];
  assert_aborts(panic, logged, sizeof logged);
  assert_non_null(strstr(logged, "lua_panic: Lua was called outside of a protected call and failed: out of the blue"));
}

static void test_vm_watchdogs_come_and_go(void **state) {
  (void)state;
  struct vm_test t;
  for (int i = 0; i < 100; i++) {
    vm_test_init(&t);
    t.cfg.watchdog = ump_watchdog_new(0, &t.log.log);
    t.cfg.hard = 1 * UMP_MS;
    vm_test_open(&t);
    vm_test_fails(&t, "while true do end", UMP_VM_EBUDGET, "budget of 1 ms");
    vm_test_close(&t);
    ump_watchdog_free(t.cfg.watchdog);
  }
  raise(SIGURG); /* after the last: ignored, as at the start */
  t.cfg.watchdog = ump_watchdog_new(0, NULL);
  raise(SIGURG); /* of somebody else's */
  ump_watchdog_free(t.cfg.watchdog);
  ump_watchdog_free(NULL);
}

static int is_asleep(lua_State *L) {
  bool *asleep = lua_touserdata(L, 1);
  *asleep = atomic_load(&ump_vm_of(L)->gate->asleep);
  return 0;
}

/* After a while without calls the watchdog's thread looks more seldom; a call wakes it. Tried again, because it may be
 * about to fall asleep in the very moment of the call, which is then looked at a tenth of a second late. */
static void test_vm_watchdog_wakes_up(void **state) {
  (void)state;
  struct vm_test t;
  vm_test_init(&t);
  t.cfg.watchdog = ump_watchdog_new(0, &t.log.log);
  t.cfg.hard = 5 * UMP_MS;
  vm_test_open(&t);
  bool asleep = true;
  for (int i = 0; i < 3 && asleep; i++) {
    while (!atomic_load(&t.vm->gate->asleep)) nanosleep(&(struct timespec){0, 1000 * 1000}, NULL);
    assert_int_equal(ump_vm_call(t.vm, is_asleep, &asleep), 0);
  }
  assert_false(asleep);
  vm_test_fails(&t, "while true do end", UMP_VM_EBUDGET, "budget of 5 ms");
  vm_test_close(&t);
  ump_watchdog_free(t.cfg.watchdog);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_vm_is_made_or_says_why_not),
      cmocka_unit_test(test_vm_counts_every_byte),
      cmocka_unit_test(test_vm_ends_a_call_that_wants_too_much),
      cmocka_unit_test(test_vm_memory_is_bounded_by_the_cap_whatever_the_sizes),
      cmocka_unit_test(test_vm_survives_each_failing_allocation),
      cmocka_unit_test(test_vm_idle_collection_comes_to_an_end),
      cmocka_unit_test(test_vm_garbage_alone_never_meets_the_cap),
      cmocka_unit_test(test_vm_messages_are_bounded),
      cmocka_unit_test(test_vm_stuck_loop_is_logged_and_aborted),
      cmocka_unit_test(test_vm_panic_is_logged),
      cmocka_unit_test(test_vm_watchdogs_come_and_go),
      cmocka_unit_test(test_vm_watchdog_wakes_up),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
