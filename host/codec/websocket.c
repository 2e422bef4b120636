/* Frames. libwslay reads them (control frames that are fragmented or too long, lengths that are not in their shortest
 * form, masks), through a callback that hands it the input. Before it sees a header we look at it ourselves: a frame
 * that is too long, of a kind we do not take or out of place ends the connection by its header alone, and wslay tells
 * of a frame only when some of its payload is there.
 *
 * A wslay context holds a buffer of 4 KiB. It is taken from the pool when a header is complete and given back with the
 * last byte of the payload, so that a connection which is between frames, as most are, costs none. */
#include "codec/websocket.h"

#include <stdlib.h>
#include <wslay/wslay.h>

enum { SPARE_MAX = 16 };
enum { PROTOCOL_ERROR = 1002, UNSUPPORTED = 1003, BAD_TEXT = 1007, POLICY = 1008, TOO_BIG = 1009, OURS = 1011 };

struct ump_ws_frame {
  wslay_frame_context_ptr wslay;
  struct ump_ws_frame *next; /* in the pool */
  uint8_t head[10];          /* what wslay is still to be given of the header */
  uint8_t n_head, at_head;
  uint8_t opcode;
  uint64_t raw;        /* bytes of mask and payload that it is still to be given */
  struct ump_bytes in; /* the input of the call under way */
};

/* ---- contexts ---- */

static ssize_t give(uint8_t *buf, size_t cap, int flags, void *ctx) {
  struct ump_ws_frame *f = ctx;
  size_t n = 0;
  (void)flags;
  while (f->at_head < f->n_head && n < cap) buf[n++] = f->head[f->at_head++];
  size_t take = f->in.n < cap - n ? f->in.n : cap - n;
  if (take > f->raw) take = (size_t)f->raw;
  if (take) memcpy(buf + n, f->in.p, take);
  f->in = ump_bytes(f->in.p + take, f->in.n - take);
  f->raw -= take;
  return (ssize_t)(n + take); /* 0: wslay asks for more */
}

/* wslay has its own memory, from malloc: it takes no allocator. */
static struct ump_ws_frame *frame_new(struct ump_ws_pool *pool) {
  static const struct wslay_frame_callbacks callbacks = {.recv_callback = give};
  struct ump_ws_frame *f = pool->spare;
  if (f) {
    pool->spare = f->next;
    pool->n_spare--;
    return f;
  }
  f = calloc(1, sizeof *f);
  if (f && wslay_frame_context_init(&f->wslay, &callbacks, f) == 0) return f;
  free(f);
  return NULL;
}

static void frame_free(struct ump_ws_frame *f) {
  wslay_frame_context_free(f->wslay);
  free(f);
}

/* A frame that is complete leaves its context as it was at first. */
static void give_back(struct ump_ws *w, struct ump_ws_pool *pool, bool complete) {
  struct ump_ws_frame *f = w->frame;
  w->frame = NULL;
  if (!f) return;
  if (!complete || pool->n_spare == SPARE_MAX) {
    frame_free(f);
    return;
  }
  f->next = pool->spare;
  pool->spare = f;
  pool->n_spare++;
}

void ump_ws_pool_deinit(struct ump_ws_pool *pool) {
  while (pool->spare) {
    struct ump_ws_frame *f = pool->spare;
    pool->spare = f->next;
    frame_free(f);
  }
  pool->n_spare = 0;
}

void ump_ws_deinit(struct ump_ws *w, struct ump_ws_pool *pool) {
  give_back(w, pool, false);
}

/* ---- headers ---- */

static enum ump_ws_got fail(struct ump_ws *w, struct ump_ws_pool *pool, uint16_t why, uint16_t *code) {
  give_back(w, pool, false);
  w->failed = true;
  w->n_head = 0;
  *code = why;
  return UMP_WS_FAIL;
}

static uint8_t header_size(const struct ump_ws *w) {
  uint8_t n = w->n_head < 2 ? 0 : w->head[1] & 0x7f;
  return n == 126 ? 4 : n == 127 ? 10 : 2;
}

static bool take_header(struct ump_ws *w, struct ump_bytes *in) {
  while (w->n_head < header_size(w) && in->n) {
    w->head[w->n_head++] = in->p[0];
    *in = ump_bytes(in->p + 1, in->n - 1);
  }
  return w->n_head == header_size(w);
}

static uint64_t length_of(const uint8_t *head) {
  uint64_t n = head[1] & 0x7f;
  unsigned more = n == 126 ? 2 : n == 127 ? 8 : 0;
  if (more) n = 0;
  for (unsigned i = 0; i < more; i++) n = n << 8 | head[2 + i];
  return n;
}

/* Where a data frame stands in its message. 0 or the code. */
static uint16_t place(struct ump_ws *w, uint8_t opcode, bool fin) {
  if ((opcode == WSLAY_CONTINUATION_FRAME) != w->in_message) return PROTOCOL_ERROR;
  if (!w->in_message) w->fragments = 0;
  if (w->fragments == UMP_WS_FRAGMENTS_MAX) return POLICY;
  w->fragments++;
  w->in_message = !fin;
  return 0;
}

static uint16_t judge(struct ump_ws *w, uint64_t n) {
  uint8_t opcode = w->head[0] & 0x0f;
  bool control = opcode & 8, fin = w->head[0] & 0x80;
  if (w->head[0] & 0x70) return PROTOCOL_ERROR; /* no extension was agreed on */
  if (!(w->head[1] & 0x80) && !w->unmasked) return PROTOCOL_ERROR;
  if (opcode > WSLAY_PONG || (opcode > WSLAY_BINARY_FRAME && !control)) return PROTOCOL_ERROR;
  if (control && (!fin || n > UMP_WS_CONTROL_MAX)) return PROTOCOL_ERROR;
  if (n >> 63) return PROTOCOL_ERROR;
  if (opcode == WSLAY_TEXT_FRAME) return UNSUPPORTED;
  if (n > UMP_WS_FRAME_MAX) return TOO_BIG;
  return control ? 0 : place(w, opcode, fin);
}

static uint16_t begin(struct ump_ws *w, struct ump_ws_pool *pool) {
  uint64_t n = length_of(w->head);
  uint16_t why = judge(w, n);
  if (why) return why;
  struct ump_ws_frame *f = w->frame = frame_new(pool);
  if (!f) return OURS;
  memcpy(f->head, w->head, w->n_head);
  f->n_head = w->n_head, f->at_head = 0;
  f->opcode = w->head[0] & 0x0f;
  f->raw = n + (w->head[1] & 0x80 ? 4 : 0);
  w->left = n;
  w->n_head = w->n_control = 0;
  return 0;
}

/* ---- payloads ---- */

/* RFC 6455, 7.4: codes that may be on the wire. */
static bool may_be_sent(uint16_t code) {
  return (code >= 1000 && code <= 1011 && code != 1004 && code != 1005 && code != 1006) ||
         (code >= 3000 && code <= 4999);
}

static enum ump_ws_got closed(struct ump_ws *w, struct ump_ws_pool *pool, uint16_t *code) {
  *code = 0;
  if (w->n_control) {
    uint16_t named = w->n_control > 1 ? (uint16_t)(w->control[0] << 8 | w->control[1]) : 0;
    if (!may_be_sent(named)) return fail(w, pool, PROTOCOL_ERROR, code);
    if (!ump_utf8_valid(ump_bytes(w->control + 2, w->n_control - 2u))) return fail(w, pool, BAD_TEXT, code);
    *code = named;
  }
  w->failed = true;
  return UMP_WS_CLOSE;
}

static enum ump_ws_got controlled(struct ump_ws *w, struct ump_ws_pool *pool, uint8_t opcode, struct ump_bytes *data,
                                  uint16_t *code) {
  *data = ump_bytes(w->control, w->n_control);
  if (opcode == WSLAY_CONNECTION_CLOSE) return closed(w, pool, code);
  return opcode == WSLAY_PING ? UMP_WS_PING : UMP_WS_PONG;
}

/* A step of wslay's: some payload, or the end of the frame. 1: *got is something to tell. */
static int step(struct ump_ws *w, struct ump_ws_pool *pool, struct ump_bytes *in, struct ump_bytes *data,
                uint16_t *code, enum ump_ws_got *got) {
  struct ump_ws_frame *f = w->frame;
  struct wslay_frame_iocb piece = {0};
  f->in = *in;
  ssize_t n = wslay_frame_recv(f->wslay, &piece);
  *in = f->in;
  if (n == WSLAY_ERR_WANT_READ) return 0;
  if (n < 0) return *got = fail(w, pool, PROTOCOL_ERROR, code), 1;
  uint8_t opcode = f->opcode;
  w->left -= (uint64_t)n;
  if (opcode & 8) {
    if (n) memcpy(w->control + w->n_control, piece.data, (size_t)n);
    w->n_control = (uint8_t)(w->n_control + n);
  }
  if (w->left == 0) give_back(w, pool, true); /* the piece stays where it is until the context is used again */
  if (!(opcode & 8)) return *data = ump_bytes(piece.data, (size_t)n), *got = UMP_WS_DATA, n > 0;
  if (w->frame) return 0;
  return *got = controlled(w, pool, opcode, data, code), 1;
}

enum ump_ws_got ump_ws_next(struct ump_ws *w, struct ump_ws_pool *pool, struct ump_bytes *in, struct ump_bytes *data,
                            uint16_t *code) {
  enum ump_ws_got got;
  *data = ump_bytes(NULL, 0);
  if (w->failed) *in = ump_bytes(NULL, 0);
  while (in->n) {
    if (!w->frame) {
      if (!take_header(w, in)) break;
      uint16_t why = begin(w, pool);
      if (why) return fail(w, pool, why, code);
    }
    do
      if (step(w, pool, in, data, code, &got)) return got;
    while (w->frame && in->n);
  }
  return UMP_WS_MORE;
}

/* ---- out ---- */

size_t ump_ws_head_put(uint8_t out[UMP_WS_SERVER_HEAD], unsigned opcode, size_t n) {
  out[0] = (uint8_t)(0x80 | opcode);
  out[1] = (uint8_t)(n < 126 ? n : 126);
  if (n < 126) return 2;
  out[2] = (uint8_t)(n >> 8);
  out[3] = (uint8_t)n;
  return 4;
}
