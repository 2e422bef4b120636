/* Subscribers: the state as notifies that follow one another, for protocols that lose some, refuse some and take only
 * small ones; and what a call may ask for. */
#include "world.h"

#include "state_model.h"

static void state_model_failed(const char *what, int line) {
  fail_msg("state_model.h:%d: %s", line, what);
}

/* ---- a client that keeps a copy, in place of the fake protocol's queue ---- */

enum { PEOPLE = 4, WAITING = 4096 };

struct person {
  struct m *has;
  int64_t time; /* -1: it was told nothing */
  size_t told, full;
  uint32_t unheard;
  bool deaf; /* what it is told gets lost, and its protocol knows */
};

struct place {
  struct world w;
  struct ump_rulebook_ops rules;
  struct person person[PEOPLE + 1]; /* by session */
  struct testing_rng rng;
  size_t largest; /* bytes that a notify takes */
  bool narrow;    /* now and then there is no room */
};

static struct place *place_of(void *self) {
  return UMP_CONTAINER(((struct fake_proto *)self)->w, struct place, w);
}

static int tell(void *self, const struct ump_client *c, struct ump_bytes plain, struct ump_notice *out) {
  (void)self, (void)c;
  *out = (struct ump_notice){.has_name = true, .has_data = true, .name = ump_text("state"), .data = plain};
  return 0;
}

static int pack(void *self, const struct ump_notice *n, struct ump_blob **out) {
  struct place *p = place_of(self);
  if (n->data.n > p->largest) return UMP_ETOOBIG;
  *out = ump_blob_new(&p->w.mem.mem, n->data.n);
  if (!*out) return UMP_ENOMEM;
  memcpy((*out)->p, n->data.p, n->data.n);
  return 0;
}

static void remove_path(struct m *m, struct ump_reader *r) {
  struct ump_plain v;
  MUST(ump_plain_get(r, &v) && v.tag == UMP_PLAIN_ARRAY);
  for (uint32_t i = 1; i < v.count; i++) {
    int k = m_get_key(r);
    MUST(m && m->map && m->kid[k]); /* nobody is told to remove what he does not have */
    m = m->kid[k];
  }
  int k = m_get_key(r);
  MUST(m->map && m->kid[k]);
  m_free(m->kid[k]), m->kid[k] = NULL;
}

/* One notify: those that do not follow what it has must be old. */
static void hear(struct person *s, struct ump_bytes data) {
  struct ump_reader r = ump_reader(data), content = {0}, removed = {0};
  struct ump_plain v, key;
  int64_t time = -1, since = -1;
  bool full = false;
  MUST(ump_plain_get(&r, &v) && v.tag == UMP_PLAIN_MAP);
  for (uint32_t i = 0; i < v.count; i++) {
    struct ump_plain value;
    MUST(ump_plain_get(&r, &key));
    struct ump_reader at = r;
    MUST(ump_plain_get(&at, &value) && ump_plain_skip(&r));
    if (ump_bytes_equal(key.s, ump_text("time"))) time = value.i;
    if (ump_bytes_equal(key.s, ump_text("since"))) since = value.i;
    if (ump_bytes_equal(key.s, ump_text("full"))) full = true;
    if (ump_bytes_equal(key.s, ump_text("state")) || ump_bytes_equal(key.s, ump_text("patch")))
      content = ump_reader(ump_bytes(at.p - 5, (size_t)(at.end - at.p) + 5)); /* with its head */
    if (ump_bytes_equal(key.s, ump_text("removed"))) removed = at, removed.bad = false, v.i = value.count;
  }
  MUST(time > s->time && (full || since == s->time));
  if (full) m_free(s->has), s->has = m_map(), s->full++;
  for (int64_t i = 0; i < v.i; i++) remove_path(s->has, &removed);
  s->has = apply(&content, s->has, false);
  s->time = time;
}

static int be_told(void *self, uint32_t session, struct ump_blob *payload, ump_time now) {
  struct place *p = place_of(self);
  struct person *s = &p->person[session];
  (void)now;
  s->told++;
  if (s->deaf)
    s->unheard++;
  else
    hear(s, ump_bytes(payload->p, payload->n));
  return 0;
}

static uint32_t unheard(const void *self, uint32_t session) {
  return place_of((void *)(uintptr_t)self)->person[session].unheard;
}

static size_t room(void *self, uint32_t session) {
  struct place *p = place_of(self);
  uint8_t dice;
  (void)session;
  ump_rng_fill(&p->rng.rng, &dice, 1);
  return p->narrow && dice % 3 ? 0 : 100;
}

static bool place_make(struct place *p, size_t largest) {
  *p = (struct place){.largest = largest};
  testing_rng_init(&p->rng, 5);
  for (int i = 0; i <= PEOPLE; i++) p->person[i].time = -1, p->person[i].has = m_map();
  testing_mem_init(&p->w.mem);
  return world_make(&p->w, NULL);
}

static int place_open(struct place *p) {
  struct ump_proto_ops *ops = &p->w.proto[0].ops;
  ops->encoding = UMP_PLAIN;
  ops->pack = pack, ops->notify = be_told, ops->unheard = unheard, ops->room = room;
  p->rules = *p->w.rules.ops;
  p->rules.tell = tell;
  p->w.rules.ops = &p->rules;
  p->w.quiet = true;
  return world_listen(&p->w, 0);
}

static void place_free(struct place *p) {
  for (int i = 0; i <= PEOPLE; i++) m_free(p->person[i].has);
}

static void place_init(struct place *p, size_t largest) {
  assert_true(place_make(p, largest));
  assert_int_equal(place_open(p), 0);
  ump_engine_set_rulebook(p->w.engine, &p->w.rules, p->w.now);
  for (uint32_t i = 1; i <= PEOPLE; i++) {
    world_connect(&p->w, 0, i);
    assert_int_equal(ump_engine_subscribe(p->w.engine, world_client(&p->w, 0, i), true), 0);
  }
}

static int update(struct place *p, struct m *model, struct script *s) {
  static uint8_t buffer[65536];
  struct ump_writer w = ump_writer(buffer, sizeof buffer);
  struct ump_state_fault why;
  script_patch(s, &w, model, 1);
  return ump_engine_update(p->w.engine, ump_written(&w), &why);
}

static void check_all(struct place *p, const struct m *model) {
  for (int i = 1; i <= PEOPLE; i++) assert_true(m_same(model, p->person[i].has));
}

static void test_subscribers_follow_in_parts_with_losses_and_full_queues(void **state) {
  (void)state;
  static uint8_t bytes[9000];
  struct place p;
  size_t sizes[] = {1 << 20, 2000, 400};
  for (size_t i = 0; i < 3; i++) {
    struct testing_rng rng;
    testing_rng_init(&rng, 77 + i);
    ump_rng_fill(&rng.rng, bytes, sizeof bytes);
    struct script s = {bytes, sizeof bytes, 0};
    struct m *model = m_map();
    place_init(&p, sizes[i]);
    p.narrow = true;
    while (s.at < s.n) {
      assert_int_equal(update(&p, model, &s), 0);
      unsigned dice = byte_of(&s);
      p.person[1].deaf = dice % 16 == 0;
      world_advance(&p.w, (ump_time)(dice % 64) * UMP_MS);
    }
    p.person[1].deaf = p.narrow = false;
    world_advance(&p.w, 10 * UMP_S);
    check_all(&p, model);
    assert_true(p.person[1].full > 3 && p.person[2].full == 1 && p.person[2].told > 50);
    size_t told = p.person[2].told;
    world_advance(&p.w, 60 * UMP_S);
    assert_int_equal(p.person[2].told, told); /* nothing new, nothing told */
    m_free(model);
    world_end(&p.w);
    place_free(&p);
  }
}

static void test_subscribers_are_told_one_patch_that_was_made_once(void **state) {
  (void)state;
  static uint8_t bytes[] = {0x3f, 1, 5, 9, 13, 17, 21};
  struct place p;
  struct script s = {bytes, sizeof bytes, 0};
  struct m *model = m_map();
  place_init(&p, 1 << 20);
  world_advance(&p.w, UMP_S);
  uint64_t patches = world_count(&p.w, "state_patches"), told = world_count(&p.w, "state_told");
  assert_int_equal(update(&p, model, &s), 0);
  world_advance(&p.w, UMP_S);
  assert_int_equal(world_count(&p.w, "state_patches") - patches, 1);
  assert_int_equal(world_count(&p.w, "state_told") - told, PEOPLE);
  check_all(&p, model);
  m_free(model);
  world_end(&p.w);
  place_free(&p);
}

static void test_subscribers_are_right_in_the_end_whenever_memory_is_short(void **state) {
  (void)state;
  static uint8_t bytes[500];
  struct testing_rng rng;
  testing_rng_init(&rng, 3);
  ump_rng_fill(&rng.rng, bytes, sizeof bytes);
  for (size_t n = 1;; n += n < 100 ? 1 : 17) {
    struct place p;
    struct script s = {bytes, sizeof bytes, 0};
    struct m *model = m_map();
    place_init(&p, 600);
    testing_mem_fail(&p.w.mem, n, false);
    while (s.at < s.n) {
      struct m *before = m_copy(model);
      int err = update(&p, model, &s);
      assert_true(err == 0 || err == UMP_ENOMEM);
      if (err)
        m_free(model), model = before;
      else
        m_free(before);
      world_advance(&p.w, 30 * UMP_MS);
    }
    size_t failed = p.w.mem.failed;
    testing_mem_fail(&p.w.mem, 0, false);
    world_advance(&p.w, UMP_S);
    check_all(&p, model);
    m_free(model);
    world_end(&p.w);
    place_free(&p);
    if (!failed) break;
  }
}

/* ---- what a call may ask for ---- */

static struct ump_bytes one(uint8_t *buffer, size_t cap, const char *key, size_t n_text) {
  static uint8_t text[70000];
  struct ump_writer w = ump_writer(buffer, cap);
  memset(text, 'x', sizeof text);
  ump_plain_put_map(&w, 1);
  ump_plain_put_string(&w, ump_text(key));
  ump_plain_put_string(&w, ump_bytes(text, n_text));
  return ump_written(&w);
}

static void test_update_is_refused_when_the_state_would_be_too_large(void **state) {
  (void)state;
  static uint8_t buffer[80000];
  struct world w;
  struct ump_state_fault why;
  struct ump_limits limits = {.state_bytes = 70000, .state_keys = 3};
  world_init(&w, &limits);
  assert_int_equal(ump_engine_update(w.engine, one(buffer, sizeof buffer, "a", 60000), &why), 0);
  assert_int_equal(ump_engine_update(w.engine, one(buffer, sizeof buffer, "b", 60000), &why), UMP_EFULL);
  assert_int_equal(why.most, 70000);
  assert_int_equal(ump_engine_update(w.engine, one(buffer, sizeof buffer, "a", 65000), &why), 0); /* in its place */
  size_t bytes = ump_state_bytes(ump_engine_state(w.engine));
  assert_int_equal(ump_engine_update(w.engine, one(buffer, sizeof buffer, "b", 1), &why), 0);
  assert_int_equal(ump_engine_update(w.engine, one(buffer, sizeof buffer, "c", 1), &why), 0);
  assert_int_equal(ump_engine_update(w.engine, one(buffer, sizeof buffer, "d", 1), &why), UMP_EFULL);
  assert_int_equal(why.most, 3);
  assert_true(ump_state_bytes(ump_engine_state(w.engine)) > bytes);

  /* Patches of one call count together: what two of them would do may not pass because each alone would. */
  ump_engine_begin(w.engine, &w.rules, w.now);
  struct ump_writer out = ump_writer(buffer, sizeof buffer);
  ump_plain_put_map(&out, 1);
  ump_plain_put_string(&out, ump_text("b")), ump_plain_put_tag(&out, UMP_PLAIN_DELETE);
  assert_int_equal(ump_engine_update(w.engine, ump_written(&out), &why), 0);
  assert_int_equal(ump_engine_update(w.engine, one(buffer, sizeof buffer, "e", 1), &why), UMP_EFULL);
  ump_engine_rollback(w.engine);
  assert_int_equal(ump_state_keys(ump_engine_state(w.engine)), 3);
  world_end(&w);
}

static int fits(const void *self, struct ump_bytes plain) {
  (void)self;
  return plain.n > 1000 ? UMP_ETOOBIG : 0;
}

static void test_update_is_refused_when_a_value_fits_some_wire_not_at_all(void **state) {
  (void)state;
  static uint8_t buffer[4000];
  struct world w = {0};
  struct ump_state_fault why;
  testing_mem_init(&w.mem);
  assert_true(world_make(&w, NULL));
  w.proto[0].ops.state_fits = fits;
  assert_int_equal(world_listen(&w, 0), 0);
  ump_engine_set_rulebook(w.engine, &w.rules, w.now);
  assert_int_equal(ump_engine_update(w.engine, one(buffer, sizeof buffer, "small", 900), &why), 0);
  assert_int_equal(ump_engine_update(w.engine, one(buffer, sizeof buffer, "large", 1000), &why), UMP_ETOOBIG);
  assert_string_equal(why.path, "large");
  assert_string_equal(why.scheme, w.proto[0].ops.scheme);
  assert_true(why.size > 1000);
  assert_int_equal(ump_state_keys(ump_engine_state(w.engine)), 1);
  world_end(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_subscribers_follow_in_parts_with_losses_and_full_queues),
      cmocka_unit_test(test_subscribers_are_told_one_patch_that_was_made_once),
      cmocka_unit_test(test_subscribers_are_right_in_the_end_whenever_memory_is_short),
      cmocka_unit_test(test_update_is_refused_when_the_state_would_be_too_large),
      cmocka_unit_test(test_update_is_refused_when_a_value_fits_some_wire_not_at_all),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
