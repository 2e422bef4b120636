/* From bytes to events: sizes, pickles, one request at a time, and the answer to each. */
#include "proto/pymmorpg/internal.h"

/* ---- framing ---- */

/* The size in front: digits and a blank. 0; UMP_EAGAIN; UMP_EMALFORMED at the first byte that shows it. */
static int read_size(struct ump_bytes in, size_t *size, size_t *used) {
  size_t v = 0;
  for (size_t i = 0; i < in.n; i++) {
    uint8_t ch = in.p[i];
    if (ch == ' ' && i > 0) return *size = v, *used = i + 1, 0;
    if (ch < '0' || ch > '9' || (i == 0 && ch == '0')) return UMP_EMALFORMED;
    v = v * 10 + (size_t)(ch - '0');
    if (v > MESSAGE_MAX) return UMP_EMALFORMED;
  }
  return UMP_EAGAIN;
}

/* 0: the pickle of the message at the front is whole, and the message takes *used bytes. */
static int read_message(struct ump_bytes in, struct ump_bytes *pickle, size_t *used) {
  size_t size, head;
  int err = read_size(in, &size, &head);
  if (err) return err;
  if (in.n - head < size) return UMP_EAGAIN;
  *pickle = ump_bytes(in.p + head, size);
  *used = head + size;
  return 0;
}

static void bad_size(struct pymmorpg *p, struct conn *c, ump_time now) {
  p->counts[BAD_SIZE]++;
  ump_log_text(p->log, UMP_INFO, "bad_size", &c->addr,
               "a message must begin with its size, 1 to 1048576 in decimal, and one blank; the connection is closed");
  ump__pm_end(p, c, "broken framing", now);
}

/* ---- messages ---- */

static void unreadable(struct pymmorpg *p, struct conn *c, const struct ump_pickle_error *error, ump_time now) {
  uint8_t line[200];
  struct ump_writer w = ump_writer(line, sizeof line);
  ump_write_text(&w, "a message that cannot be read is ignored: ");
  ump_write_text(&w, error->why ? error->why : "no pickle");
  ump_write_text(&w, ", at byte ");
  ump_write_decimal(&w, (int64_t)error->offset);
  ump_log_write(p->log, UMP_INFO, "bad_pickle", &c->addr, ump_written(&w));
  p->counts[UNREADABLE]++;
  if (++c->unreadable_in_a_row < UNREADABLE_IN_A_ROW) return;
  p->counts[TOO_MANY_UNREADABLE]++;
  ump__pm_end(p, c, "too many messages that cannot be read", now);
}

static int start_login(struct conn *c, const struct request *q, struct ump_event *ev) {
  c->waiting = true;
  c->trying_n = (uint8_t)q->user.n;
  memcpy(c->trying, q->user.p, q->user.n);
  *ev = (struct ump_event){.type = UMP_EVENT_LOGIN,
                           .session = c->id,
                           .client = c->client,
                           .user = q->user,
                           .password = q->password,
                           .create = q->command == NEW};
  return 1;
}

static int judge(struct conn *c, const struct request *q, struct ump_event *ev) {
  bool own = ump_bytes_equal(q->target, ump_bytes(c->user, c->user_n));
  c->command = q->command;
  *ev = (struct ump_event){.type = UMP_EVENT_JUDGE,
                           .session = c->id,
                           .client = c->client,
                           .has_name = true,
                           .has_data = true,
                           .name = ump_text(q->name),
                           .data = q->args,
                           .encoding = UMP_PLAIN,
                           .touches_other = q->command == SET && !own};
  return 1;
}

/* 1: an event; 0: answered, or to be ignored. */
static int serve(struct pymmorpg *p, struct conn *c, const struct request *q, struct ump_event *ev, ump_time now) {
  p->counts[REQUESTS]++;
  if (q->command == NO_COMMAND)
    p->counts[REFUSED_ARGUMENTS]++;
  else if (!q->outside && !c->logged_in)
    p->counts[REFUSED_OUTSIDE]++;
  else if (q->command == VER)
    return ump__pm_say_encoded(p, c, p->version, now), 0;
  else if (q->command == UPGRADE)
    return ump__pm_say_encoded(p, c, p->image, now), 0;
  else if (q->command == LOGIN || q->command == NEW)
    return start_login(c, q, ev);
  else
    return judge(c, q, ev);
  ump__pm_say_false(p, c, now);
  return 0;
}

static void forget_decoded(struct pymmorpg *p) {
  ump_blob_unref(p->decoded);
  p->decoded = NULL;
}

/* The message at the front of `in`, which ends `used` bytes on. 1: an event */
static int take(struct pymmorpg *p, struct conn *c, struct ump_bytes pickle, size_t used, struct ump_event *ev,
                ump_time now) {
  struct ump_pickle_error error = {0};
  struct request q;
  int err = ump_pickle_decode_message(p->mem, pickle, &p->decoded, &error);
  ump_buffer_consume(&c->in, used);
  ump__pm_arm(p, c, c->logged_in ? T_PLAYING : T_OUTSIDE, now);
  if (err == UMP_EMALFORMED) return unreadable(p, c, &error, now), 0;
  if (!err) err = ump__pm_request(p->mem, &p->decoded, &q);
  if (err) {
    p->counts[NO_MEMORY]++;
    ump__pm_abort(p, c, "out of memory", now);
    return 0;
  }
  c->unreadable_in_a_row = 0;
  return serve(p, c, &q, ev, now);
}

static int next(struct pymmorpg *p, struct conn *c, struct ump_event *ev, ump_time now) {
  while (!c->gone && !c->waiting && c->out.n < UNSENT_MAX) {
    struct ump_bytes pickle, in = ump_buffer_bytes(&c->in);
    size_t used;
    int err = in.n ? read_message(in, &pickle, &used) : UMP_EAGAIN;
    forget_decoded(p);
    if (err == UMP_EAGAIN) {
      if (c->eof) ump__pm_end(p, c, "left", now);
      return 0;
    }
    if (err) return bad_size(p, c, now), 0;
    if (take(p, c, pickle, used, ev, now)) return 1;
  }
  return 0;
}

int ump__pm_next(struct pymmorpg *p, struct conn *c, struct ump_event *ev, ump_time now) {
  forget_decoded(p);
  int got = next(p, c, ev, now);
  if (!got) forget_decoded(p);
  bool begun = !got && !c->gone && !c->waiting && c->out.n < UNSENT_MAX && ump_buffer_bytes(&c->in).n;
  if (begun)
    ump__pm_arm(p, c, T_MESSAGE, now); /* it is looked at when bytes have come, and when it may go on */
  else
    ump__pm_disarm(c, T_MESSAGE);
  return got;
}

/* ---- answers ---- */

void ump__pm_logged_in(struct pymmorpg *p, struct conn *c, bool yes, ump_time now) {
  c->waiting = false;
  p->counts[yes ? LOGINS : LOGINS_FAILED]++;
  if (yes) {
    c->logged_in = true;
    c->user_n = c->trying_n;
    memcpy(c->user, c->trying, c->trying_n);
    ump__pm_disarm(c, T_OUTSIDE);
    ump__pm_arm(p, c, T_PLAYING, now);
  } else if (!c->logged_in) {
    ump__pm_drop_flags(p, c);
  }
  ump__pm_say(p, c, yes ? 0x88 : 0x89, now);
  ump__pm_wake(p, c); /* what came meanwhile */
}

static bool is_empty_table(struct ump_bytes plain) {
  struct ump_reader r = ump_reader(plain);
  struct ump_plain v;
  return ump_plain_get(&r, &v) && v.tag == UMP_PLAIN_MAP && v.count == 0;
}

void ump__pm_answer(struct pymmorpg *p, struct conn *c, const struct ump_event *ev, const struct ump_answer *a,
                    ump_time now) {
  static const uint8_t no_things[] = {UMP_PLAIN_ARRAY, 0, 0, 0, 0};
  bool yes = a->verdict == UMP_LEGAL;
  if (ev->type == UMP_EVENT_LOGIN) {
    if (a->late && !yes)
      ump__pm_arm(p, c, T_LATE, now);
    else
      ump__pm_logged_in(p, c, yes, now);
  } else if (!yes) {
    ump__pm_say_false(p, c, now);
  } else if (c->command == UPDATE && (!a->data.n || is_empty_table(a->data))) {
    ump__pm_say_plain(p, c, ump_bytes(no_things, sizeof no_things), now);
  } else if (a->data.n) {
    ump__pm_say_plain(p, c, a->data, now);
  } else {
    ump__pm_say(p, c, c->command == GET ? 'N' : 0x88, now);
  }
}
