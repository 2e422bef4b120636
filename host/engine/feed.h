/* The replicated state on its way to clients: moments, and the patches between them. Inside of the engine.
 *
 * Clients are led to the published version. Without views that is published when somebody asks and the last one is at
 * least UMP__FRESH old, so that many who ask at about the same time get the same patch; with views at each beat (the
 * tick, or 50 ms where there are none), after every client's view has been evaluated, so that nothing crosses that a
 * view has not been asked about.
 *
 * A patch is made once for all who ask with the same moment and the same view, and kept until the next version is
 * published.
 *
 * What was removed is remembered from the oldest living moment on. When more is remembered than the state may have
 * keys, the oldest moments expire: who still has one gets the whole state anew (`whole` in struct ump_patch). */
#ifndef UMP_ENGINE_FEED_H
#define UMP_ENGINE_FEED_H

#include "engine/view.h"
#include "proto/proto.h"

#define UMP__FRESH (5 * UMP_MS)
#define UMP__BEAT  (50 * UMP_MS) /* a 20th of a second is the tick of most games */

struct ump_moment {
  size_t refs;
  uint64_t version;
  struct ump_view *view;   /* a reference */
  struct ump_list all;     /* by version; one that has expired is in no list */
  struct ump_list patches; /* that were made from it, cached */
};

struct ump__told { /* a patch as the notifies of one listener; see subscribe.c */
  struct ump__told *next;
  uint32_t listener, n;
  uint64_t channel; /* a hash of the client's, 0: it is in none */
  uint64_t since;   /* the time that the first part follows */
  struct ump_blob *parts[];
};

struct ump__patch {
  struct ump_patch face;
  size_t refs;
  struct ump_list cached; /* in the list of its moment, or of its view when it is the whole */
  struct ump_list all;    /* in the list of all that are cached */
  const struct ump_view *view;
  uint64_t since; /* the version it leads from; 0: it is the whole */
  struct ump__told *told;
};

struct ump__feed {
  struct ump_feed face;
  struct ump_view *everything; /* for all, where the rulebook has no view */
  struct ump__views views;
  struct ump_list moments, cached;
  ump_time published_at, beaten_at, beat_at; /* beat_at UMP_NEVER: nobody waits for one */
  struct ump_list subscribers;
  bool newcomers;                               /* among them */
  uint32_t n_subscribers, n_patches, n_moments; /* living */
};

struct ump_engine;
int ump__feed_init(struct ump_engine *e, const struct ump_hash_key *key); /* 0, UMP_ENOMEM */
void ump__feed_deinit(struct ump_engine *e); /* when no client and no protocol is there any more */
/* A call that updated was committed. in_place: of the rulebook that is; what the load of another one puts into the
 * state is not for the views of this one. */
void ump__feed_changed(struct ump_engine *e, bool in_place);
void ump__feed_new_rules(struct ump_engine *e);
void ump__feed_welcome(struct ump_engine *e, struct ump_client *c);
void ump__feed_leave(struct ump_engine *e, struct ump_client *c); /* it is about to be freed */
void ump__feed_beat(struct ump_engine *e);
void ump__feed_wake(struct ump_engine *e); /* a beat is wanted, as soon as one may be */

/* ---- subscribe.c ---- */
/* Without memory it is as if it had not been asked, which is logged. */
void ump__subscribe(struct ump_engine *e, struct ump_client *c, bool on);
bool ump__subscribers_lost(
    struct ump_engine *e); /* somebody is going to be told the whole anew, at a time of its own */
void ump__subscribers_tell(struct ump_engine *e);
void ump__told_free(struct ump_engine *e, struct ump__told *t);

/* ---- feed.c, for subscribe.c ---- */
int ump__feed_patch(struct ump_engine *e, const struct ump_client *c, struct ump_moment *from, struct ump__patch **out);
void ump__patch_unref(struct ump_engine *e, struct ump__patch *p);
struct ump_moment *ump__moment_ref(struct ump_moment *m);
void ump__moment_unref(struct ump_engine *e, struct ump_moment *m); /* NULL is allowed */

#endif
