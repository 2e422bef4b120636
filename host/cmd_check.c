/* umpire check RULEBOOK: everything a load would complain about, without serving it. */
#include <time.h>
#include <unistd.h>

#include "bindings/rules.h"
#include "cmd.h"
#include "net/entropy.h"
#include "net/listen_url.h"
#include "net/logger.h"
#include "net/loop.h"
#include "place.h"

static ump_time vm_now(void *ctx) {
  return (void)ctx, ump_monotonic();
}
static int64_t vm_wall(void *ctx) {
  return (void)ctx, (int64_t)time(NULL);
}

static int check(const char *path, struct ump_logger *logger, struct ump_entropy *entropy) {
  char error[UMP_PLACE + 256];
  struct ump_report report = {0};
  struct ump_places places;
  if (!ump_rulebook_there(path, error, sizeof error)) return fprintf(stderr, "%s\n", error), EXIT_RULEBOOK;
  struct ump_log log = ump_logger_log(logger);
  struct ump_watchdog *watchdog = ump_watchdog_new(0, &log);
  ump_places_find(&places);
  struct ump_vm_cfg vm = {.library = places.library,
                          .watchdog = watchdog,
                          .log = &log,
                          .rng = ump_entropy_rng(entropy),
                          .now = vm_now,
                          .wall = vm_wall};
  bool ok = ump_rules_check(path, &vm, &report);
  const char *text = report.text ? report.text : "out of memory";
  size_t n = strlen(text);
  fprintf(ok ? stdout : stderr, "%s%s", text, n && text[n - 1] == '\n' ? "" : "\n");
  ump_report_free(&report);
  if (watchdog) ump_watchdog_free(watchdog);
  return ok ? EXIT_OK : EXIT_RULEBOOK;
}

static int run(const struct command *self, int argc, char **argv) {
  const char *path = NULL;
  struct ump_entropy entropy;
  struct ump_logger_cfg cfg = {.fd = STDERR_FILENO, .level = UMP_INFO};
  int code = ump_flags_parse(self, argc, argv, NULL, &path);
  if (code != EXIT_OK) return code < 0 ? EXIT_OK : code;
  ump_entropy_init(&entropy);
  struct ump_logger *logger = ump_logger_new(&cfg);
  code = logger ? check(path, logger, &entropy) : EXIT_RULEBOOK;
  ump_logger_free(logger);
  ump_entropy_deinit(&entropy);
  return code;
}

const struct command ump_cmd_check = {
    .name = "check",
    .operands = "RULEBOOK",
    .summary = "load it in the sandbox and print its handlers, or what is wrong with it, with file:line",
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
