/* Log-ins: the rulebook's word if it has a login, else the accounts'. These may answer later: hashing a password takes
 * a tenth of a second, on another thread. What has to be known then is kept here; the client may be gone by that time.
 */
#include "engine/accounts.h"
#include "engine/inside.h"

enum { ID_MAX = 64, PASSWORD_MAX = 1024 };

/* One log-in that waits for the accounts. */
struct ump__login {
  struct ump_list link;
  uint64_t ticket, serial, key, token; /* key: of the exactly-once window */
  uint32_t listener, slot, session;
  bool once, high, create;
  bool overtaken; /* the client logged out or moved meanwhile */
  uint8_t n_id;
  uint8_t id[ID_MAX];
  char *name; /* owned */
};

static void say(struct ump_answer *a, enum ump_verdict verdict, const char *reason) {
  a->verdict = verdict;
  a->reason = ump_text(reason);
}

/* ---- waiting ---- */

static void login_free(struct ump_engine *e, struct ump__login *p) {
  ump_list_remove(&p->link);
  ump__text_free(e->mem, p->name);
  ump_free(e->mem, p, sizeof *p);
}

static struct ump__login *login_new(struct ump_engine *e, struct ump__listener *l, const struct ump_event *ev,
                                    uint64_t key) {
  struct ump__login *p = ump_zalloc(e->mem, sizeof *p);
  if (!p) return NULL;
  *p = (struct ump__login){.ticket = ++e->tickets,
                           .serial = ev->client->serial,
                           .key = key,
                           .token = ev->token,
                           .listener = (uint32_t)(l - e->listeners),
                           .slot = ev->client->slot,
                           .session = ev->session,
                           .once = ev->once,
                           .high = ev->high,
                           .create = ev->create,
                           .n_id = (uint8_t)ev->id.n};
  assert(ev->id.n <= sizeof p->id);
  memcpy(p->id, ev->id.p, ev->id.n);
  p->name = ump__text_copy(e->mem, ev->user);
  ump_list_push(&e->logins, &p->link);
  if (p->name) return p;
  login_free(e, p);
  return NULL;
}

static struct ump__login *login_find(const struct ump_engine *e, uint64_t ticket) {
  for (struct ump_list *at = e->logins.next; at != &e->logins; at = at->next) { /* they come in order, nearly always */
    struct ump__login *p = UMP_CONTAINER(at, struct ump__login, link);
    if (p->ticket == ticket) return p;
  }
  return NULL;
}

bool ump__login_waits(const struct ump_engine *e, uint64_t key) {
  for (struct ump_list *at = e->logins.next; at != &e->logins; at = at->next) {
    struct ump__login *p = UMP_CONTAINER(at, struct ump__login, link);
    if (p->once && p->key == key) return true;
  }
  return false;
}

/* A yes to what was asked before a log-out must not log in again, nor may it serve whoever has taken the session over.
 */
void ump__logins_overtake(struct ump_engine *e, const struct ump_client *c) {
  for (struct ump_list *at = e->logins.next; at != &e->logins; at = at->next) {
    struct ump__login *p = UMP_CONTAINER(at, struct ump__login, link);
    if (p->slot == c->slot && p->serial == c->serial) p->overtaken = true;
  }
}

/* Gone: nobody waits for them. A client that returns in time has the same serial, and may have the same slot. */
void ump__logins_forget(struct ump_engine *e, const struct ump_client *c) {
  for (struct ump_list *at = e->logins.next, *next; at != &e->logins; at = next) {
    struct ump__login *p = UMP_CONTAINER(at, struct ump__login, link);
    next = at->next;
    if (p->slot == c->slot && p->serial == c->serial) login_free(e, p);
  }
}

void ump__logins_deinit(struct ump_engine *e) {
  while (!ump_list_empty(&e->logins)) login_free(e, UMP_CONTAINER(e->logins.next, struct ump__login, link));
}

/* ---- the accounts' word ---- */

static void take_answer(struct ump_answer *a, bool create, int answer) {
  if (answer == 1)
    a->verdict = UMP_LEGAL;
  else if (answer == 0)
    say(a, UMP_ILLEGAL, create ? "this name is taken" : "wrong name or password");
  else if (answer == UMP_EFULL)
    say(a, UMP_ILLEGAL, "too many log-ins at once, try again");
  else
    say(a, UMP_INTERNAL, "internal");
}

/* False: the answer comes later. */
static bool ask_accounts(struct ump_engine *e, struct ump__listener *l, const struct ump_event *ev, uint64_t key,
                         struct ump_answer *a) {
  if (!e->accounts) return say(a, UMP_ILLEGAL, "this server has no accounts"), true;
  if (ev->password.n < 1 || ev->password.n > PASSWORD_MAX) return say(a, UMP_INVALID, "malformed password"), true;
  struct ump__login *p = login_new(e, l, ev, key);
  if (!p) return say(a, UMP_INTERNAL, "internal"), true;
  struct ump_account_question q = {ev->create, ev->user, ev->password, p->ticket};
  int answer = e->accounts->ask(e->accounts->self, &q);
  if (answer == UMP_EAGAIN) return false;
  take_answer(a, ev->create, answer);
  if (answer == 1) ump__client_rename(e, ev->client, p->name), p->name = NULL;
  login_free(e, p);
  return true;
}

void ump_engine_set_accounts(struct ump_engine *e, const struct ump_accounts *a) {
  e->accounts = a;
}

void ump__login_answered(struct ump_engine *e, uint64_t ticket, int answer) {
  struct ump__login *p = login_find(e, ticket);
  if (!p) return;
  struct ump_client *c = ump__client_at(e, p->slot, p->serial);
  if (c && !c->leaving && c->session == p->session && c->listener == p->listener) {
    struct ump_answer a = {.high = p->high};
    struct ump_event ev = {.type = UMP_EVENT_LOGIN,
                           .session = p->session,
                           .client = c,
                           .token = p->token,
                           .once = p->once,
                           .high = p->high,
                           .create = p->create,
                           .id = ump_bytes(p->id, p->n_id),
                           .user = ump_text(p->name)};
    if (p->overtaken)
      say(&a, UMP_ILLEGAL, "logged out meanwhile"), answer = 0;
    else
      take_answer(&a, p->create, answer);
    /* Without room to remember it, a copy would ask the accounts again: that harms nobody. */
    if (ev.once && ump_verdicts_reserve(e->verdicts, p->key, e->now)) ev.once = false;
    if (answer == 1) ump__client_rename(e, c, p->name), p->name = NULL, ev.user = ump_text(c->name);
    ump__conclude(e, &e->listeners[p->listener], &ev, p->key, &a);
  }
  login_free(e, p);
}

/* ---- the rulebook's word ---- */

/* True: it has a login. The log-in's own effects come after the name, so a rulebook may give another. */
static bool ask_rules(struct ump_engine *e, const struct ump_event *ev, struct ump_answer *a) {
  struct ump_bytes reason = {0};
  char *name = ump__text_copy(e->mem, ev->user);
  if (!name) return say(a, UMP_INTERNAL, "internal"), true;
  ump__call_begin(e, e->rb);
  int rc = e->rb->ops->login(e->rb->self, ev->client, ev->user, ev->password, ev->create, &reason);
  if (rc > 0) {
    a->verdict = UMP_LEGAL;
    ump__client_rename(e, ev->client, name);
    return true;
  }
  ump__text_free(e->mem, name);
  if (rc == UMP_ENOSUPPORT) return ump__call_rollback(e), false;
  if (rc == 0) {
    a->verdict = UMP_ILLEGAL;
    a->reason = ump__reason(reason);
  } else {
    ump__call_end(e, rc);
    say(a, UMP_INTERNAL, "internal");
  }
  return true;
}

bool ump__login(struct ump_engine *e, struct ump__listener *l, const struct ump_event *ev, uint64_t key,
                struct ump_answer *a) {
  UMP__COUNT(e, logins);
  if (!ump__text_is_name(ev->user)) return say(a, UMP_INVALID, "malformed user name"), true;
  if (!ump__attempts_take(&e->attempts, &ev->client->addr, ev->user, l->attempts, e->now)) {
    UMP__COUNT(e, logins_over_rate);
    a->late = true;
    return say(a, UMP_ILLEGAL, "too many attempts, wait a minute"), true;
  }
  return ask_rules(e, ev, a) || ask_accounts(e, l, ev, key, a);
}
