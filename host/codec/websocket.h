/* WebSocket, the server's side (RFC 6455; wire/joint, WebSocket): the HTTP request that opens it, and frames. Sans-IO:
 * what came from the network goes in as slices of any cutting. Framing is libwslay's, HTTP is http-parser's, SHA-1 and
 * base64 are nettle's; which frames this host takes, and how much of them, is decided here. */
#ifndef UMP_CODEC_WEBSOCKET_H
#define UMP_CODEC_WEBSOCKET_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"

/* ---- the request ---- */

enum {
  UMP_WS_HEAD_MAX = 8192,  /* bytes of the request's head */
  UMP_WS_LINES_MAX = 100,  /* header lines in it */
  UMP_WS_ANSWER_MAX = 512, /* room that is always enough for the answer */
};

struct ump_ws_upgrade; /* a request under way; a few hundred bytes, whatever comes */

struct ump_ws_upgrade *ump_ws_upgrade_new(const struct ump_mem *mem); /* NULL: no memory */
void ump_ws_upgrade_free(struct ump_ws_upgrade *u);                   /* NULL is allowed */
/* Takes from the front of *in what belongs to the request. 0: it is complete, what is left of *in are frames;
 * UMP_EAGAIN: more is to come; UMP_EMALFORMED: it is none, or beyond the limits. After the last two nothing is left of
 * *in. */
int ump_ws_upgrade_feed(struct ump_ws_upgrade *u, struct ump_bytes *in);
/* Once feed gave 0 or UMP_EMALFORMED: writes the answer and returns its status: 101, or 400, 403 (origin), 426
 * (version). origins: a comma separated list of the origins that may come ("https://play.example"), without regard to
 * case; empty or
 * "*": any, or none at all. */
int ump_ws_upgrade_answer(const struct ump_ws_upgrade *u, struct ump_bytes origins, struct ump_writer *out);

/* ---- frames from the client ---- */

enum {
  UMP_WS_FRAME_MAX = 1 << 20, /* bytes of a frame; more by its header: 1009 */
  UMP_WS_FRAGMENTS_MAX = 64,  /* frames of a message; the next one: 1008 */
  UMP_WS_CONTROL_MAX = 125,
};

struct ump_ws_frame; /* a frame under way */

/* Frames that are half here need some 4 KiB each; the pool keeps a few that are not in use for the next connection. */
struct ump_ws_pool {
  struct ump_ws_frame *spare;
  unsigned n_spare;
};
void ump_ws_pool_deinit(struct ump_ws_pool *pool);

/* The frames of one connection. Zeroed is the start; between frames it owns nothing. */
struct ump_ws {
  struct ump_ws_frame *frame; /* NULL: between frames */
  uint64_t left;              /* payload bytes of it that are still to come */
  uint8_t head[10], n_head;   /* of the header that is coming in, without the mask */
  uint8_t control[UMP_WS_CONTROL_MAX], n_control;
  bool unmasked;     /* the caller's: frames without a mask are taken */
  bool in_message;   /* a message is under way */
  uint8_t fragments; /* frames of it so far */
  bool failed;       /* nothing more is read */
};
void ump_ws_deinit(struct ump_ws *w, struct ump_ws_pool *pool);

enum ump_ws_got {
  UMP_WS_MORE, /* the input is used up */
  UMP_WS_DATA, /* part of the payload of a binary message; borders mean nothing */
  UMP_WS_PING, /* data: to be sent back as a pong */
  UMP_WS_PONG,
  UMP_WS_CLOSE, /* code: to be sent back; 0: it named none */
  UMP_WS_FAIL,  /* code: why the connection is to be closed */
};

/* The next thing in *in, from whose front it is taken. *data is borrowed until the next call; *code belongs to CLOSE
 * and FAIL. After those two nothing more is read. */
enum ump_ws_got ump_ws_next(struct ump_ws *w, struct ump_ws_pool *pool, struct ump_bytes *in, struct ump_bytes *data,
                            uint16_t *code);
/* A frame's header, or its payload, has begun and is not complete. */
static inline bool ump_ws_in_header(const struct ump_ws *w) {
  return w->n_head > 0;
}
static inline bool ump_ws_in_payload(const struct ump_ws *w) {
  return w->frame != NULL;
}

/* ---- frames to the client: never masked, never fragmented ---- */

enum { UMP_WS_SERVER_HEAD = 4 }; /* longest header of a frame of up to 65535 bytes */
enum { UMP_WS_OPCODE_BINARY = 2, UMP_WS_OPCODE_CLOSE = 8, UMP_WS_OPCODE_PONG = 10 };

size_t ump_ws_head_put(uint8_t out[UMP_WS_SERVER_HEAD], unsigned opcode, size_t n); /* n <= 65535; bytes written */

#endif
