/* require: what it finds, what it refuses, and what it remembers. */
#include "vm_testing.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* A folder of its own for each test: DIR/root is the rulebook's, DIR/library the shipped one, DIR/outside neither. */
struct files {
  char dir[64], root[80], library[80];
};

static void run(const char *format, const char *a, const char *b) {
  char command[512];
  snprintf(command, sizeof command, format, a, b);
  if (system(command)) fail_msg("%s", command);
}

static void put(const struct files *f, const char *name, const char *text) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", f->dir, name);
  FILE *out = fopen(path, "wb");
  assert_non_null(out);
  fputs(text, out);
  fclose(out);
}

static void open_files(struct files *f, struct vm_test *t) {
  memset(f, 0, sizeof *f);
  snprintf(f->dir, sizeof f->dir, "/tmp/umpire-vm-XXXXXX");
  assert_non_null(mkdtemp(f->dir));
  snprintf(f->root, sizeof f->root, "%s/root", f->dir);
  snprintf(f->library, sizeof f->library, "%s/library", f->dir);
  run("mkdir -p %s/root/deep/er %s/library/umpire", f->dir, f->dir);
  run("mkdir -p %s/outside %s", f->dir, "");
  vm_test_init(t);
  t->cfg.root = f->root, t->cfg.library = f->library;
}

static void close_files(struct files *f, struct vm_test *t) {
  vm_test_close(t);
  run("rm -rf %s%s", f->dir, "");
}

static void test_vm_require_finds_modules(void **state) {
  (void)state;
  struct files f;
  struct vm_test t;
  open_files(&f, &t);
  put(&f, "root/a.lua", "return {name = ..., path = select(2, ...)}");
  put(&f, "root/deep/init.lua", "return 'deep'");
  put(&f, "root/deep/er/b-1.lua", "#!/usr/bin/lua\nreturn 'b'");
  put(&f, "root/nothing.lua", "rawset(_G, 'runs', (rawget(_G, 'runs') or 0) + 1)");
  put(&f, "root/own.lua", "package.loaded.own = 'set by itself'");
  put(&f, "library/umpire/tool.lua", "return 'shipped'");
  run("mkdir -p %s/umpire && echo 'return 1' > %s/umpire/tool.lua", f.root, f.root);
  vm_test_open(&t);
  vm_test_gives(&t, "local a = require 'a' return a.name .. ' ' .. a.path", "a a.lua");
  vm_test_gives(&t, "return require 'a' == require 'a' and package.loaded.a == require 'a'", "true");
  vm_test_gives(&t, "return require 'deep'", "deep");
  vm_test_gives(&t, "return require 'deep.er.b-1' .. require 'deep/er/b-1'", "bb");
  vm_test_gives(&t, "return require 'nothing'", "true");
  vm_test_gives(&t, "require 'nothing' return runs", "1");
  vm_test_gives(&t, "package.loaded.nothing = nil require 'nothing' return runs", "2");
  vm_test_gives(&t, "return require 'own'", "set by itself");
  vm_test_gives(&t, "return require 'umpire.tool'", "shipped");
  vm_test_gives(&t, "package.preload.mine = function(name, arg) return name .. arg end return require 'mine'",
                "mine:host:");
  vm_test_gives(&t, "return require 'string' == string", "true");
  close_files(&f, &t);
}

static void test_vm_require_refuses_what_leads_elsewhere(void **state) {
  (void)state;
  static const char *const names[] = {"",      ".",   "..",   "../outside/x", "/etc/passwd", "a..b",
                                      "a.",    ".a",  "a//b", "a/../b",       "a b",         "a\\0b",
                                      "a\\nb", "~/a", "a;b",  "%2e%2e",       "\\xe4",       "a.lua/"};
  struct files f;
  struct vm_test t;
  char text[128];
  open_files(&f, &t);
  put(&f, "outside/x.lua", "return 'outside'");
  run("ln -s %s/outside %s/root/linked", f.dir, f.dir);
  run("ln -s ../outside/x.lua %s/root/x.lua && mkfifo %s/root/pipe.lua", f.dir, f.dir);
  run("mkdir %s/root/folder.lua && ln -s loop.lua %s/root/loop.lua", f.dir, f.dir);
  vm_test_open(&t);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    snprintf(text, sizeof text, "require '%s'", names[i]);
    vm_test_fails(&t, text, UMP_VM_EERROR, "a module's name is made of letters, digits, '_' and '-'");
  }
  vm_test_fails(&t, "require(('x'):rep(300))", UMP_VM_EERROR, "a module's name is made of");
  vm_test_fails(&t, "require()", UMP_VM_EERROR, "bad argument #1 to 'require' (string expected, got no value)");
  vm_test_fails(&t, "require 'x'", UMP_VM_EERROR, "root/x.lua: is a link that leads out of the folder");
  vm_test_fails(&t, "require 'linked.x'", UMP_VM_EERROR, "is a link that leads out of the folder");
  vm_test_fails(&t, "require 'pipe'", UMP_VM_EERROR, "root/pipe.lua: is not a file");
  vm_test_fails(&t, "require 'loop'", UMP_VM_EERROR, "root/loop.lua: cannot be read: ");
  vm_test_fails(&t, "require 'folder'", UMP_VM_EERROR, "module 'folder' not found");
  vm_test_fails(&t, "\nrequire 'gone.away'", UMP_VM_EERROR,
                "test:2: module 'gone.away' not found: there is no gone/away.lua and no gone/away/init.lua in ");
  assert_int_equal(ump_vm_n_files(t.vm), 0);
  close_files(&f, &t);
}

/* A mounted configuration is often made of links that stay inside. */
static void test_vm_require_follows_links_that_stay_inside(void **state) {
  (void)state;
  struct files f;
  struct vm_test t;
  open_files(&f, &t);
  run("mkdir %s/root/..data && echo 'return 1' > %s/root/..data/k.lua", f.dir, f.dir);
  run("ln -s ..data/k.lua %s/root/k.lua%s", f.dir, "");
  vm_test_open(&t);
  vm_test_gives(&t, "return require 'k'", "1");
  close_files(&f, &t);
}

static void test_vm_require_takes_text_only_and_not_too_much(void **state) {
  (void)state;
  struct files f;
  struct vm_test t;
  open_files(&f, &t);
  put(&f, "root/binary.lua", "\33Lua\x54");
  put(&f, "root/wrong.lua", "local x = 1\nlocal = 2\n");
  run("(printf 'return '; head -c 300 /dev/zero | tr '\\0' '(') > %s/deep.lua%s", f.root, "");
  put(&f, "root/fails.lua", "\nerror 'on purpose'");
  run("head -c 1048577 /dev/zero > %s/big.lua; printf 'return 1 --' > %s/most.lua", f.root, f.root);
  run("head -c 1048565 /dev/zero | tr '\\0' - >> %s/most.lua%s", f.root, "");
  vm_test_open(&t);
  vm_test_fails(&t, "require 'binary'", UMP_VM_EERROR, "root/binary.lua: attempt to load a binary chunk");
  vm_test_fails(&t, "require 'deep'", UMP_VM_EERROR, "root/deep.lua: C stack overflow");
  vm_test_fails(&t, "require 'big'", UMP_VM_EERROR, "root/big.lua: is larger than 1 MiB");
  vm_test_gives(&t, "return require 'most'", "1");
  vm_test_fails(&t, "require 'wrong'", UMP_VM_EERROR, "root/wrong.lua:2: <name> expected near '='");
  vm_test_fails(&t, "require 'fails'", UMP_VM_EERROR, "root/fails.lua:2: on purpose\n");
  vm_test_gives(&t, "return pcall(require, 'fails') == pcall(require, 'fails')", "true");
  vm_test_gives(&t, "pcall(require, 'fails') return (select(2, pcall(require, 'fails')):match('on purpose'))",
                "on purpose");
  close_files(&f, &t);
}

static void test_vm_require_finds_circles(void **state) {
  (void)state;
  struct files f;
  struct vm_test t;
  open_files(&f, &t);
  put(&f, "root/a.lua", "local b = require 'b'\nreturn {b = b}");
  put(&f, "root/b.lua", "\nlocal a = require 'a'\nreturn {a = a}");
  put(&f, "root/slow.lua", "while true do end");
  vm_test_open(&t);
  vm_test_fails(&t, "require 'a'", UMP_VM_EERROR, "root/b.lua:2: require 'a': it is still being loaded");
  vm_test_fails(&t, "require 'b'", UMP_VM_EERROR, "root/a.lua:1: require 'b': it is still being loaded");
  /* a spent budget leaves no note behind that would look like a circle */
  vm_test_fails(&t, "require 'slow'", UMP_VM_EBUDGET, "root/slow.lua:1: this call ran for more than its budget");
  vm_test_fails(&t, "require 'slow'", UMP_VM_EBUDGET, "root/slow.lua:1: this call ran for more than its budget");
  close_files(&f, &t);
}

static int load_main(lua_State *L) {
  ump_vm_load_file(L, lua_touserdata(L, 1));
  lua_call(L, 0, 0);
  return 0;
}

/* Loads init.lua, which is made of three files, and gives their hash. */
static uint64_t load_three(struct files *f, struct vm_test *t) {
  static const char *const expected[] = {"/init.lua", "/part.lua", "library/umpire/tool.lua"};
  t->cfg.root = f->root;
  vm_test_open(t);
  assert_int_equal(ump_vm_files_hash(t->vm), 0);
  assert_int_equal(ump_vm_call(t->vm, load_main, "init.lua"), 0);
  assert_int_equal(ump_vm_n_files(t->vm), 3);
  for (size_t k = 0; k < 3; k++) {
    assert_non_null(strstr(ump_vm_file(t->vm, k), expected[k]));
    assert_int_equal(access(ump_vm_file(t->vm, k), R_OK), 0);
  }
  uint64_t hash = ump_vm_files_hash(t->vm);
  vm_test_close(t);
  return hash;
}

static void test_vm_remembers_its_files(void **state) {
  (void)state;
  struct files f;
  struct vm_test t;
  open_files(&f, &t);
  put(&f, "library/umpire/tool.lua", "return 1");
  put(&f, "root/init.lua", "require 'part' require 'umpire.tool'");
  put(&f, "root/part.lua", "return 1");
  uint64_t first = load_three(&f, &t), again = load_three(&f, &t);
  put(&f, "root/part.lua", "return 2");
  uint64_t changed = load_three(&f, &t);
  run("cp -r %s %s/elsewhere", f.root, f.dir);
  snprintf(f.root, sizeof f.root, "%s/elsewhere", f.dir);
  uint64_t elsewhere = load_three(&f, &t);
  assert_true(first != 0 && first == again && first != changed && changed == elsewhere);
  vm_test_open(&t);
  assert_int_equal(ump_vm_call(t.vm, load_main, "missing.lua"), UMP_VM_EERROR);
  assert_non_null(strstr(vm_test_error(&t), "/missing.lua: there is no such file"));
  close_files(&f, &t);
}

static void test_vm_names_files_as_they_were_given(void **state) {
  (void)state;
  struct files f;
  struct vm_test t;
  char cwd[1024];
  open_files(&f, &t);
  put(&f, "root/arena.lua", "\nlocal function judge() return nil .. 'x' end\nreturn judge()");
  put(&f, "library/umpire/m.lua", "return function() error 'tool' end");
  assert_non_null(getcwd(cwd, sizeof cwd));
  assert_int_equal(chdir(f.dir), 0);
  t.cfg.root = "root//", t.cfg.library = "library";
  vm_test_open(&t);
  assert_int_equal(ump_vm_call(t.vm, load_main, "arena.lua"), UMP_VM_EERROR);
  assert_string_equal(vm_test_error(&t), "root/arena.lua:2: attempt to concatenate a nil value\n"
                                         "    root/arena.lua:2: in the function of line 2 (after tail calls)");
  vm_test_fails(&t, "require 'umpire.m' ()", UMP_VM_EERROR, "umpire/m.lua:1: tool");
  assert_string_equal(ump_vm_file(t.vm, 0), "root/arena.lua");
  vm_test_close(&t);
  assert_int_equal(chdir(f.root), 0);
  t.cfg.root = ".";
  vm_test_open(&t);
  assert_int_equal(ump_vm_call(t.vm, load_main, "arena.lua"), UMP_VM_EERROR);
  assert_non_null(strstr(vm_test_error(&t), "arena.lua:2: attempt"));
  assert_int_equal(strncmp(vm_test_error(&t), "arena.lua:2: ", 13), 0);
  assert_int_equal(chdir(cwd), 0);
  close_files(&f, &t);
}

static void test_vm_without_folders_requires_nothing(void **state) {
  (void)state;
  struct vm_test t;
  vm_test_init(&t), vm_test_open(&t);
  vm_test_fails(&t, "require 'x'", UMP_VM_EERROR, "module 'x' not found");
  assert_int_equal(ump_vm_call(t.vm, load_main, "x.lua"), UMP_VM_EERROR);
  vm_test_close(&t);
  t.cfg.root = "/nowhere/at/all", t.cfg.library = "/neither";
  vm_test_open(&t);
  vm_test_fails(&t, "require 'x'", UMP_VM_EERROR,
                "module 'x' not found: there is no x.lua and no x/init.lua in /nowhere/at/all");
  vm_test_close(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_vm_require_finds_modules),
      cmocka_unit_test(test_vm_require_refuses_what_leads_elsewhere),
      cmocka_unit_test(test_vm_require_follows_links_that_stay_inside),
      cmocka_unit_test(test_vm_require_takes_text_only_and_not_too_much),
      cmocka_unit_test(test_vm_require_finds_circles),
      cmocka_unit_test(test_vm_remembers_its_files),
      cmocka_unit_test(test_vm_names_files_as_they_were_given),
      cmocka_unit_test(test_vm_without_folders_requires_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
