/* A connection's life: open, held back while somebody it sends to reads slowly, ended; and its timers. Each timeout is
 * a list in order of time, so that arming and ending are O(1). */
#include "proto/joint/internal.h"

struct conn *ump__joint_conn(struct joint_proto *l, uint32_t id) {
  return id < l->conns_cap ? l->conns[id] : NULL;
}

struct conn *ump__joint_conn_new(struct joint_proto *l, uint32_t id, const struct ump_addr *from) {
  struct conn *c = ump_zalloc(l->mem, sizeof *c);
  if (!c) return NULL;
  c->id = id, c->addr = *from, c->since = l->now;
  ump_buffer_init(&c->in, l->mem, IN_MAX);
  ump_outqueue_init(&c->out, l->mem);
  ump_list_init(&c->held);
  ump_list_push(&l->first, &c->timer);
  l->conns[id] = c;
  l->n_conns++;
  return c;
}

void ump__joint_conn_free(struct joint_proto *l, struct conn *c) {
  ump__joint_end(l, c, 0);
  struct ump_list *const nodes[] = {&c->timer, &c->keep, &c->full, &c->paused, &c->ready, &c->touched, &c->waiting};
  for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++) ump_list_remove(nodes[i]);
  ump__joint_web_free(l, c);
  ump_buffer_deinit(&c->in);
  ump_outqueue_deinit(&c->out);
  ump_free(l->mem, c->own, c->own_cap * sizeof *c->own);
  ump_free(l->mem, c->entered, c->entered_cap * sizeof *c->entered);
  ump_tally_sub(&l->addresses, &c->addr);
  l->conns[c->id] = NULL;
  l->n_conns--;
  ump_free(l->mem, c, sizeof *c);
}

void ump__joint_touch(struct joint_proto *l, struct conn *c) {
  if (!ump_list_linked(&c->touched)) ump_list_push(&l->touched, &c->touched);
}

void ump__joint_wake(struct joint_proto *l, struct conn *c) {
  if (!ump_list_linked(&c->ready)) ump_list_push(&l->ready, &c->ready);
}

/* ---- holding back ---- */

void ump__joint_wait(struct joint_proto *l, struct conn *sender, struct conn *receiver) {
  l->counts[HELD_BACK]++;
  sender->waits_for = receiver;
  ump_list_push(&receiver->held, &sender->waiting);
  ump_list_remove(&sender->timer); /* it is us who do not read */
  ump__joint_touch(l, sender);
}

static void go_on(struct joint_proto *l, struct conn *c) {
  c->since = l->now;
  ump__joint_wake(l, c);
  ump__joint_touch(l, c);
}

static void release(struct joint_proto *l, struct conn *receiver) {
  ump_list_remove(&receiver->full);
  while (!ump_list_empty(&receiver->held)) {
    struct conn *sender = UMP_CONTAINER(receiver->held.next, struct conn, waiting);
    ump_list_remove(&sender->waiting);
    sender->waits_for = NULL;
    go_on(l, sender);
  }
}

void ump__joint_drained(struct joint_proto *l, struct conn *c) {
  if (ump_list_linked(&c->full) && c->out.n <= l->unsent) release(l, c);
}

bool ump__joint_allow(struct joint_proto *l, struct conn *c, ump_time *paid, ump_time cost) {
  ump_time due = (*paid > l->now ? *paid : l->now) + cost, most = cost > UMP_S ? cost : UMP_S;
  if (due - l->now <= most) return *paid = due, true;
  l->counts[PAUSED]++;
  c->paused_since = l->now;
  ump_list_push(&l->paused, &c->paused);
  ump_list_remove(&c->timer);
  ump__joint_touch(l, c);
  return false;
}

/* ---- the end ---- */

void ump__joint_end(struct joint_proto *l, struct conn *c, uint16_t code) {
  if (c->closing) return;
  c->closing = true;
  ump__joint_web_close(l, c, code);
  for (unsigned i = 0; i < c->own_cap; i++)
    if (c->own[i]) ump__joint_close(l, c->own[i], DISCONNECTED, "left");
  for (unsigned i = 0; i < c->entered_cap; i++)
    if (c->entered[i]) ump__joint_rise(l, c->entered[i], DISCONNECTED, true, false, "connection lost");
  if (c->waits_for) ump_list_remove(&c->waiting), c->waits_for = NULL;
  release(l, c);
  ump_list_remove(&c->keep);
  ump_list_remove(&c->paused);
  ump_list_remove(&c->timer);
  ump_buffer_deinit(&c->in);
  c->since = l->now;
  ump_list_push(&l->closing, &c->timer);
  ump__joint_touch(l, c);
}

void ump__joint_abort(struct joint_proto *l, struct conn *c) {
  c->aborted = true;
  ump__joint_end(l, c, 0);
  ump_list_remove(&c->timer);
  ump__joint_touch(l, c);
}

/* ---- timers ---- */

void ump__joint_time(struct joint_proto *l, struct conn *c) {
  if (c->state != OPEN || c->closing) return; /* first and closing are not extended */
  struct ump_bytes in = ump_buffer_bytes(&c->in);
  struct ump_list *list = NULL;
  ump_list_remove(&c->timer);
  if (c->waits_for || ump_list_linked(&c->paused)) return;
  if (c->web && ump_ws_in_header(&c->web->ws))
    list = &l->command;
  else if (in.n)
    list = in.p[0] == 0 ? &l->command : &l->data;
  else if (c->web && ump_ws_in_payload(&c->web->ws))
    list = &l->data;
  if (list) ump_list_push(list, &c->timer);
}

/* The first of a list whose time is over by now; NULL: none. */
#define OVERDUE(list, member, field, length)                                                                           \
  (ump_list_empty(list) || UMP_CONTAINER((list)->next, struct conn, member)->field + (length) > l->now                 \
       ? NULL                                                                                                          \
       : UMP_CONTAINER((list)->next, struct conn, member))

static void give_up(struct joint_proto *l, struct ump_list *list, ump_time length) {
  for (struct conn *c; (c = OVERDUE(list, timer, since, length));) {
    l->counts[TIMED_OUT]++;
    ump__joint_end(l, c, 1008);
  }
}

static void keep_alive(struct joint_proto *l, struct conn *c) {
  static const uint8_t command[] = {0x00, 0x04, 0x00, 0xff, 0x00, 0x00};
  if (c->out.n == 0) { /* else it has not even taken what it was sent before */
    l->counts[KEEP_ALIVES]++;
    ump__joint_send(l, c, command, sizeof command);
    return;
  }
  c->last_out = l->now;
  ump_list_remove(&c->keep);
  ump_list_push(&l->keep, &c->keep);
}

void ump__joint_expire(struct joint_proto *l) {
  struct conn *c;
  give_up(l, &l->first, FIRST_TIMEOUT);
  give_up(l, &l->command, COMMAND_TIMEOUT);
  give_up(l, &l->data, DATA_TIMEOUT);
  while ((c = OVERDUE(&l->closing, timer, since, CLOSING_TIMEOUT))) ump__joint_abort(l, c);
  while ((c = OVERDUE(&l->full, full, full_since, SLOW_TIMEOUT))) {
    l->counts[SLOW_READER]++;
    ump_log_text(l->log, UMP_INFO, "slow_reader", &c->addr,
                 "it does not read what it is sent; the connection is closed");
    ump__joint_abort(l, c);
  }
  while ((c = OVERDUE(&l->keep, keep, last_out, KEEP_ALIVE))) keep_alive(l, c);
  while ((c = OVERDUE(&l->paused, paused, paused_since, PAUSE))) {
    ump_list_remove(&c->paused);
    go_on(l, c);
  }
}

static ump_time head(const struct ump_list *list, size_t node, size_t field, ump_time length) {
  if (ump_list_empty(list)) return UMP_NEVER;
  const char *c = (const char *)list->next - node;
  ump_time since;
  memcpy(&since, c + field, sizeof since);
  return since + length;
}

ump_time ump__joint_deadline(const struct joint_proto *l) {
  if (!ump_list_empty(&l->ready) || !ump_list_empty(&l->gone)) return 0;
  const struct {
    const struct ump_list *list;
    size_t node, field;
    ump_time length;
  } all[] = {
      {&l->first, offsetof(struct conn, timer), offsetof(struct conn, since), FIRST_TIMEOUT},
      {&l->command, offsetof(struct conn, timer), offsetof(struct conn, since), COMMAND_TIMEOUT},
      {&l->data, offsetof(struct conn, timer), offsetof(struct conn, since), DATA_TIMEOUT},
      {&l->closing, offsetof(struct conn, timer), offsetof(struct conn, since), CLOSING_TIMEOUT},
      {&l->full, offsetof(struct conn, full), offsetof(struct conn, full_since), SLOW_TIMEOUT},
      {&l->keep, offsetof(struct conn, keep), offsetof(struct conn, last_out), KEEP_ALIVE},
      {&l->paused, offsetof(struct conn, paused), offsetof(struct conn, paused_since), PAUSE},
  };
  ump_time at = UMP_NEVER;
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    at = ump_time_min(at, head(all[i].list, all[i].node, all[i].field, all[i].length));
  return at;
}
