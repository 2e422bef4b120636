/* The limit: the least a Neteria server can do. One thread receives in batches, finds `method` and `euuid` in each
 * datagram without parsing it, and sends batches of LEGAL. It judges nothing, remembers nothing and repeats nothing: no
 * server that does its work can be cheaper, so the others are given as fractions of it.
 *
 * With clients registered, an event that holds "shout" is told to all of them: the least that a notify can cost.
 *
 *   bench_limit PORT */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
  BATCH = 64,        /* datagrams a call: what libuv takes too (UV__MMSG_MAXWIDTH is 20, our own flush 64) */
  LONGEST = 2048,    /* bytes; the benchmark sends 227 at most */
  CLIENTS = 1 << 17, /* who is told of a shout */
};

struct batch {
  struct mmsghdr msg[BATCH];
  struct iovec io[BATCH];
  struct sockaddr_in addr[BATCH];
  char bytes[BATCH][LONGEST];
};

struct limit {
  int fd;
  unsigned n_out;
  uint64_t told; /* notifies so far; each has an euuid of its own */
  uint32_t n_clients;
  struct batch in, out;
  struct sockaddr_in clients[CLIENTS];
};

static void batch_init(struct batch *b, size_t room) {
  for (unsigned i = 0; i < BATCH; i++) {
    b->io[i] = (struct iovec){b->bytes[i], room};
    b->msg[i].msg_hdr = (struct msghdr){
        .msg_name = &b->addr[i], .msg_namelen = sizeof b->addr[i], .msg_iov = &b->io[i], .msg_iovlen = 1};
  }
}

static void flush(struct limit *l) {
  for (unsigned at = 0; at < l->n_out;) {
    int n = sendmmsg(l->fd, l->out.msg + at, l->n_out - at, 0);
    at += n > 0 ? (unsigned)n : 1; /* one that cannot be sent is lost, as in a network */
  }
  l->n_out = 0;
}

/* Puts head, id, tail together as one datagram to `to`. */
static void put(struct limit *l, const struct sockaddr_in *to, const char *head, const char *id, size_t n_id,
                const char *tail) {
  unsigned i = l->n_out++;
  size_t n_head = strlen(head), n_tail = strlen(tail);
  char *p = l->out.bytes[i];
  memcpy(p, head, n_head);
  memcpy(p + n_head, id, n_id);
  memcpy(p + n_head + n_id, tail, n_tail);
  l->out.io[i].iov_len = n_head + n_id + n_tail;
  l->out.addr[i] = *to;
  if (l->n_out == BATCH) flush(l);
}

/* The string after "key": in text, without unescaping. NULL: not there. */
static const char *find(const char *text, size_t n, const char *key, size_t *n_value) {
  const char *end = text + n, *p = memmem(text, n, key, strlen(key));
  if (!p) return NULL;
  p = memchr(p + strlen(key), '"', (size_t)(end - p) - strlen(key));
  if (!p) return NULL;
  const char *q = memchr(p + 1, '"', (size_t)(end - p) - 1);
  if (!q || q - p > 65) return NULL;
  *n_value = (size_t)(q - p) - 1;
  return p + 1;
}

static void shout(struct limit *l) {
  for (uint32_t i = 0; i < l->n_clients; i++) {
    char id[37];
    snprintf(id, sizeof id, "%08x-0000-4000-8000-%012llx", i, (unsigned long long)l->told++);
    put(l, &l->clients[i], "{\"method\": \"NOTIFY\", \"event_data\": {\"said\": [1, 0]}, \"euuid\": \"", id, 36, "\"}");
  }
}

static void take(struct limit *l, const struct sockaddr_in *from, const char *text, size_t n) {
  size_t n_method, n_id;
  const char *method = find(text, n, "\"method\":", &n_method);
  if (!method) return;
  if (n_method == 5 && memcmp(method, "EVENT", 5) == 0) {
    const char *id = find(text, n, "\"euuid\":", &n_id);
    if (id) put(l, from, "{\"method\": \"LEGAL\", \"euuid\": \"", id, n_id, "\", \"priority\": \"normal\"}");
    if (l->n_clients && memmem(text, n, "\"shout\"", 7)) shout(l);
  } else if (n_method == 8 && memcmp(method, "REGISTER", 8) == 0) {
    put(l, from, "{\"method\": \"OK REGISTER\"}", "", 0, "");
    if (l->n_clients < CLIENTS) l->clients[l->n_clients++] = *from;
  }
}

static void turn(struct limit *l) {
  for (unsigned i = 0; i < BATCH; i++) l->in.msg[i].msg_hdr.msg_namelen = sizeof l->in.addr[i];
  int n = recvmmsg(l->fd, l->in.msg, BATCH, MSG_WAITFORONE, NULL);
  for (int i = 0; i < n; i++) take(l, &l->in.addr[i], l->in.bytes[i], l->in.msg[i].msg_len);
  flush(l);
}

int main(int argc, char **argv) {
  struct limit *l = calloc(1, sizeof *l);
  struct sockaddr_in addr = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)(argc > 1 ? atoi(argv[1]) : 0)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int room = 4 << 20; /* bytes; all servers of the benchmark ask for the same */
  if (!l || (l->fd = socket(AF_INET, SOCK_DGRAM, 0)) < 0 || bind(l->fd, (struct sockaddr *)&addr, sizeof addr) != 0)
    return perror("bench_limit"), 1;
  setsockopt(l->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  batch_init(&l->in, LONGEST);
  batch_init(&l->out, LONGEST);
  fputs("ready\n", stderr);
  for (;;) turn(l);
}
