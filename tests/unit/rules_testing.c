#include "rules_testing.h"

#include <dirent.h>
#include <unistd.h>

static int pack(void *self, const struct ump_notice *n, struct ump_blob **out) {
  struct fake_proto *p = self;
  size_t gap = n->has_name && n->has_data, total = n->name.n + n->data.n + gap;
  if (total > p->max_notice) return UMP_ETOOBIG;
  if (!(*out = ump_blob_new(&p->w->mem.mem, total))) return UMP_ENOMEM;
  if (n->name.n) memcpy((*out)->p, n->name.p, n->name.n);
  if (gap) (*out)->p[n->name.n] = ' ';
  if (n->data.n) memcpy((*out)->p + n->name.n + gap, n->data.p, n->data.n);
  return 0;
}

static ump_time now(void *ctx) {
  return ((struct world *)ctx)->now;
}
static int64_t wall(void *ctx) {
  return (void)ctx, 1700000000;
}

void rules_test_init(struct rules_test *t) {
  memset(t, 0, sizeof *t);
  testing_mem_init(&t->w.mem);
  assert_true(world_make(&t->w, NULL));
  for (uint32_t i = 0; i < WORLD_PROTOS; i++) t->w.proto[i].ops.pack = pack;
  assert_int_equal(world_listen(&t->w, 0), 0);
  strcpy(t->folder, "/tmp/umpire-rules-XXXXXX");
  assert_non_null(mkdtemp(t->folder));
  snprintf(t->path, sizeof t->path, "%s/game.lua", t->folder);
  t->cfg = (struct ump_rules_cfg){.path = t->path, .engine = t->w.engine};
  t->cfg.vm = (struct ump_vm_cfg){.library = SOURCE_DIR "/scripts",
                                  .log = &t->w.log.log,
                                  .rng = t->w.rng.rng,
                                  .now = now,
                                  .wall = wall,
                                  .clock_ctx = &t->w};
}

void rules_test_write(struct rules_test *t, const char *file, const char *text) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", t->folder, file);
  FILE *f = fopen(path, "wb");
  assert_non_null(f);
  assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
  fclose(f);
}

void rules_test_book(struct rules_test *t, const char *text) {
  size_t n = strlen(text) + 128;
  char *all = malloc(n);
  assert_non_null(all);
  snprintf(all, n, "local host = require \"umpire\"\nlocal r = { api = 1 }\n%s\nreturn r\n", text);
  rules_test_write(t, "game.lua", all);
  free(all);
}

bool rules_test_open(struct rules_test *t) {
  ump_report_free(&t->report);
  t->rules = ump_rules_open(&t->cfg, ump_bytes(NULL, 0), 0, t->w.now, &t->report);
  assert_int_equal(t->rules != NULL, t->report.ok);
  return t->rules != NULL;
}

void rules_test_start(struct rules_test *t, const char *text) {
  rules_test_init(t);
  rules_test_book(t, text);
  if (!rules_test_open(t)) fail_msg("%s", t->report.text);
}

bool rules_test_reload(struct rules_test *t) {
  ump_report_free(&t->report);
  return ump_rules_reload(t->rules, t->w.now, &t->report);
}

void rules_test_connect(struct rules_test *t, uint32_t session) {
  world_connect(&t->w, 0, session);
  assert_non_null(world_client(&t->w, 0, session));
  t->w.n_trace = 0;
}

void rules_test_event(struct rules_test *t, uint32_t session, const char *id, const char *name, const char *json) {
  struct ump_event ev = {
      .type = UMP_EVENT_JUDGE, .session = session, .id = ump_text(id), .once = true, .encoding = UMP_JSON};
  struct ump_json_value top;
  if (name) ev.has_name = true, ev.name = ump_text(name);
  if (json) {
    assert_int_equal(ump_json_check(ump_text(json), &top, NULL), 0);
    ev.has_data = true, ev.data = top.raw, ev.holds = top.holds;
  }
  world_push(&t->w, 0, ev);
  world_drive(&t->w, 0);
}

static void remove_folder(const char *folder) {
  DIR *d = opendir(folder);
  char path[512];
  for (struct dirent *e; d && (e = readdir(d));) {
    snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
    if (e->d_name[0] != '.') unlink(path);
  }
  if (d) closedir(d);
  rmdir(folder);
}

void rules_test_end(struct rules_test *t) {
  expect_nothing(&t->w);
  t->w.quiet = true;
  for (uint32_t i = 0; i < ump_engine_n_listeners(t->w.engine); i++)
    for (uint32_t s = 0; s < FAKE_SESSIONS; s++)
      if (t->w.proto[i].clients[s]) world_leave(&t->w, i, s);
  t->w.quiet = false, t->w.n_trace = 0;
  ump_rules_close(t->rules);
  ump_report_free(&t->report);
  remove_folder(t->folder);
  world_end(&t->w);
}

void rules_test_reported(struct rules_test *t, const char *part) {
  if (!t->report.text || !strstr(t->report.text, part)) fail_msg("reported:\n%s\nnot: %s", t->report.text, part);
}

void rules_test_logged(struct rules_test *t, const char *cause, const char *part) {
  const struct testing_log_line *l = testing_log_last(&t->w.log, cause);
  if (!l || !strstr(l->text, part)) fail_msg("logged under %s:\n%s\nnot: %s", cause, l ? l->text : "nothing", part);
}
