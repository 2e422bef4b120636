/* One UDP socket that speaks for any number of clients: each datagram leaves from the loopback address that the caller
 * names (IP_PKTINFO), and each that arrives says which address it was for. So 100 000 clients need one descriptor and
 * are still 100 000 addresses to the server.
 *
 * Datagrams of one address and one size leave as a train: one send that the kernel cuts up (UDP_SEGMENT). That makes
 * the generator cheaper than any server it loads, which is what keeps the server busy; the server reads single
 * datagrams. */
#ifndef BENCH_PORT_H
#define BENCH_PORT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
  PORT_TRAIN = 64,  /* datagrams in a train: UDP_MAX_SEGMENTS of older kernels */
  PORT_TRAINS = 64, /* trains in one sendmmsg */
  PORT_SIZE = 256,  /* bytes of a datagram out */
  PORT_BATCH = 128, /* datagrams in, per call */
  PORT_IN = 2048,   /* bytes of a datagram in */
};

struct train {
  uint32_t from;
  unsigned n, size;
  char bytes[PORT_TRAIN * PORT_SIZE];
};

struct port {
  int fd;
  uint16_t number;
  unsigned longest; /* datagrams in a train; 1: no trains */
  unsigned n_trains, n_in;
  struct sockaddr_in server;
  struct train trains[PORT_TRAINS];
  struct mmsghdr in[PORT_BATCH];
  struct iovec in_io[PORT_BATCH];
  char in_bytes[PORT_BATCH][PORT_IN], in_control[PORT_BATCH][64];
};

struct parcel {
  uint32_t to; /* which of our addresses, host order */
  const char *text;
  size_t n;
};

int port_open(struct port *p, uint16_t server_port, unsigned longest_train); /* 0, or -1 and errno */
/* Room for one datagram of `size` bytes from address `from`; the caller writes it before the next call. */
char *port_put(struct port *p, uint32_t from, unsigned size);
void port_flush(struct port *p);
unsigned port_take(struct port *p);                    /* how many arrived; does not wait */
struct parcel port_parcel(struct port *p, unsigned i); /* the i-th of them */

#endif
