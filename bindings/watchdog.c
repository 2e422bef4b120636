/* A thread that looks at the call under way every few milliseconds. A call pays a few stores for it; the clock is read
 * by this thread alone, when the same call is seen twice.
 *
 * When a call overruns, the thread names it in `target` and sends the signal; the handler, on the loop's own thread,
 * does something only if that very call is still under way. It is sent again until the call has ended, so a signal that
 * came at a bad moment costs a look, not the host; and each time after twice as long, because what it does takes
 * milliseconds in a call that is very deep, and signals that come faster than they are handled would stop the loop's
 * thread altogether. */
#define _GNU_SOURCE /* pthread_sigqueue: the handler is told which watchdog it serves, so no global is needed */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/list.h" /* UMP_CONTAINER */
#include "bindings/vm_state.h"

static const ump_time LOOK = 4 * UMP_MS;           /* between two looks while calls are made */
static const ump_time MOST_PATIENT = 128 * UMP_MS; /* between two orders to the same call */
static const ump_time LOOK_ASLEEP = 100 * UMP_MS;  /* when no call was made for IDLE_LOOKS looks; a call wakes us */
enum { IDLE_LOOKS = 50, SIGNAL = SIGURG };

enum order { ORDER_SOFT, ORDER_HARD, ORDER_WHERE };

struct ump_watchdog {
  _Alignas(64) struct ump__gate gate;
  _Alignas(64) _Atomic uint64_t target; /* from here: what the signal handler is told */
  _Atomic int order;
  _Atomic bool where_known;
  char where[UMP__WHERE_CAP];
  /* the watchdog's own */
  ump_time stuck;
  struct ump_log log;
  pthread_t thread, loop;
  clockid_t loop_cpu;
  struct sigaction old_action;
  pthread_mutex_t mutex;
  pthread_cond_t wake;
  bool stop; /* under the mutex */
};

/* What the thread knows of the call that it looks at. */
struct sight {
  uint64_t call;
  ump_time cpu;             /* of the loop's thread when the call was first seen */
  ump_time last_look, wall; /* wall clock: of the last look; since the call was first seen */
  ump_time tripped;         /* `wall` when it was told to end; 0: it was not */
  ump_time next, patience;  /* `wall` when it is told again; how long after the last time that is */
  bool soft;
};

static ump_time read_clock(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (ump_time)t.tv_sec * UMP_S + t.tv_nsec;
}

ump_time ump__thread_cpu(void) {
  return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

struct ump__gate *ump__watchdog_gate(struct ump_watchdog *w) {
  return &w->gate;
}

void ump__watchdog_wake(struct ump__gate *gate) {
  struct ump_watchdog *w = UMP_CONTAINER(gate, struct ump_watchdog, gate);
  pthread_mutex_lock(&w->mutex);
  atomic_store_explicit(&gate->asleep, false, memory_order_relaxed);
  pthread_cond_signal(&w->wake);
  pthread_mutex_unlock(&w->mutex);
}

/* On the loop's thread, in the middle of anything. */
static void on_signal(int number, siginfo_t *info, void *context) {
  struct ump_watchdog *w = info->si_value.sival_ptr;
  int saved = errno;
  (void)number, (void)context;
  if (info->si_code != SI_QUEUE || info->si_pid != getpid() || !w) return; /* sent by someone else */
  uint64_t call = atomic_load_explicit(&w->gate.call, memory_order_relaxed);
  if ((call & 1) && call == atomic_load(&w->target)) {
    enum order order = (enum order)atomic_load(&w->order);
    if (order == ORDER_WHERE) {
      ump__where(w->gate.vm->running, w->where, sizeof w->where);
      atomic_store(&w->where_known, true);
    } else {
      ump__budget_interrupt(w->gate.vm, order == ORDER_HARD);
    }
  }
  errno = saved;
}

static void send_order(struct ump_watchdog *w, uint64_t call, enum order order) {
  atomic_store(&w->target, call);
  atomic_store(&w->order, (int)order);
  pthread_sigqueue(w->loop, SIGNAL, (union sigval){.sival_ptr = w});
}

/* Logged in two steps: asking the stuck thread where it is could crash it, and the first line must be out by then. */
static void give_up(struct ump_watchdog *w, const struct sight *s) {
  char text[UMP__WHERE_CAP + 160];
  snprintf(text, sizeof text, "a call into the rulebook goes on %lld ms after it was told to end: aborting",
           (long long)((s->wall - s->tripped) / UMP_MS));
  ump_log_text(&w->log, UMP_ERROR, "stuck", NULL, text);
  send_order(w, s->call, ORDER_WHERE);
  for (int i = 0; i < 50 && !atomic_load(&w->where_known); i++) {
    nanosleep(&(struct timespec){0, 2 * 1000 * 1000}, NULL);
  }
  if (atomic_load(&w->where_known) && w->where[0]) {
    snprintf(text, sizeof text, "%s: stuck here", w->where);
    ump_log_text(&w->log, UMP_ERROR, "stuck", NULL, text);
  }
  abort();
}

static void first_sight(struct ump_watchdog *w, struct sight *s, uint64_t call, ump_time now) {
  *s = (struct sight){.call = call, .last_look = now, .cpu = read_clock(w->loop_cpu)};
}

/* A process that was stopped and goes on sees a jump of the clock: one look never counts for more than a few. */
static void look_at(struct ump_watchdog *w, struct sight *s, ump_time now) {
  s->wall += ump_time_min(now - s->last_look, 4 * LOOK);
  s->last_look = now;
  ump_time cpu = read_clock(w->loop_cpu) - s->cpu;
  ump_time soft = atomic_load_explicit(&w->gate.soft, memory_order_relaxed);
  ump_time hard = atomic_load_explicit(&w->gate.hard, memory_order_relaxed);
  /* A call waits where it should not (a log that is not read, a slow disk): that counts too, but later. */
  ump_time patience = hard + (w->stuck ? w->stuck : 2 * UMP_S);
  if (cpu >= hard || s->wall >= patience) {
    if (!s->tripped) s->tripped = s->wall ? s->wall : 1;
    if (w->stuck && s->wall - s->tripped >= w->stuck) give_up(w, s);
    if (s->wall < s->next) return;
    send_order(w, s->call, ORDER_HARD);
    s->patience = s->patience ? ump_time_min(2 * s->patience, MOST_PATIENT) : LOOK;
    s->next = s->wall + s->patience;
  } else if (cpu >= soft && !s->soft) {
    s->soft = true;
    send_order(w, s->call, ORDER_SOFT);
  }
}

/* False: time to stop. */
static bool rest(struct ump_watchdog *w, ump_time now, ump_time how_long, bool asleep) {
  ump_time until = now + how_long;
  struct timespec t = {(time_t)(until / UMP_S), (long)(until % UMP_S)};
  pthread_mutex_lock(&w->mutex);
  atomic_store_explicit(&w->gate.asleep, asleep, memory_order_relaxed);
  if (!w->stop) pthread_cond_timedwait(&w->wake, &w->mutex, &t);
  atomic_store_explicit(&w->gate.asleep, false, memory_order_relaxed);
  bool go_on = !w->stop;
  pthread_mutex_unlock(&w->mutex);
  return go_on;
}

static void *watch(void *arg) {
  struct ump_watchdog *w = arg;
  struct sight s = {0};
  int idle = 0;
  for (;;) {
    ump_time now = read_clock(CLOCK_MONOTONIC);
    uint64_t call = atomic_load_explicit(&w->gate.call, memory_order_acquire);
    if (call != s.call)
      first_sight(w, &s, call, now), idle = 0;
    else if (call & 1)
      look_at(w, &s, now);
    else if (idle < IDLE_LOOKS)
      idle++;
    bool asleep = idle == IDLE_LOOKS;
    if (!rest(w, now, asleep ? LOOK_ASLEEP : LOOK, asleep)) return NULL;
  }
}

static bool start(struct ump_watchdog *w) {
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
  sigset_t all, before;
  sigemptyset(&action.sa_mask);
  if (sigaction(SIGNAL, &action, &w->old_action)) return false;
  /* The program's own signals are for its own thread. */
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int failed = pthread_create(&w->thread, NULL, watch, w);
  sigaddset(&before, SIGNAL), sigdelset(&before, SIGNAL);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (failed) sigaction(SIGNAL, &w->old_action, NULL);
  return !failed;
}

struct ump_watchdog *ump_watchdog_new(ump_time stuck, const struct ump_log *log) {
  struct ump_watchdog *w = aligned_alloc(_Alignof(struct ump_watchdog), sizeof *w);
  if (!w) return NULL;
  *w = (struct ump_watchdog){.stuck = stuck, .loop = pthread_self()};
  if (log) w->log = *log;
  pthread_condattr_t attr;
  pthread_condattr_init(&attr);
  pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
  pthread_mutex_init(&w->mutex, NULL);
  pthread_cond_init(&w->wake, &attr);
  pthread_condattr_destroy(&attr);
  if (pthread_getcpuclockid(w->loop, &w->loop_cpu) == 0 && start(w)) return w;
  pthread_cond_destroy(&w->wake);
  pthread_mutex_destroy(&w->mutex);
  free(w);
  return NULL;
}

void ump_watchdog_free(struct ump_watchdog *w) {
  if (!w) return;
  pthread_mutex_lock(&w->mutex);
  w->stop = true;
  pthread_cond_signal(&w->wake);
  pthread_mutex_unlock(&w->mutex);
  pthread_join(w->thread, NULL);
  /* A signal that is still on its way would find no watchdog: ignoring it for a moment throws it away. */
  sigaction(SIGNAL, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
  sigaction(SIGNAL, &w->old_action, NULL);
  pthread_cond_destroy(&w->wake);
  pthread_mutex_destroy(&w->mutex);
  free(w);
}
