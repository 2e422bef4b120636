/* What network.c and stream.c share: the heap of what is under way, and the fate that a link deals out. */
#ifndef UMP_SIM_INSIDE_H
#define UMP_SIM_INSIDE_H

#include "network.h"
#include "stream.h"

enum ump__sim_kind { UMP__DATAGRAM, UMP__ALARM, UMP__PIECE, UMP__NUDGE };

struct ump__sim_due { /* what the heap holds */
  struct ump_heap_node node;
  enum ump__sim_kind kind;
};

struct ump__sim_lane { /* a peer's share of a link */
  ump_time busy;       /* until then what was sent earlier occupies it */
  ump_time last;       /* the last orderly arrival */
};

struct ump_sim_peer {
  struct ump__sim_due alarm;
  uint32_t number;
  bool gone;
  struct ump_addr addr;
  struct ump__sim_lane lane[2];
  struct ump_rng_seeded rng[2]; /* its link's chance, by way: what others send and suffer changes nothing about it */
  struct ump_sim_link own[2];   /* its own link's weather, where has_own */
  bool has_own[2], cut[2];
  struct ump__sim_stream *stream; /* NULL: it never dialled */
};

/* Each datagram or piece of a stream, and what became of it, goes into the world's hash. */
void ump__sim_note(struct ump_sim_net *n, unsigned what, uint32_t peer, struct ump_bytes data, ump_time now);
ump_time ump__sim_delay(const struct ump_sim_link *link, double dice); /* lag and jitter */
/* The weather of a peer's link: its own, or everybody's. */
const struct ump_sim_link *ump__sim_link(const struct ump_sim_net *n, uint32_t peer, enum ump_sim_way way);

/* ---- stream.c ---- */
/* A piece, or what waited for a reader, is due. True: *out says what arrived where. */
bool ump__sim_stream_due(struct ump_sim_net *n, struct ump__sim_due *due, struct ump_sim_arrival *out);
void ump__sim_stream_unplug(struct ump_sim_peer *p);
void ump__sim_stream_cut(struct ump_sim_net *n, uint32_t peer, enum ump_sim_way way, bool on, ump_time now);
void ump__sim_stream_free(struct ump_sim_net *n, struct ump_sim_peer *p);
void ump__sim_piece_free(struct ump_sim_net *n, struct ump__sim_due *due);

#endif
