#define _GNU_SOURCE
#include "port.h"

#include <arpa/inet.h>
#include <string.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103 /* linux/udp.h */
#endif

int port_open(struct port *p, uint16_t server_port, unsigned longest_train) {
  struct sockaddr_in any = {.sin_family = AF_INET};
  socklen_t n = sizeof any;
  int room = 64 << 20, yes = 1;
  *p = (struct port){.fd = socket(AF_INET, SOCK_DGRAM, 0), .longest = longest_train};
  p->server = (struct sockaddr_in){
      .sin_family = AF_INET, .sin_port = htons(server_port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (p->fd < 0 || bind(p->fd, (struct sockaddr *)&any, sizeof any) != 0) return -1;
  if (setsockopt(p->fd, IPPROTO_IP, IP_PKTINFO, &yes, sizeof yes) != 0) return -1;
  if (setsockopt(p->fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) !=
      0) /* needs root; a drop here is a loss there */
    setsockopt(p->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  if (getsockname(p->fd, (struct sockaddr *)&any, &n) != 0) return -1;
  p->number = ntohs(any.sin_port);
  return 0;
}

char *port_put(struct port *p, uint32_t from, unsigned size) {
  struct train *t = p->n_trains ? &p->trains[p->n_trains - 1] : NULL;
  if (!t || t->from != from || t->size != size || t->n == p->longest) {
    if (p->n_trains == PORT_TRAINS) port_flush(p);
    t = &p->trains[p->n_trains++];
    t->from = from, t->size = size, t->n = 0;
  }
  return t->bytes + (size_t)t->n++ * size;
}

/* Whom a train comes from, and where it is to be cut. */
static size_t train_control(const struct train *t, struct msghdr *m) {
  struct in_pktinfo source = {.ipi_spec_dst.s_addr = htonl(t->from)};
  struct cmsghdr *c = CMSG_FIRSTHDR(m);
  *c = (struct cmsghdr){CMSG_LEN(sizeof source), IPPROTO_IP, IP_PKTINFO};
  memcpy(CMSG_DATA(c), &source, sizeof source);
  if (t->n == 1) return CMSG_SPACE(sizeof source);
  uint16_t size = (uint16_t)t->size;
  c = (struct cmsghdr *)((char *)c + CMSG_SPACE(sizeof source));
  *c = (struct cmsghdr){CMSG_LEN(sizeof size), IPPROTO_UDP, UDP_SEGMENT};
  memcpy(CMSG_DATA(c), &size, sizeof size);
  return CMSG_SPACE(sizeof source) + CMSG_SPACE(sizeof size);
}

void port_flush(struct port *p) {
  struct mmsghdr out[PORT_TRAINS];
  struct iovec io[PORT_TRAINS];
  _Alignas(struct cmsghdr) char control[PORT_TRAINS][64];
  for (unsigned i = 0; i < p->n_trains; i++) {
    struct train *t = &p->trains[i];
    io[i] = (struct iovec){t->bytes, (size_t)t->n * t->size};
    out[i].msg_hdr = (struct msghdr){&p->server, sizeof p->server, &io[i], 1, control[i], sizeof control[i], 0};
    out[i].msg_hdr.msg_controllen = train_control(t, &out[i].msg_hdr);
  }
  for (unsigned at = 0; at < p->n_trains;) {
    int n = sendmmsg(p->fd, out + at, p->n_trains - at, 0);
    at += n > 0 ? (unsigned)n : 1; /* what cannot be sent is lost and repeated after 2 s */
  }
  p->n_trains = 0;
}

unsigned port_take(struct port *p) {
  for (unsigned i = 0; i < PORT_BATCH; i++) {
    p->in_io[i] = (struct iovec){p->in_bytes[i], PORT_IN};
    p->in[i].msg_hdr = (struct msghdr){
        .msg_iov = &p->in_io[i], .msg_iovlen = 1, .msg_control = p->in_control[i], .msg_controllen = 64};
  }
  int n = recvmmsg(p->fd, p->in, PORT_BATCH, MSG_DONTWAIT, NULL);
  return n > 0 ? (unsigned)n : 0;
}

struct parcel port_parcel(struct port *p, unsigned i) {
  struct parcel out = {0, p->in_bytes[i], p->in[i].msg_len};
  struct msghdr *m = &p->in[i].msg_hdr;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
    struct in_pktinfo here;
    if (c->cmsg_level != IPPROTO_IP || c->cmsg_type != IP_PKTINFO) continue;
    memcpy(&here, CMSG_DATA(c), sizeof here);
    out.to = ntohl(here.ipi_addr.s_addr);
  }
  return out;
}
