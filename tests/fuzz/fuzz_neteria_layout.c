/* Neteria's short cut for the layouts of the real client, against the reader that takes any layout: what the short cut
 * accepts, the other accepts with the same result.
 *
 * An input that begins with { is a datagram. Any other is the fields of one, separated by line feeds, which are put
 * into the layout: so most mutations hit a field and not the frame around it. The first byte says which layout, and
 * which fields are cut or filled up to the length that the short cut looks for. At the end, how many the short cut took
 * is printed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/neteria/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool so) {
  if (!so) abort();
}

static void no_chance(void *ctx, void *out, size_t n) {
  (void)ctx;
  memset(out, 1, n);
}

/* ---- one against the other ---- */

static struct { /* one for all inputs */
  void *self;   /* an instance without sessions: reading changes nothing in it */
  unsigned long seen, taken;
} world;

static void tell(void) {
  fprintf(stderr, "%lu datagrams, %lu of them in a known layout\n", world.seen, world.taken);
}

static struct ump_neteria *instance(void) {
  static const struct ump_rng rng = {no_chance, NULL};
  static const struct ump_log log = {NULL, NULL};
  struct ump_proto_cfg cfg = {.mem = &ump_mem_libc, .rng = &rng, .log = &log, .limit = 1, .per_address = 1};
  if (world.self) return world.self;
  must(ump_neteria.create(&world.self, &cfg, 0) == 0);
  atexit(tell);
  return world.self;
}

static bool same(const struct ump_json_value *a, const struct ump_json_value *b) {
  return a->type == b->type && a->holds == b->holds && a->n_members == b->n_members && a->escaped == b->escaped &&
         a->raw.p == b->raw.p && a->raw.n == b->raw.n;
}

static void compare(struct ump_bytes text) {
  struct ump_neteria *self = instance();
  struct ump_addr from = {.family = 4, .port = 1};
  struct nt_request quick = {.from = &from, .n = text.n}, slow = quick;
  world.seen++;
  if (text.n > NT_TEXT || !ump__nt_read_layout(&quick, text)) return;
  world.taken++;
  self->decoded_n = 0;
  must(ump__nt_read_any(self, &slow, text));
  must(quick.method == slow.method && quick.high == slow.high && !slow.malformed && !quick.malformed);
  must(ump_bytes_equal(quick.cuuid, slow.cuuid) && ump_bytes_equal(quick.euuid, slow.euuid));
  must(same(&quick.data, &slow.data));
  must(quick.version.type == slow.version.type && quick.encryption.type == slow.encryption.type);
}

/* ---- a datagram of fields ---- */

static struct ump_bytes field(struct ump_bytes *in) {
  const uint8_t *end = in->n ? memchr(in->p, '\n', in->n) : NULL;
  struct ump_bytes f = ump_bytes(in->p, end ? (size_t)(end - in->p) : in->n);
  *in = ump_bytes(in->p + f.n + (end != NULL), in->n - f.n - (end != NULL));
  return f;
}

/* fit: so many bytes of it; 0: as it is. */
static void put(struct ump_writer *w, const char *before, struct ump_bytes f, size_t fit) {
  ump_write_text(w, before);
  ump_write_bytes(w, ump_bytes(f.p, fit && f.n > fit ? fit : f.n));
  for (size_t i = f.n; i < fit; i++) ump_write_u8(w, '0');
}

static void assemble(struct ump_writer *w, struct ump_bytes in) {
  unsigned how = in.p[0];
  in = ump_bytes(in.p + 1, in.n - 1);
  size_t id = how & 1 ? UMP_UUID_TEXT : 0, time = how & 2 ? how & 4 ? 19 : 26 : 0;
  if (how & 8) {
    put(w, "{\"cuuid\": \"", field(&in), id);
    put(w, how & 16 ? "\", \"method\": \"OK NOTIFY\", \"euuid\": \"" : "\", \"method\": \"OK EVENT\", \"euuid\": \"",
        field(&in), id);
    put(w, "\"}", field(&in), 0);
    return;
  }
  put(w, "{\"method\": \"EVENT\", \"cuuid\": \"", field(&in), id);
  put(w, "\", \"euuid\": \"", field(&in), id);
  struct ump_bytes at = field(&in), retry = field(&in);
  put(w, "\", \"event_data\": ", field(&in), 0);
  put(w, ", \"timestamp\": \"", at, time);
  put(w, "\", \"retry\": ", retry, 0);
  put(w, how & 16 ? ", \"priority\": \"high\"}" : ", \"priority\": \"normal\"}", field(&in), 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  if (!n || data[0] == '{') {
    compare(ump_bytes(data, n));
    return 0;
  }
  size_t cap = n + 512;
  uint8_t *room = malloc(cap), *exact = NULL;
  must(room != NULL);
  struct ump_writer w = ump_writer(room, cap);
  assemble(&w, ump_bytes(data, n));
  must(!w.full && (exact = realloc(room, w.n))); /* for the sanitizer to see where it ends */
  compare(ump_bytes(exact, w.n));
  free(exact);
  return 0;
}
