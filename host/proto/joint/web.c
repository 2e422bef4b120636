/* A connection whose first byte was a G: the upgrade, then frames, whose payload is the joint stream. */
#include "proto/joint/internal.h"

int ump__joint_web_begin(struct joint_proto *l, struct conn *c) {
  c->web = ump_zalloc(l->mem, sizeof *c->web);
  if (!c->web) return UMP_ENOMEM;
  c->web->ws.unmasked = l->unmasked;
  c->web->second = l->now;
  c->web->upgrade = ump_ws_upgrade_new(l->mem);
  return c->web->upgrade ? 0 : UMP_ENOMEM;
}

void ump__joint_web_free(struct joint_proto *l, struct conn *c) {
  if (!c->web) return;
  ump_ws_upgrade_free(c->web->upgrade);
  ump_ws_deinit(&c->web->ws, &l->pool);
  ump_free(l->mem, c->web, sizeof *c->web);
  c->web = NULL;
}

/* What is no part of the joint stream; c may be closing. */
static void say(struct joint_proto *l, struct conn *c, struct ump_bytes bytes) {
  if (ump_outqueue_copy(&c->out, bytes)) l->counts[NO_MEMORY]++, c->aborted = true;
  ump__joint_touch(l, c);
}

static void say_frame(struct joint_proto *l, struct conn *c, unsigned opcode, struct ump_bytes payload) {
  uint8_t frame[UMP_WS_SERVER_HEAD + UMP_WS_CONTROL_MAX];
  size_t n = ump_ws_head_put(frame, opcode, payload.n);
  if (payload.n) memcpy(frame + n, payload.p, payload.n);
  say(l, c, ump_bytes(frame, n + payload.n));
}

void ump__joint_web_close(struct joint_proto *l, struct conn *c, uint16_t code) {
  uint8_t payload[2] = {(uint8_t)(code >> 8), (uint8_t)code};
  if (c->web && c->state == OPEN && code) say_frame(l, c, UMP_WS_OPCODE_CLOSE, ump_bytes(payload, 2));
}

/* True: it has become a WebSocket. */
static bool upgrade(struct joint_proto *l, struct conn *c, struct ump_bytes *in) {
  uint8_t answer[UMP_WS_ANSWER_MAX];
  struct ump_writer w = ump_writer(answer, sizeof answer);
  int err = ump_ws_upgrade_feed(c->web->upgrade, in);
  if (err == UMP_EAGAIN) return false;
  int status = ump_ws_upgrade_answer(c->web->upgrade, l->origins ? ump_text(l->origins) : ump_bytes(NULL, 0), &w);
  ump_ws_upgrade_free(c->web->upgrade);
  c->web->upgrade = NULL;
  say(l, c, ump_written(&w));
  if (status != 101) {
    l->counts[UPGRADES_REFUSED]++;
    ump__joint_end(l, c, 0);
    return false;
  }
  l->counts[UPGRADES]++;
  c->state = OPEN;
  ump_list_remove(&c->timer);
  return true;
}

/* What came before counts; the close frame goes out behind what that makes us say. */
static void last(struct conn *c, uint16_t code) {
  c->eof = true;
  c->web->closed = true;
  c->web->code = code;
}

static void bad(struct joint_proto *l, struct conn *c, uint16_t code) {
  l->counts[BAD_WEBSOCKET]++;
  ump_log_text(l->log, UMP_INFO, "bad_websocket", &c->addr,
               "frames that RFC 6455 or a limit forbids; the connection is closed");
  last(c, code);
}

static void pong(struct joint_proto *l, struct conn *c, struct ump_bytes payload) {
  struct web *w = c->web;
  if (l->now - w->second >= UMP_S) w->second = l->now, w->pings = 0;
  if (++w->pings > PINGS_A_SECOND)
    bad(l, c, 1008);
  else
    say_frame(l, c, UMP_WS_OPCODE_PONG, payload);
}

static void frames(struct joint_proto *l, struct conn *c, struct ump_bytes in) {
  struct ump_bytes data;
  uint16_t code = 0;
  while (!c->closing && !c->web->closed) {
    switch (ump_ws_next(&c->web->ws, &l->pool, &in, &data, &code)) {
    case UMP_WS_MORE:
      return;
    case UMP_WS_PONG:
      break;
    case UMP_WS_PING:
      pong(l, c, data);
      break;
    case UMP_WS_DATA:
      if (ump_buffer_append(&c->in, data)) {
        l->counts[NO_MEMORY]++;
        ump__joint_abort(l, c);
      }
      break;
    case UMP_WS_FAIL:
      bad(l, c, code);
      break;
    case UMP_WS_CLOSE:
      last(c, code);
      break;
    }
  }
}

void ump__joint_web_input(struct joint_proto *l, struct conn *c, struct ump_bytes in) {
  if (c->state == UPGRADE && !upgrade(l, c, &in)) return;
  frames(l, c, in);
}

/* The stream has come to its end: a close frame of the client's is answered with its own code. */
void ump__joint_web_eof(struct joint_proto *l, struct conn *c) {
  struct web *w = c->web;
  if (!w || !w->closed) return;
  uint8_t payload[2] = {(uint8_t)(w->code >> 8), (uint8_t)w->code};
  say_frame(l, c, UMP_WS_OPCODE_CLOSE, ump_bytes(payload, w->code ? 2 : 0));
}
