/* What the tests of rulebooks in Lua share: a world (world.h) in which a real rulebook judges, written by the test into
 * a folder of its own. Notices appear in the trace as "notify a1 NAME DATA".
 *
 *   struct rules_test t;
 *   rules_test_start(&t, "function r.execute(c, e) return e.data end");     see rules_test_book for what stands around
 * it rules_test_connect(&t, 1); rules_test_event(&t, 1, "e1", "move", "[1,2]"); expect(&t.w, "answer a1 e1 legal =
 * [1,2]"); rules_test_end(&t);                                everybody leaves; nothing is left
 */
#ifndef RULES_TESTING_H
#define RULES_TESTING_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

#include "bindings/rules.h"
#include "codec/json.h"

struct rules_test {
  struct world w;
  struct ump_rules *rules;
  struct ump_report report;
  struct ump_rules_cfg cfg;
  char folder[64], path[128];
  char ids[16][64];
  unsigned n_ids;
};

void rules_test_init(struct rules_test *t);                                      /* a world without a rulebook */
void rules_test_write(struct rules_test *t, const char *file, const char *text); /* into the folder */
/* game.lua: `local host = require "umpire"`, `local r = { api = 1 }`, text (which begins in line 3), `return r`. */
void rules_test_book(struct rules_test *t, const char *text);
bool rules_test_open(struct rules_test *t);                    /* game.lua */
void rules_test_start(struct rules_test *t, const char *text); /* init, book, open; must succeed */
bool rules_test_reload(struct rules_test *t);
void rules_test_connect(struct rules_test *t, uint32_t session); /* must be admitted; empties the trace */
/* json NULL: no data; name NULL: no name. id must be new. */
void rules_test_event(struct rules_test *t, uint32_t session, const char *id, const char *name, const char *json);
void rules_test_end(struct rules_test *t);

/* The last report (or its text) holds this. */
void rules_test_reported(struct rules_test *t, const char *part);
/* The last log line of this cause holds this. */
void rules_test_logged(struct rules_test *t, const char *cause, const char *part);

#endif
