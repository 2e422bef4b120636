/* Errors in handlers, as the log tells them: the line of the rulebook, the way there, and for whose event it was
 * called. */
#include <stdio.h>

#include "bindings/book.h"

enum { MESSAGE = 1500, DATA = 160 };

static void put(struct ump_writer *w, const char *text) {
  ump_write_text(w, text);
}

static void put_cut(struct ump_writer *w, struct ump_bytes text, size_t most) {
  bool cut = text.n > most;
  if (cut) text.n = most;
  while (cut && text.n && (text.p[text.n] & 0xC0) == 0x80) text.n--; /* not in the middle of a character */
  ump_write_bytes(w, text);
  if (cut) put(w, "...");
}

static void put_data(struct ump_writer *w, const struct ump_event *ev) {
  uint8_t text[DATA];
  struct ump_writer inner = ump_writer(text, sizeof text);
  put(w, " ");
  if (ev->encoding != UMP_PLAIN) {
    put_cut(w, ev->data, DATA);
    return;
  }
  ump_value_text(&inner, ev->data);
  ump_write_bytes(w, ump_written(&inner));
  if (inner.full) put(w, "...");
}

static void put_event(struct ump_writer *w, const struct ump_event *ev) {
  put(w, ev->high ? "high event" : "event");
  if (ev->has_name) {
    put(w, " \"");
    put_cut(w, ev->name, 40);
    put(w, "\"");
  }
  if (ev->has_data) put_data(w, ev);
  put(w, " of ");
}

static void put_client(struct ump_writer *w, const struct ump_client *c) {
  char id[UMP_UUID_TEXT];
  ump_uuid_print(&c->id, id);
  put(w, c->protocol);
  put(w, " client ");
  ump_write_bytes(w, ump_bytes(id, sizeof id));
  if (!c->name) return;
  put(w, " \"");
  put(w, c->name);
  put(w, "\"");
}

static void put_cause(struct ump_writer *w, const struct ump_book *b, const struct ump_cause *cause) {
  static const char *const deeds[UMP_N_DEEDS] = {"legal", "connect", "disconnect",     "login",
                                                 "tick",  "a timer", "a micro-thread", "view"};
  bool in_execute = cause->deed == UMP_DO_EVENT && b->costs && b->costing.part;
  put(w, "\n    called for ");
  put(w, in_execute ? "execute" : deeds[cause->deed]);
  if (!cause->client) return;
  put(w, ", ");
  if (cause->event) put_event(w, cause->event);
  put_client(w, cause->client);
}

static void put_untold(struct ump_writer *w, uint64_t n) {
  char text[80];
  snprintf(text, sizeof text, "\n    %llu more from this place since the last line about it", (unsigned long long)n);
  put(w, text);
}

void ump__book_tell_error(struct ump_book *b, const struct ump_cause *cause, int err) {
  static const char *const causes[] = {"rule_error", "rule_budget", "rule_memory"};
  uint8_t line[2800]; /* the logger takes 3000 */
  struct ump_writer w = ump_writer(line, sizeof line);
  uint64_t untold;
  if (!ump_faults_note(&b->faults, ump_vm_error(b->vm), ump__book_now(b), &untold)) return;
  put_cut(&w, ump_vm_error(b->vm), MESSAGE);
  put_cause(&w, b, cause);
  if (untold) put_untold(&w, untold);
  ump_log_write(b->log, UMP_ERROR, causes[UMP_VM_EERROR - err], NULL, ump_written(&w));
}

void ump__book_tell_untold(struct ump_book *b) {
  for (int i = 0; i < UMP_FAULTS; i++) {
    const struct ump_fault *v = &b->faults.v[i];
    uint8_t line[UMP_FAULT_TEXT + 100];
    struct ump_writer w = ump_writer(line, sizeof line);
    if (!v->untold) continue;
    put(&w, v->text);
    put_untold(&w, v->untold);
    ump_log_write(b->log, UMP_ERROR, "rule_error", NULL, ump_written(&w));
  }
}
