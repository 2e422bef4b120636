/* What the rulebook declares: { pymmorpg = { version = "1.0.3", image = ... } }. Both answers are encoded once, when
 * the rulebook is put in place, and shared by all who ask.
 *
 * The image is plain data that the bindings made of the folder: a list of tuples (name, contents as a string) for files
 * and (name, list of the same) for folders. */
#include "proto/pymmorpg/internal.h"

enum { FOLDERS = 32 }; /* in one another: as deep as the decoder of a client of ours would follow */

/* The value under a key of the map that r stands before. False: there is none. */
static bool member(struct ump_reader r, const char *name, struct ump_reader *value) {
  struct ump_plain map, key;
  if (!ump_plain_get(&r, &map) || map.tag != UMP_PLAIN_MAP) return false;
  for (uint32_t i = 0; i < map.count; i++) {
    if (!ump_plain_get(&r, &key) || key.tag != UMP_PLAIN_STRING) return false;
    *value = r;
    if (ump_bytes_equal(key.s, ump_text(name))) return true;
    if (!ump_plain_skip(&r)) return false;
  }
  return false;
}

static bool put_folder(struct ump_reader *r, struct ump_writer *w, unsigned depth, uint32_t count) {
  struct ump_plain pair, name, contents;
  ump_pickle_put(w, ']');
  if (count) ump_pickle_put(w, '(');
  for (uint32_t i = 0; i < count; i++) {
    if (!ump_plain_get(r, &pair) || pair.tag != UMP_PLAIN_TUPLE || pair.count != 2) return false;
    if (!ump_plain_get(r, &name) || name.tag != UMP_PLAIN_STRING || !ump_plain_get(r, &contents)) return false;
    ump_pickle_put_text(w, name.s);
    if (contents.tag == UMP_PLAIN_STRING)
      ump_pickle_put_bytes(w, contents.s);
    else if (contents.tag != UMP_PLAIN_ARRAY || depth == FOLDERS || !put_folder(r, w, depth + 1, contents.count))
      return false;
    ump_pickle_put(w, 0x86);
    if (w->full) return false;
  }
  if (count) ump_pickle_put(w, 'e');
  return !w->full;
}

static struct ump_blob *blob_of(const struct ump_mem *mem, struct ump_bytes b) {
  struct ump_blob *out = ump_blob_new(mem, b.n);
  if (out) memcpy(out->p, b.p, b.n);
  return out;
}

static struct ump_blob *encode_image(struct pymmorpg *p, struct ump_reader r) {
  struct ump_plain list;
  if (!ump_plain_get(&r, &list) || list.tag != UMP_PLAIN_ARRAY) return NULL;
  uint8_t *to = ump_alloc(p->mem, MESSAGE_MAX);
  if (!to) return NULL;
  struct ump_writer w = ump_writer(to, MESSAGE_MAX - FLAGS_MAX * 262 - 8); /* room for what else a reply holds */
  struct ump_blob *out = put_folder(&r, &w, 1, list.count) ? blob_of(p->mem, ump_written(&w)) : NULL;
  ump_free(p->mem, to, MESSAGE_MAX);
  if (!out)
    ump_log_text(
        p->log, UMP_WARN, "client_image", NULL,
        "the client's files do not fit into one message of 1 MiB (bytes over 127 take two): upgrade is answered False");
  return out;
}

static struct ump_blob *encode_version(struct pymmorpg *p, struct ump_reader r) {
  uint8_t text[512];
  struct ump_plain v;
  struct ump_writer w = ump_writer(text, sizeof text);
  if (!ump_plain_get(&r, &v) || v.tag != UMP_PLAIN_STRING) return NULL;
  ump_pickle_put_text(&w, v.s);
  return w.full ? NULL : blob_of(p->mem, ump_written(&w));
}

void ump__pm_declared(struct pymmorpg *p, struct ump_bytes plain) {
  struct ump_reader all = ump_reader(plain), ours, value;
  ump_blob_unref(p->version);
  ump_blob_unref(p->image);
  p->version = p->image = NULL;
  if (!plain.n || !member(all, "pymmorpg", &ours)) return;
  if (member(ours, "version", &value)) p->version = encode_version(p, value);
  if (member(ours, "image", &value)) p->image = encode_image(p, value);
}
