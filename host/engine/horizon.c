/* Events older than the window.
 *
 * The window remembers an event for 300 s. A copy that turns up later (a network that held it, somebody who recorded
 * it) is unknown to the window and would be executed a second time. Real clients name their events with version 1
 * UUIDs, which carry the client's clock, so the age of an event can be told without trusting that clock to be right:
 * only that it goes on evenly.
 *
 *   lead  = arrival by our clock - making by its clock           (what both differ by, plus the way through the
 * network) best  = the least lead seen lately                           (the way through the network was shortest) age
 * = lead of this event - best                            (>= 0; > 300 s: older than the window)
 *
 * The best is kept for two spans: this one, of at least 300 s, and the one before. Both count, so a client whose clock
 * is set back (its events then look old by as much) is heard again once two spans have gone by, at most 10 minutes of
 * its events. A span ends with the first event after 300 s, never by the passing of time alone: a copy that arrives
 * after a long silence is still measured against what was known before it. After a day of silence what was known says
 * nothing any more: clocks drift by up to some 500 ppm, which makes 43 s a day.
 *
 * A client that lies about its clock harms its own events only. Ids of other kinds carry no time; for them the window's
 * 300 s are all there is (hardening section 5). A new registration starts anew. */
#include "engine/inside.h"

enum { SPAN_S = 300, DAY_S = 24 * 3600 };

static void reset(struct ump_client *c, int64_t lead, ump_time now) {
  c->lead[0] = c->lead[1] = lead;
  c->lead_since = now;
  c->lead_known = true;
}

bool ump__too_old(struct ump_client *c, struct ump_bytes id, ump_time now) {
  uint64_t made;
  if (id.n != UMP_UUID_TEXT || id.p[14] != '1' || !ump_uuid_v1_time(id, &made)) return false;
  int64_t lead = now / 100 - (int64_t)made; /* 100 ns; made has 60 bits */
  if (!c->lead_known || now - c->lead_since > DAY_S * UMP_S) reset(c, lead, now);
  if (now - c->lead_since >= SPAN_S * UMP_S) {
    c->lead[1] = c->lead[0];
    c->lead[0] = lead;
    c->lead_since = now;
  }
  if (lead < c->lead[0]) c->lead[0] = lead;
  int64_t best = c->lead[0] < c->lead[1] ? c->lead[0] : c->lead[1];
  return lead - best > UMP_VERDICT_LIFE / 100;
}
