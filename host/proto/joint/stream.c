/* What a connection says: commands, data frames and broadcast marks, out of a stream of any cutting. A frame is dealt
 * with when all of it is there, so one frame in makes one frame out, however the network cut it; but whom it reaches is
 * fixed when its header is there. */
#include "proto/joint/internal.h"

enum { NEED_MORE = -1, BAD = -2, HELD = -3 }; /* instead of the bytes taken */

/* ---- commands ---- */

void ump__joint_answer(struct joint_proto *l, struct conn *c, uint8_t nr, uint8_t error, uint8_t number) {
  uint8_t bytes[] = {0x00, 0x03, nr, error ? 1 : 0, error ? error : number};
  if (error) l->counts[COMMANDS_REFUSED]++;
  ump__joint_send(l, c, bytes, sizeof bytes);
}

static void no_memory(struct joint_proto *l, struct conn *c) {
  l->counts[NO_MEMORY]++;
  ump__joint_end(l, c, 1011);
}

static void create(struct joint_proto *l, struct conn *c, uint8_t nr, struct ump_bytes id) {
  if (id.n == 0 || ump__joint_find(l, id)) { /* the name is looked at first, then the number */
    ump__joint_answer(l, c, nr, 2, 0);
    return;
  }
  struct joint *j = ump__joint_new(l, id);
  int err = j ? ump__joint_own(l, c, j) : UMP_ENOMEM;
  if (err) {
    if (j) ump__joint_close(l, j, CLOSED, NULL);
    if (err == UMP_EFULL)
      ump__joint_answer(l, c, nr, 1, 0);
    else
      no_memory(l, c);
    return;
  }
  l->counts[CREATES]++;
  ump__joint_answer(l, c, nr, 0, j->number);
}

static uint8_t may_enter(const struct joint_proto *l, const struct conn *c, const struct joint *j) {
  unsigned n = 0;
  if (!j) return 1;
  if (j->owner == c) return 2;
  for (unsigned i = 0; i < c->entered_cap; i++) {
    if (c->entered[i] && c->entered[i]->joint == j) return 3;
    n += c->entered[i] != NULL;
  }
  if (j->n_users >= l->max_users || (j->channel && j->n_users >= j->channel->max_users)) return 4;
  if (j->channel && l->n_members >= l->limit) return 4;
  return n >= JOINTS_MAX ? 5 : 0;
}

/* 1: the engine is asked whether the rulebook wants him; HELD: not now. */
static int enter(struct joint_proto *l, struct conn *c, uint8_t nr, struct ump_bytes id, struct ump_event *ev) {
  struct joint *j = id.n ? ump__joint_find(l, id) : NULL;
  struct seat *s;
  uint8_t error = may_enter(l, c, j);
  if (error) return ump__joint_answer(l, c, nr, error, 0), 0;
  if (j->channel && !ump__joint_allow(l, c, &c->enters_due, ENTER_COST)) return HELD;
  int err = ump__joint_sit(l, c, j, &s);
  if (!err && j->channel && (err = ump__joint_member(l, s))) ump__joint_rise(l, s, CLOSED, false, false, NULL);
  if (err) return no_memory(l, c), 0;
  if (j->channel) {
    s->member->nr = nr;
    *ev = (struct ump_event){
        .type = UMP_EVENT_CONNECT, .session = s->member->session, .from = &c->addr, .channel = j->channel->name};
    return 1;
  }
  uint8_t notice[] = {0x00, 0x04, 0x00, 0x00, j->number, s->user};
  l->counts[ENTERS]++;
  ump__joint_answer(l, c, nr, 0, s->number);
  ump__joint_send(l, j->owner, notice, sizeof notice);
  return 0;
}

static void leave(struct joint_proto *l, struct conn *c, uint8_t number) {
  struct seat *s = ump__joint_seat(c, number);
  if (!s) return;
  l->counts[LEAVES]++;
  ump__joint_rise(l, s, CLOSED, true, false, "left");
}

static void delete (struct joint_proto *l, struct conn *c, uint8_t number) {
  struct joint *j = ump__joint_owned(c, number);
  if (!j) return;
  l->counts[DELETES]++;
  ump__joint_close(l, j, CLOSED, "left");
}

static void kick(struct joint_proto *l, struct conn *c, uint8_t number, uint8_t user) {
  struct joint *j = ump__joint_owned(c, number);
  struct seat *s = j ? ump__joint_user(j, user) : NULL;
  if (!s) return;
  l->counts[KICKS]++;
  ump__joint_rise(l, s, KICKED, true, true, NULL);
}

enum { CREATE, ENTER, LEAVE, DELETE, KICK, N_COMMANDS };

static int command(struct joint_proto *l, struct conn *c, struct ump_bytes in, struct ump_event *ev, int *got) {
  static const uint8_t lengths[N_COMMANDS] = {[LEAVE] = 1, [DELETE] = 1, [KICK] = 2};
  if (in.n >= 2 && in.p[1] >= N_COMMANDS) return BAD;
  if (in.n >= 3 && in.p[1] <= ENTER && in.p[2] == 0) return BAD; /* its answer would read as "user entered" */
  if (in.n >= 4 && lengths[in.p[1]] && in.p[3] != lengths[in.p[1]]) return BAD;
  if (in.n < 4 || in.n < 4u + in.p[3]) return NEED_MORE;
  const uint8_t *p = in.p + 4;
  struct ump_bytes id = ump_bytes(p, in.p[3]);
  int taken = 4 + in.p[3]; /* now: out of memory ends the connection, and its input */
  c->mark = UNMARKED;
  switch (in.p[1]) {
  case CREATE:
    create(l, c, in.p[2], id);
    break;
  case ENTER:
    *got = enter(l, c, in.p[2], id, ev);
    if (*got == HELD) return *got = 0, HELD;
    break;
  case LEAVE:
    leave(l, c, p[0]);
    break;
  case DELETE:
    delete (l, c, p[0]);
    break;
  case KICK:
    kick(l, c, p[0], p[1]);
    break;
  default:
    break;
  }
  return taken;
}

/* ---- data frames ---- */

struct frame {
  size_t head, n; /* bytes of the size; N */
  bool own, wants_user, has_joint, has_user;
  uint8_t number, user;
  struct ump_bytes data; /* once all of it is there */
};

/* False: its header is not complete. */
static bool read_header(const struct conn *c, struct ump_bytes in, struct frame *f) {
  *f = (struct frame){.head = ump_joint_size_get(in, &f->n)};
  if (!f->head) return false;
  ump_joint_size_get(in, &f->n);
  size_t at = f->head;
  f->has_joint = f->n >= 1;
  if (f->has_joint && in.n < at + 1) return false;
  if (f->has_joint) f->own = in.p[at] & 0x80, f->number = in.p[at++] & 0x7f;
  f->wants_user = f->own && c->mark != TO_ALL;
  f->has_user = f->wants_user && f->n >= 2;
  if (f->has_user && in.n < at + 1) return false;
  if (f->has_user) f->user = in.p[at++];
  size_t end = f->head + f->n;
  if (in.n >= end) f->data = ump_bytes(in.p + at, end - at);
  return true;
}

/* Serials of those whom an owner's frame is for, as things are when its header has come; 0: nobody. A user's own seat
 * can only be lost while his frame is coming: to take another he would have to say so, and that waits behind the frame.
 */
static void fix_target(const struct joint_proto *l, struct conn *c, const struct frame *f) {
  struct joint *j = f->own ? ump__joint_owned(c, f->number) : NULL;
  struct seat *to = j && f->has_user ? ump__joint_user(j, f->user) : NULL;
  c->target = j ? j->serial : 0;
  c->target_user = to ? to->serial : 0;
  c->epoch = l->serials;
  c->heard = 0;
  c->fixed = true;
}

static bool is_full(const struct conn *c) {
  return ump_list_linked(&c->full);
}

/* Towards the owner. */
static int to_owner(struct joint_proto *l, struct conn *c, const struct frame *f, struct ump_event *ev, int *got) {
  struct seat *s = f->has_joint ? ump__joint_seat(c, f->number) : NULL;
  if (!s) return l->counts[FRAMES_LOST]++, 0;
  if (s->member) {
    *got = ump__joint_hear(l, c, s->member, f->data, &c->heard, ev);
    return *got || ump_list_linked(&c->paused) ? HELD : 0;
  }
  if (is_full(s->joint->owner)) return ump__joint_wait(l, c, s->joint->owner), HELD;
  ump__joint_to_owner(l, s, f->data);
  return 0;
}

/* From an owner to one user. */
static int to_user(struct joint_proto *l, struct conn *c, struct joint *j, const struct frame *f) {
  struct seat *s = f->has_user ? ump__joint_user(j, f->user) : NULL;
  if (!s || s->serial != c->target_user) return l->counts[FRAMES_LOST]++, 0;
  if (is_full(s->conn)) return ump__joint_wait(l, c, s->conn), HELD;
  ump__joint_to_user(l, s, f->data);
  return 0;
}

/* The users of a broadcast: those who were there when its header came, but one. */
static struct seat *hearer(const struct conn *c, const struct joint *j, const struct frame *f, unsigned i) {
  struct seat *s = j->users[i];
  bool out = !s || s->serial > c->epoch || (f->wants_user && s->user == f->user);
  return out ? NULL : s;
}

static int to_all(struct joint_proto *l, struct conn *c, struct joint *j, const struct frame *f) {
  struct ump_blob *b = NULL;
  uint8_t number = 0;
  if (f->wants_user && !f->has_user) return 0;
  for (unsigned i = 0; i < j->cap; i++) {
    struct seat *s = hearer(c, j, f, i);
    if (s && is_full(s->conn)) return ump__joint_wait(l, c, s->conn), HELD;
  }
  l->counts[BROADCASTS]++;
  for (unsigned i = 0; i < j->cap && f->data.n; i++) {
    struct seat *s = hearer(c, j, f, i);
    if (!s) continue;
    if (!b && !(b = ump__joint_parcel(l, f->data, number = s->number))) return no_memory(l, c), 0;
    ump__joint_send_parcel(l, s, b, number);
  }
  ump_blob_unref(b);
  return 0;
}

static int data(struct joint_proto *l, struct conn *c, struct ump_bytes in, struct ump_event *ev, int *got) {
  struct frame f;
  int held = 0;
  if (!read_header(c, in, &f)) return NEED_MORE;
  if (f.n > l->payload + 1 + f.has_user) return BAD; /* by its header: what is refused is not gathered first */
  if (!c->fixed) fix_target(l, c, &f);
  if (in.n < f.head + f.n) return NEED_MORE;
  if (!f.own) {
    held = to_owner(l, c, &f, ev, got);
  } else {
    struct joint *j = ump__joint_owned(c, f.number);
    if (!j || j->serial != c->target)
      l->counts[FRAMES_LOST]++;
    else
      held = c->mark ? to_all(l, c, j, &f) : to_user(l, c, j, &f);
  }
  if (held) return HELD;
  l->counts[FRAMES]++;
  c->fixed = false;
  c->mark = UNMARKED; /* also one before a frame that is none of an owner's */
  return (int)(f.head + f.n);
}

/* ---- the stream ---- */

static int mark(struct conn *c, struct ump_bytes in) {
  if (in.n < 2) return NEED_MORE;
  c->mark = in.p[1] == 1 ? TO_ALL : in.p[1] == 0 ? BUT_ONE : UNMARKED; /* others: the library's send of no bytes */
  return 2;
}

static int step(struct joint_proto *l, struct conn *c, struct ump_bytes in, struct ump_event *ev, int *got) {
  switch (in.p[0]) {
  case 0:
    return command(l, c, in, ev, got);
  case 1:
    return mark(c, in);
  default:
    return data(l, c, in, ev, got);
  }
}

static void refuse(struct joint_proto *l, struct conn *c) {
  l->counts[BAD_COMMAND]++;
  ump_log_text(l->log, UMP_INFO, "bad_command", &c->addr,
               "a command that the joint protocol does not have, or a frame over the limit; the connection is closed");
  ump__joint_end(l, c, 1008);
}

static void at_end(struct joint_proto *l, struct conn *c) {
  ump__joint_web_eof(l, c);
  ump__joint_end(l, c, 0);
}

int ump__joint_run(struct joint_proto *l, struct conn *c, struct ump_event *ev) {
  int got = 0, taken = 0;
  for (unsigned i = 0; i < TURN && !got; i++) {
    if (c->aborted) ump__joint_end(l, c, 0);
    if (c->closing || c->waits_for || ump_list_linked(&c->paused)) return 0;
    struct ump_bytes in = ump_buffer_bytes(&c->in);
    taken = in.n ? step(l, c, in, ev, &got) : NEED_MORE;
    if (c->closing) return got;
    if (taken > 0) ump_buffer_consume(&c->in, (size_t)taken);
    if (taken == BAD) refuse(l, c);
    if (taken < 0) break;
  }
  if (c->closing) return got;
  if (taken > 0 || got)
    ump__joint_wake(l, c); /* there may be more; at the end of the line: others are served in between */
  else if (taken == NEED_MORE && c->eof)
    at_end(l, c);
  ump__joint_time(l, c);
  return got;
}
