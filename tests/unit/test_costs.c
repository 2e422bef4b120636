/* What handlers cost, and errors that are told once. */
#include <stdio.h>

#include "testing.h"

#include "bindings/costs.h"
#include "bindings/faults.h"
#include "engine/client.h"

struct row {
  char what[80];
  struct ump_rules_cost cost;
};
struct rows {
  struct row v[512];
  size_t n;
};

static void take(void *ctx, const struct ump_rules_cost *c) {
  struct rows *all = ctx;
  struct row *r = &all->v[all->n++];
  snprintf(r->what, sizeof r->what, "%s %s %s%.*s", c->handler, c->protocol ? c->protocol : "-", c->others ? "*" : "",
           (int)c->event.n, (const char *)c->event.p);
  r->cost = *c;
}

static const struct ump_rules_cost *find(const struct ump_costs *costs, const char *what) {
  static struct rows all;
  all.n = 0;
  ump_costs_each(costs, take, &all);
  for (size_t i = 0; i < all.n; i++)
    if (strcmp(all.v[i].what, what) == 0) return &all.v[i].cost;
  return NULL;
}

struct played {
  struct ump_costs *costs;
  struct ump_client client;
  uint64_t allocated;
};

/* One event: legal takes 100 bytes, execute (if it comes to that) 1000. */
static void play(struct played *p, const char *name, enum ump_verdict verdict, bool failed) {
  struct ump_event ev = {.type = UMP_EVENT_JUDGE, .has_name = true, .name = ump_text(name)};
  struct ump_cause cause = {UMP_DO_EVENT, &p->client, &ev};
  struct ump_costing c;
  ump_costs_begin(p->costs, &cause, p->allocated, &c);
  p->allocated += 100;
  if (verdict == UMP_LEGAL) {
    ump_costs_next_part(&c, p->allocated);
    p->allocated += 1000;
  }
  ump_costs_end(p->costs, &cause, &c, p->allocated, verdict, failed);
}

static void start(struct played *p) {
  *p = (struct played){.costs = ump_costs_new(&ump_mem_libc), .client = {.protocol = "neteria"}};
  assert_non_null(p->costs);
}

static void test_costs_legal_and_execute_are_counted_apart(void **state) {
  (void)state;
  struct played p;
  start(&p);
  for (int i = 0; i < 200; i++) play(&p, "move", i % 4 ? UMP_LEGAL : UMP_ILLEGAL, false);
  play(&p, "move", UMP_LEGAL, true); /* failed in execute */
  const struct ump_rules_cost *legal = find(p.costs, "legal neteria move");
  assert_non_null(legal);
  assert_int_equal(legal->calls, 200); /* the very first was illegal, and of a name nobody knew */
  assert_int_equal(legal->verdicts[UMP_LEGAL], 150);
  assert_int_equal(legal->verdicts[UMP_ILLEGAL], 49);
  assert_int_equal(legal->verdicts[UMP_INTERNAL], 1);
  assert_int_equal(legal->errors, 0);
  assert_in_range(legal->measured, 60, 80); /* the first 64, then one in 16 */
  assert_in_range(legal->bytes_p50, 100, 120);
  const struct ump_rules_cost *execute = find(p.costs, "execute neteria move");
  assert_int_equal(execute->calls, 151);
  assert_int_equal(execute->errors, 1);
  assert_in_range(execute->bytes_p99, 1000, 1250);
  assert_int_equal(find(p.costs, "legal neteria *")->calls, 1);
  ump_costs_free(p.costs);
}

/* A stranger who invents names cannot fill the table: only legal ones have rows, and even of those not without end. */
static void test_costs_invented_names_have_no_rows(void **state) {
  (void)state;
  struct played p;
  char name[64];
  start(&p);
  for (int i = 0; i < 1000; i++) snprintf(name, sizeof name, "junk%d", i), play(&p, name, UMP_ILLEGAL, false);
  assert_int_equal(find(p.costs, "legal neteria *")->calls, 1000);
  assert_null(find(p.costs, "legal neteria junk1"));
  for (int i = 0; i < 1000; i++) snprintf(name, sizeof name, "good%d", i), play(&p, name, UMP_LEGAL, false);
  assert_non_null(find(p.costs, "execute neteria good0"));
  assert_null(find(p.costs, "execute neteria good999"));
  snprintf(name, sizeof name, "a name that is longer than its place is");
  play(&p, name, UMP_LEGAL, false);
  assert_int_equal(find(p.costs, "execute neteria *")->calls, 1000 - (UMP_COST_ROWS - 32 - 1) + 1);
  ump_costs_free(p.costs);
}

static void test_costs_other_calls_have_rows_by_what_they_are(void **state) {
  (void)state;
  struct played p;
  struct ump_costing c;
  start(&p);
  const struct ump_cause connect = {UMP_DO_CONNECT, &p.client, NULL}, tick = {.deed = UMP_DO_TICK};
  ump_costs_begin(p.costs, &connect, 0, &c);
  ump_costs_end(p.costs, &connect, &c, 0, UMP_LEGAL, true);
  for (int i = 0; i < 3; i++) {
    ump_costs_begin(p.costs, &tick, 0, &c);
    ump_costs_end(p.costs, &tick, &c, 64, UMP_LEGAL, false);
  }
  assert_int_equal(find(p.costs, "connect neteria ")->errors, 1);
  assert_int_equal(find(p.costs, "tick - ")->calls, 3);
  ump_costs_free(p.costs);
}

static bool note(struct ump_faults *f, const char *message, ump_time now, uint64_t *untold) {
  return ump_faults_note(f, ump_text(message), now, untold);
}

static void test_faults_are_told_once_a_minute_with_their_number(void **state) {
  (void)state;
  struct ump_faults f = {0};
  uint64_t untold = 99;
  assert_true(note(&f, "rules/a.lua:3: no x\n    frames", 5 * UMP_S, &untold));
  assert_int_equal(untold, 0);
  for (int i = 0; i < 7; i++) assert_false(note(&f, "rules/a.lua:3: no x\n    other frames", 6 * UMP_S, &untold));
  assert_true(note(&f, "rules/a.lua:4: no x", 6 * UMP_S, &untold)); /* elsewhere */
  assert_true(note(&f, "rules/a.lua:3: no x", 65 * UMP_S, &untold));
  assert_int_equal(untold, 7);
  assert_string_equal(f.v[0].text, "rules/a.lua:3: no x");
  assert_int_equal(f.v[0].count, 9);
}

static void test_faults_whose_words_a_stranger_chooses_are_one(void **state) {
  (void)state;
  struct ump_faults f = {0};
  char message[80];
  uint64_t untold;
  int told = 0;
  for (int i = 0; i < 1000; i++) {
    snprintf(message, sizeof message, "rules/a.lua:3: bad word %d", i);
    told += note(&f, message, UMP_S, &untold);
  }
  assert_int_equal(told, UMP_FAULT_WORDINGS);
  for (int i = 0; i < 100; i++) { /* as many places as one likes: the oldest give way */
    snprintf(message, sizeof message, "rules/a.lua:%d: x", 10 + i);
    assert_true(note(&f, message, (2 + i) * UMP_S, &untold));
  }
  assert_true(note(&f, "no place", UMP_S, &untold));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_costs_legal_and_execute_are_counted_apart),
      cmocka_unit_test(test_costs_invented_names_have_no_rows),
      cmocka_unit_test(test_costs_other_calls_have_rows_by_what_they_are),
      cmocka_unit_test(test_faults_are_told_once_a_minute_with_their_number),
      cmocka_unit_test(test_faults_whose_words_a_stranger_chooses_are_one),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
