/* Coming and going: who is let in, who left, who is thrown out. */
#include "engine/inside.h"

/* ---- coming ---- */

static void refuse(struct ump_engine *e, struct ump__listener *l, const struct ump_event *ev, struct ump_bytes reason) {
  UMP__COUNT(e, refused);
  l->ops->admit(l->self, ev->session, NULL, 0, ump__reason(reason), e->now);
}

/* The newcomer is admitted before what connect asked for is done, so a notify or broadcast of connect reaches it. */
static void welcome(struct ump_engine *e, struct ump__listener *l, struct ump_client *c) {
  UMP__COUNT(e, connects);
  ump__client_admit(e, c);
  ump__feed_welcome(e, c);
  l->ops->admit(l->self, c->session, c, c->serial, ump_bytes(NULL, 0), e->now);
  ump__call_commit(e);
}

void ump__connect(struct ump_engine *e, uint32_t listener, const struct ump_event *ev) {
  struct ump__listener *l = &e->listeners[listener];
  struct ump_bytes reason = {0};
  const char *no = e->draining ? "the server is stopping" : e->rb ? NULL : "no rules";
  struct ump_client *c = no ? NULL : ump__client_new(e, listener, ev);
  if (!c) {
    refuse(e, l, ev, ump_text(no ? no : "internal"));
    return;
  }
  ump__call_begin(e, e->rb);
  int rc = e->rb->ops->connect(e->rb->self, c, &reason);
  if (rc > 0) {
    welcome(e, l, c);
    return;
  }
  refuse(e, l, ev, rc < 0 ? ump_text("internal") : reason);
  ump__call_end(e, rc); /* a refusal may ask for effects; what is for the refused one is lost, it was not admitted */
  ump__client_free(e, c);
}

/* A name that we cannot hold is no name: keeping the one before would let it act as somebody else. */
void ump__take_name(struct ump_engine *e, const struct ump_event *ev) {
  char *name = ump__text_is_name(ev->user) ? ump__text_copy(e->mem, ev->user) : NULL;
  ump__client_rename(e, ev->client, name);
}

/* ---- going ---- */

static void tell_rules(struct ump_engine *e, struct ump_client *c, struct ump_bytes reason) {
  UMP__COUNT(e, disconnects);
  ump__client_leave(e, c);
  if (!e->rb) return;
  ump__call_begin(e, e->rb);
  ump__call_end(e, e->rb->ops->disconnect(e->rb->self, c, reason));
}

void ump__disconnect(struct ump_engine *e, const struct ump_event *ev) {
  ump_list_remove(&ev->client->kicks);
  tell_rules(e, ev->client, ump_text(ev->reason ? ev->reason : "left"));
  ump__client_free(e, ev->client);
}

/* ---- thrown out. Queued, so that a disconnect handler that kicks others, whose disconnect handler kicks others still,
 * goes round a loop and not down the stack. A client is queued once, so the loop ends. ---- */

void ump__kick_queue(struct ump_engine *e, struct ump_client *c, struct ump_blob *reason) {
  assert(!c->leaving && !c->farewell);
  ump__client_leave(e, c);
  c->farewell = reason;
  ump_list_push(&e->kicks, &c->kicks);
}

void ump__kicks_run(struct ump_engine *e) {
  while (!ump_list_empty(&e->kicks)) {
    struct ump_client *c = UMP_CONTAINER(e->kicks.next, struct ump_client, kicks);
    struct ump__listener *l = &e->listeners[c->listener];
    struct ump_bytes reason =
        c->farewell ? ump_bytes(c->farewell->p, c->farewell->n) : ump_text("the server is stopping");
    ump_list_remove(&c->kicks);
    UMP__COUNT(e, kicks);
    tell_rules(e, c, reason);
    l->ops->kick(l->self, c->session, reason, e->now);
    l->stirred = true;
    ump__client_free(e, c);
  }
}

/* There is no farewell to allocate: ten thousand of them may not be there when the host is stopping for lack of memory.
 */
void ump_engine_drain(struct ump_engine *e, ump_time now) {
  if (now > e->now) e->now = now;
  e->draining = true;
  for (struct ump_client *c; (c = ump_engine_next_client(e, NULL));) {
    ump__client_leave(e, c);
    ump_list_push(&e->kicks, &c->kicks);
  }
  ump__kicks_run(e);
  ump__timers_end_others(e, NULL);
}
