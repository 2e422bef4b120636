/* Accounts as the engine asks for them: a name and a password, yes or no. host/store keeps them in a database; the
 * engine sees this and nothing else, so the answer may come from anywhere, at once or later.
 *
 * They are asked only where the rulebook has no login of its own. */
#ifndef UMP_ENGINE_ACCOUNTS_H
#define UMP_ENGINE_ACCOUNTS_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/time.h"

struct ump_engine;

struct ump_account_question {
  bool create;               /* make the account; no if the name is taken */
  struct ump_bytes name;     /* 1-64 bytes of UTF-8 without control characters; both are borrowed for the call */
  struct ump_bytes password; /* 1-1024 bytes, any */
  uint64_t ticket;           /* of the answer; never used twice */
};

struct ump_accounts {
  /* 1: yes. 0: no (an unknown name, a wrong password, a name that is taken). UMP_EAGAIN: ump_engine_account_answer will
   * say, exactly once. UMP_EFULL: too many are waiting already. Any other negative code: it cannot be known (already
   * logged). */
  int (*ask)(void *self, const struct ump_account_question *q);
  void *self;
};

/* a is borrowed until it is replaced; NULL: there are no accounts. */
void ump_engine_set_accounts(struct ump_engine *e, const struct ump_accounts *a);
/* A driving call (engine.h): what ask left open. answer as of ask, but never UMP_EAGAIN. A client that has gone
 * meanwhile, and a ticket that nobody waits for, are no fault. */
void ump_engine_account_answer(struct ump_engine *e, uint64_t ticket, int answer, ump_time now);

#endif
