/* umpire console: Lua in a running host, a line at a time, with history and completion. */
#include <editline/readline.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"
#include "codec/json.h"
#include "net/control.h"

/* REPLY: what host_control.c makes at most, its line feed and a NUL */
enum { REPLY = (1 << 18) + 2, REQUEST = UMP_CONTROL_LINE - 1, REMEMBERED = 1000 };
#define PATIENCE (30 * UMP_S)

struct options {
  const char *control;
  const char *line;
};

struct session {
  char path[UMP_CONTROL_PATH];
  char reply[REPLY], text[REPLY];
  enum { DONE, MORE, FAILED, LOST } answer;
  bool writes;
};

static const struct flag flags[] = {
    {"control", "UMPIRE_CONTROL", "PATH", FLAG_TEXT, offsetof(struct options, control),
     "the host's control socket\n(default $XDG_RUNTIME_DIR/umpire.sock or /tmp/umpire-UID.sock)", NULL},
    {"eval", NULL, "LUA", FLAG_TEXT, offsetof(struct options, line),
     "evaluate this, print what comes of it and end; exit 1 if it was an error", NULL},
};

/* ---- asking the host ---- */

/* Fills s->text and s->answer. */
static void ask(struct session *s, const char *command, const char *text) {
  static uint8_t request[REQUEST];
  char error[512];
  struct ump_writer w = ump_writer(request, sizeof request);
  struct ump_json_slot slots[] = {{.key = ump_text("answer")}, {.key = ump_text("text")}, {.key = ump_text("writes")}};
  s->answer = LOST;
  ump_write_text(&w, "{\"command\":\"");
  ump_write_text(&w, command);
  ump_write_text(&w, "\",\"text\":");
  ump_json_write_string(&w, ump_text(text));
  ump_write_text(&w, "}");
  if (w.full) {
    s->answer = FAILED;
    snprintf(s->text, sizeof s->text, "a line may have %d bytes at most", REQUEST);
  } else if (ump_control_ask(s->path, ump_written(&w), PATIENCE, false, s->reply, sizeof s->reply, error,
                             sizeof error) != 0) {
    snprintf(s->text, sizeof s->text, "%s", error);
  } else if (ump_json_members(ump_text(s->reply), slots, 3, NULL) != 0 || slots[1].value.type != UMP_JSON_STRING) {
    snprintf(s->text, sizeof s->text, "the host's answer makes no sense; is it another version?");
  } else {
    struct ump_bytes t = ump_json_string(&slots[1].value, (uint8_t *)s->text, sizeof s->text - 1), a = {0};
    uint8_t name[16];
    memmove(s->text, t.p, t.n); /* without escapes it is still in the reply */
    s->text[t.n] = 0;
    if (slots[0].value.type == UMP_JSON_STRING) a = ump_json_string(&slots[0].value, name, sizeof name);
    s->writes = slots[2].value.type == UMP_JSON_TRUE;
    s->answer = ump_bytes_equal(a, ump_text("done"))   ? DONE
                : ump_bytes_equal(a, ump_text("more")) ? MORE
                : a.n                                  ? FAILED
                                                       : LOST; /* refused as a whole: --console none */
  }
}

/* ---- completion; libedit's functions know no context, so the session it is for stands here ---- */

static struct session *completing;

static char *next_word(const char *word,
                       int nth) { /* gives the host's words, one a call, to libedit, which frees them */
  static char *rest;
  if (nth == 0) {
    ask(completing, "complete", word);
    rest = completing->answer == DONE && completing->text[0] ? completing->text : NULL;
  }
  if (!rest) return NULL;
  size_t n = strcspn(rest, "\n");
  char *found = strndup(rest, n);
  rest = rest[n] ? rest + n + 1 : NULL;
  return found;
}

static char **words(const char *word, int start, int end) {
  (void)start, (void)end;
  rl_attempted_completion_over = 1; /* never the names of files */
  return rl_completion_matches(word, next_word);
}

/* ---- history: of the user, for all hosts ---- */

static bool history_path(char *out, size_t cap) {
  const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
  int n = state && *state ? snprintf(out, cap, "%s/umpire", state)
          : home && *home ? snprintf(out, cap, "%s/.local/state/umpire", home)
                          : -1;
  if (n < 0 || (size_t)n + sizeof "/console" > cap) return false;
  for (char *slash = strchr(out + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
    *slash = 0;
    if (mkdir(out, 0700) != 0 && errno != EEXIST) return false;
    *slash = '/';
  }
  if (mkdir(out, 0700) != 0 && errno != EEXIST) return false;
  strcat(out, "/console");
  return true;
}

/* ---- reading ---- */

/* A line without its line feed, for the caller to free; NULL: there are no more. */
static char *read_line(bool terminal, const char *prompt) {
  if (terminal) return readline(prompt);
  char *line = NULL;
  size_t cap = 0;
  ssize_t n = getline(&line, &cap, stdin);
  if (n < 0) return free(line), NULL;
  if (n > 0 && line[n - 1] == '\n') line[n - 1] = 0;
  return line;
}

static char *joined(char *before, char *line) { /* frees both; NULL: no memory */
  if (!before) return line;
  size_t a = strlen(before), b = strlen(line);
  char *both = malloc(a + b + 2);
  if (both) {
    memcpy(both, before, a);
    both[a] = '\n';
    memcpy(both + a + 1, line, b + 1);
  }
  free(before), free(line);
  return both;
}

/* Lines until the end of input or "quit". 0, or 1: some line was an error (told to scripts). */
static int talk(struct session *s, bool terminal) {
  char *text = NULL, *line;
  bool failed = false;
  while ((line = read_line(terminal, text ? "  ...> " : s->writes ? "umpire!> " : "umpire> "))) {
    if (!text && (strcmp(line, "quit") == 0 || strcmp(line, "exit") == 0)) {
      free(line);
      break;
    }
    if (!(text = joined(text, line))) break;
    ask(s, "evaluate", text);
    if (s->answer == MORE && text[0]) continue;
    if (terminal && text[0]) add_history(text);
    free(text);
    text = NULL;
    failed |= s->answer != DONE;
    if (s->text[0]) fprintf(s->answer == DONE ? stdout : stderr, "%s\n", s->text);
    fflush(stdout);
    if (s->answer == LOST) break;
  }
  if (text) {
    fprintf(stderr, "umpire console: the last line is not complete\n");
    free(text);
    failed = true;
  }
  return failed;
}

static int converse(struct session *s) {
  char path[4096];
  bool terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
  if (!terminal) return talk(s, false) ? EXIT_RULEBOOK : EXIT_OK;
  bool kept = history_path(path, sizeof path);
  rl_readline_name = "umpire";
  rl_completer_word_break_characters = " \t\n\"'`@$><=;|&{(,+-*/%^#~[])}";
  rl_attempted_completion_function = words;
  rl_completion_append_character = 0;
  completing = s;
  using_history();
  stifle_history(REMEMBERED);
  if (kept) read_history(path);
  printf("%s. help says what there is, quit leaves.\n",
         s->writes ? "This console can change the game" : "This console looks and changes nothing");
  talk(s, true);
  if (kept && write_history(path) == 0) chmod(path, 0600);
  return EXIT_OK;
}

static int once(struct session *s, const char *line) {
  ask(s, "evaluate", line);
  if (s->answer == MORE) snprintf(s->text, sizeof s->text, "the line is not complete: %s", line);
  if (s->text[0]) fprintf(s->answer == DONE ? stdout : stderr, "%s\n", s->text);
  return s->answer == DONE ? EXIT_OK : EXIT_RULEBOOK;
}

static int run(const struct command *self, int argc, char **argv) {
  static struct session s;
  struct options o = {0};
  int code = ump_flags_parse(self, argc, argv, &o, NULL);
  if (code != EXIT_OK) return code < 0 ? EXIT_OK : code;
  if (o.control ? strlen(o.control) >= sizeof s.path : ump_control_default_path(s.path) != 0)
    return ump_usage(self, "the control socket's path is too long; use --control");
  if (o.control) memcpy(s.path, o.control, strlen(o.control) + 1);
  if (o.line) return once(&s, o.line);
  ask(&s, "evaluate", ""); /* is it there, and may we write? */
  if (s.answer == LOST) {
    fprintf(stderr, "umpire console: %s\n", s.text);
    return EXIT_RULEBOOK;
  }
  return converse(&s);
}

const struct command ump_cmd_console = {
    .name = "console",
    .operands = "",
    .summary = "look into a running host, in Lua: clients, their data, the rulebook's locals and state;\n"
               "and change them, if the host was started with --console rw",
    .flags = flags,
    .n_flags = sizeof flags / sizeof *flags,
    .run = run,
};
