#include "net/logins.h"

#include <uv.h>

enum { RUNNING = 2, WAITING = 64, NAME_MAX_BYTES = 64, PASSWORD_MAX = 1024 };

struct job {
  uv_work_t req;
  struct ump_logins *logins;
  struct ump_list link; /* while it waits */
  uint64_t ticket;
  bool create;
  int answer;
  size_t n_name, n_password;
  uint8_t name[NAME_MAX_BYTES], password[PASSWORD_MAX];
  char error[512];
};

struct ump_logins {
  struct ump_logins_cfg cfg;
  struct ump_accounts face;
  struct ump_list waiting; /* the oldest first */
  unsigned n_waiting, n_running;
  bool closing;
};

/* A password must not stay behind in memory; the compiler may not leave this out. */
static void wipe(struct job *j) {
  volatile uint8_t *p = j->password;
  for (size_t i = 0; i < sizeof j->password; i++) p[i] = 0;
}

static void job_free(struct job *j) {
  wipe(j);
  ump_free(&ump_mem_libc, j, sizeof *j);
}

static void logins_delete(struct ump_logins *l) {
  ump_free(&ump_mem_libc, l, sizeof *l);
}

static void on_work(uv_work_t *req) { /* another thread */
  struct job *j = UMP_CONTAINER(req, struct job, req);
  const struct ump_logins_cfg *cfg = &j->logins->cfg;
  j->answer = cfg->check(cfg->ctx, j->create, ump_bytes(j->name, j->n_name), ump_bytes(j->password, j->n_password),
                         j->error, sizeof j->error);
  wipe(j);
}

static void start(struct ump_logins *l);

static void on_done(uv_work_t *req, int status) { /* the loop's thread again */
  struct job *j = UMP_CONTAINER(req, struct job, req);
  struct ump_logins *l = j->logins;
  l->n_running--;
  if (l->closing) {
    if (l->n_running == 0) logins_delete(l);
    job_free(j);
    return;
  }
  if (status < 0) j->answer = UMP_EINVAL;
  if (j->answer < 0 && j->error[0]) ump_log_text(ump_loop_log(l->cfg.loop), UMP_ERROR, "accounts", NULL, j->error);
  start(l);
  ump_engine_account_answer(ump_loop_engine(l->cfg.loop), j->ticket, j->answer, ump_loop_now(l->cfg.loop));
  job_free(j);
}

static void start(struct ump_logins *l) {
  while (l->n_running < l->cfg.running && !ump_list_empty(&l->waiting)) {
    struct job *j = UMP_CONTAINER(l->waiting.next, struct job, link);
    ump_list_remove(&j->link);
    l->n_waiting--;
    l->n_running++;
    uv_queue_work(ump_loop_uv(l->cfg.loop), &j->req, on_work, on_done); /* fails for wrong arguments only */
  }
}

static int ask(void *self, const struct ump_account_question *q) {
  struct ump_logins *l = self;
  if (q->name.n > NAME_MAX_BYTES || q->password.n > PASSWORD_MAX) return 0;
  if (l->n_running == l->cfg.running && l->n_waiting >= l->cfg.waiting) return UMP_EFULL;
  struct job *j = ump_zalloc(&ump_mem_libc, sizeof *j);
  if (!j) return UMP_ENOMEM;
  j->logins = l, j->ticket = q->ticket, j->create = q->create;
  j->n_name = q->name.n, j->n_password = q->password.n;
  if (q->name.n) memcpy(j->name, q->name.p, q->name.n);
  if (q->password.n) memcpy(j->password, q->password.p, q->password.n);
  ump_list_push(&l->waiting, &j->link);
  l->n_waiting++;
  start(l);
  return UMP_EAGAIN;
}

struct ump_logins *ump_logins_new(const struct ump_logins_cfg *cfg) {
  struct ump_logins *l = ump_zalloc(&ump_mem_libc, sizeof *l);
  if (!l) return NULL;
  l->cfg = *cfg;
  if (!l->cfg.running) l->cfg.running = RUNNING;
  if (!l->cfg.waiting) l->cfg.waiting = WAITING;
  l->face = (struct ump_accounts){ask, l};
  ump_list_init(&l->waiting);
  return l;
}

const struct ump_accounts *ump_logins_accounts(struct ump_logins *l) {
  return &l->face;
}

void ump_logins_free(struct ump_logins *l) {
  if (!l) return;
  ump_engine_set_accounts(ump_loop_engine(l->cfg.loop), NULL);
  while (!ump_list_empty(&l->waiting)) {
    struct job *j = UMP_CONTAINER(l->waiting.next, struct job, link);
    ump_list_remove(&j->link);
    job_free(j);
  }
  l->closing = true;
  if (l->n_running == 0) logins_delete(l);
}
