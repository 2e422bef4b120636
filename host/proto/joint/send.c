/* Frames out, raw or as the payload of a WebSocket frame each. */
#include "proto/joint/internal.h"

/* Something was put into c's queue, or could not be. */
static void queued(struct joint_proto *l, struct conn *c, int err) {
  if (err) { /* half a frame may be in the queue. Sending ends nothing itself: callers walk through joints and seats */
    l->counts[NO_MEMORY]++;
    c->aborted = true;
    ump_list_remove(&c->keep);
    ump__joint_wake(l, c);
    ump__joint_touch(l, c);
    return;
  }
  c->last_out = l->now;
  ump_list_remove(&c->keep);
  ump_list_push(&l->keep, &c->keep);
  if (c->out.n > l->unsent && !ump_list_linked(&c->full)) {
    c->full_since = l->now;
    ump_list_push(&l->full, &c->full);
  }
  ump__joint_touch(l, c);
}

/* A header of ours, and data of which a copy is made. */
static void put(struct joint_proto *l, struct conn *c, const uint8_t *head, size_t n_head, struct ump_bytes data) {
  uint8_t both[UMP_WS_SERVER_HEAD + 8];
  size_t n = c->web ? ump_ws_head_put(both, UMP_WS_OPCODE_BINARY, n_head + data.n) : 0;
  if (c->closing || c->aborted) return;
  memcpy(both + n, head, n_head);
  int err = ump_outqueue_copy(&c->out, ump_bytes(both, n + n_head));
  if (!err) err = ump_outqueue_copy(&c->out, data);
  queued(l, c, err);
}

void ump__joint_send(struct joint_proto *l, struct conn *c, const void *p, size_t n) {
  put(l, c, p, n, ump_bytes(NULL, 0)); /* at most 7 bytes */
}

void ump__joint_to_owner(struct joint_proto *l, const struct seat *from, struct ump_bytes data) {
  struct joint *j = from->joint;
  while (data.n) { /* a user's longest frame is one byte too long for the header towards the owner */
    size_t n = data.n < DATA_MAX_OWNER ? data.n : DATA_MAX_OWNER;
    uint8_t head[4];
    size_t n_head = ump_joint_size_put(head, n + 2);
    head[n_head++] = (uint8_t)(0x80 | j->number);
    head[n_head++] = from->user;
    put(l, j->owner, head, n_head, ump_bytes(data.p, n));
    data = ump_bytes(data.p + n, data.n - n);
  }
}

static size_t user_head(uint8_t out[3], uint8_t number, size_t n) {
  size_t n_head = ump_joint_size_put(out, n + 1);
  out[n_head++] = number;
  return n_head;
}

void ump__joint_to_user(struct joint_proto *l, const struct seat *to, struct ump_bytes data) {
  uint8_t head[3];
  if (data.n == 0) return;
  l->counts[DELIVERIES]++;
  put(l, to->conn, head, user_head(head, to->number, data.n), data);
}

/* ---- parcels ----
 * blob: [room][WebSocket header][header towards user][data]. Most users have the same number for the joint (it is the
 * only one they entered), so that they can share the header too; for the others it is written anew and only the data is
 * shared. */

void ump__joint_parcel_head(struct ump_blob *b, uint8_t number) {
  uint8_t head[3], web[UMP_WS_SERVER_HEAD];
  size_t n = b->n - PARCEL_ROOM;
  if (n > DATA_MAX) return;
  size_t n_head = user_head(head, number, n), n_web = ump_ws_head_put(web, UMP_WS_OPCODE_BINARY, n_head + n);
  memcpy(b->p + PARCEL_ROOM - n_head, head, n_head);
  memcpy(b->p + PARCEL_ROOM - n_head - n_web, web, n_web);
}

struct ump_blob *ump__joint_parcel(struct joint_proto *l, struct ump_bytes data, uint8_t number) {
  struct ump_blob *b = ump_blob_new(l->mem, PARCEL_ROOM + data.n);
  if (!b) return NULL;
  memcpy(b->p + PARCEL_ROOM, data.p, data.n);
  ump__joint_parcel_head(b, number);
  return b;
}

/* The bytes of b from `from` on, copied where that is the cheaper way. */
static int put_blob(struct conn *c, struct ump_blob *b, size_t from, size_t n) {
  return n < SHARE_FROM ? ump_outqueue_copy(&c->out, ump_bytes(b->p + from, n))
                        : ump_outqueue_share(&c->out, b, from, n);
}

static void send_whole(struct joint_proto *l, struct conn *c, struct ump_blob *b) {
  size_t n = b->n - PARCEL_ROOM, n_head = n + 1 < 128 ? 2 : 3;
  size_t n_web = !c->web ? 0 : n_head + n < 126 ? 2 : 4;
  queued(l, c, put_blob(c, b, PARCEL_ROOM - n_head - n_web, n_web + n_head + n));
}

void ump__joint_send_parcel(struct joint_proto *l, const struct seat *to, struct ump_blob *b, uint8_t number) {
  struct conn *c = to->conn;
  size_t end = b->n;
  if (end == PARCEL_ROOM || c->closing || c->aborted) return;
  l->counts[DELIVERIES]++;
  if (to->number == number && end - PARCEL_ROOM <= DATA_MAX) {
    send_whole(l, c, b);
    return;
  }
  for (size_t at = PARCEL_ROOM; at < end && !c->aborted;) {
    size_t n = end - at < DATA_MAX ? end - at : DATA_MAX;
    uint8_t head[UMP_WS_SERVER_HEAD + 3], joint[3];
    size_t n_joint = user_head(joint, to->number, n),
           n_web = c->web ? ump_ws_head_put(head, UMP_WS_OPCODE_BINARY, n_joint + n) : 0;
    memcpy(head + n_web, joint, n_joint);
    int err = ump_outqueue_copy(&c->out, ump_bytes(head, n_web + n_joint));
    if (!err) err = put_blob(c, b, at, n);
    queued(l, c, err);
    at += n;
  }
}
