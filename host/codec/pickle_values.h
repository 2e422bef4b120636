/* The values a pickle builds while it is read: nodes in one array, containers as chains of edges. Shared by the files
 * of the decoder.
 *
 * No cycles: a container that already sits in another one does not grow any more (picklers finish a container before
 * they put it anywhere, except in cycles). So depth and weight can be kept per container, and a bomb of shared lists is
 * refused when its weight passes the limit, not when it is written out. */
#ifndef UMP_CODEC_PICKLE_VALUES_H
#define UMP_CODEC_PICKLE_VALUES_H

#include "codec/pickle.h"

enum {
  PICKLE_DEPTH = 32,
  PICKLE_VALUES = 10000,
  PICKLE_NODES = 4 * PICKLE_VALUES, /* a value may need a name, an argument tuple and its texts (REDUCE) on the way */
  PICKLE_EDGES = PICKLE_NODES,      /* ... and a set its list: a remembered list must not become thousands of sets */
};

enum kind {
  K_NONE,
  K_FALSE,
  K_TRUE,
  K_INT,
  K_FLOAT,
  K_TEXT,
  K_BYTES, /* K_TEXT: str, unicode, Python 2 str */
  K_LIST,
  K_TUPLE,
  K_DICT,
  K_SET,
  K_ENCODE,
  K_MAKE_BYTES,
  K_MAKE_BYTEARRAY,
  K_MAKE_SET, /* inert names; never data */
};

struct node {
  uint8_t kind, depth; /* depth: containers in one another, this one included */
  bool placed;         /* it sits in a container */
  bool key; /* may be a dict's key: kept as it grows, since a remembered one may be asked for any number of times */
  uint32_t first, last; /* edges; 0: none */
  uint32_t count;       /* children; of a dict twice its pairs */
  uint32_t weight;      /* values, itself included */
  size_t bytes;         /* of plain data it takes, written out */
  union {
    int64_t i;
    double f;
    struct {
      size_t at, n;
      bool own; /* at: in the arena, else in the pickle */
    } s;
  } u;
};

struct edge {
  uint32_t node, next;
};

struct values {
  const struct ump_mem *mem;
  struct ump_bytes pickle;
  struct node *nodes;
  struct edge *edges; /* edges[0] is not used */
  uint8_t *arena;     /* texts that had to be decoded */
  size_t n_nodes, cap_nodes, n_edges, cap_edges, n_arena, cap_arena;
  size_t max_bytes; /* of the result */
  const char *why;  /* what was wrong; NULL: nothing yet */
  bool no_memory;
};

void ump__pickle_values_deinit(struct values *v);
/* A new node of this kind; its index, or 0 with v->why set (index 0 is not used). */
uint32_t ump__pickle_node(struct values *v, enum kind kind);
uint32_t ump__pickle_string(struct values *v, enum kind kind, size_t at, size_t n, bool own);
/* n bytes more; NULL: v->why. Moves the arena. In all it holds at most some times the pickle: what is remembered once
 * may be decoded any number of times. */
uint8_t *ump__pickle_arena(struct values *v, size_t n);
struct ump_bytes ump__pickle_text(const struct values *v, uint32_t node);
/* Puts a value at the end of a container. False: v->why. */
bool ump__pickle_add(struct values *v, uint32_t container, uint32_t value);
bool ump__pickle_is_key(const struct values *v, uint32_t node); /* may be a dict's key */
int ump__pickle_write(const struct values *v, uint32_t root, struct ump_blob **out);

#endif
