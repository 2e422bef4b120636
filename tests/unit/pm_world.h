/* A world for tests of PYMMORPG: the real engine, the real protocol, a rulebook in Lua, accounts of the test's own, and
 * clients whose requests and replies are written as Python would print them:
 *
 *   struct pm_world w;
 *   pm_start(&w, PM_RULES);
 *   pm_open(&w, 1);
 *   pm_ask(&w, 1, "['new', 'joe', 'pw']");
 *   pm_expect(&w, 1, "[True]");
 *   pm_end(&w);                                everybody leaves; nothing is left
 */
#ifndef PM_WORLD_H
#define PM_WORLD_H

#include "testing.h"

#include "bindings/rules.h"
#include "engine/accounts.h"
#include "engine/engine.h"

enum { PM_CONNS = 72, PM_ACCOUNTS = 16, PM_OUT = 5 << 20 };

struct pm_conn {
  bool open, deaf; /* deaf: reads nothing */
  bool closed;     /* the server closed it */
  uint8_t *out;    /* what the server sent and nobody looked at */
  size_t n_out;
};

struct pm_world {
  struct testing_mem mem;
  struct testing_rng rng;
  struct testing_log log;
  struct ump_engine *engine;
  struct ump_rules *rules;
  struct ump_report report;
  struct ump_rules_cfg cfg;
  struct ump_proto_cfg proto;
  ump_time now;
  char folder[64], path[128];
  struct pm_conn conn[PM_CONNS];
  struct {
    char name[65], password[1025];
  } accounts[PM_ACCOUNTS];
  size_t n_accounts;
  struct ump_accounts face;
  bool slow;  /* answers only with pm_answer */
  int broken; /* what to answer instead; 0: the truth */
  struct {
    uint64_t ticket;
    int answer;
  } waiting[64];
  size_t n_waiting, asked;
};

extern const char
    PM_RULES[]; /* hp, attributes, positions, flags map and client: what the transcripts were recorded with */

bool pm_make(struct pm_world *w, const char *rules); /* false: memory ran out, as the test asked for */
void pm_start(struct pm_world *w, const char *rules);
void pm_drop(struct pm_world *w);                    /* frees it all, whatever it came to */
void pm_end(struct pm_world *w);                     /* everybody leaves first, and then nothing must be left */
void pm_book(struct pm_world *w, const char *rules); /* writes game.lua */
bool pm_reload(struct pm_world *w);
void pm_file(struct pm_world *w, const char *name, const char *text); /* below the rulebook's folder; makes folders */

int pm_open(struct pm_world *w, uint32_t conn);
void pm_send(struct pm_world *w, uint32_t conn, const void *bytes, size_t n);
void pm_ask(struct pm_world *w, uint32_t conn, const char *python);
size_t pm_pickle(const char *python, uint8_t *out, size_t cap); /* a message with its size */
void pm_eof(struct pm_world *w, uint32_t conn);
void pm_close(struct pm_world *w, uint32_t conn); /* the client has vanished */
void pm_advance(struct pm_world *w, ump_time by);
void pm_serve(struct pm_world *w);  /* takes what the server has to send */
void pm_answer(struct pm_world *w); /* the oldest waiting log-in */

/* Everything that came since, as Python prints it, replies joined by " | "; "closed" at the end when the server closed.
 */
const char *pm_heard(struct pm_world *w, uint32_t conn);
#define pm_expect(w, conn, text) assert_string_equal(pm_heard(w, conn), text)
/* A plain value as Python prints it, dicts sorted by key; with `sorted` lists too. */
size_t pm_print(struct ump_bytes plain, bool sorted, char *out, size_t cap);
const char *pm_print_stream(struct pm_world *w, struct ump_bytes bytes, bool sorted); /* borrowed until the next one */
uint64_t pm_count(struct pm_world *w, const char *counter);                           /* of the protocol */

#endif
