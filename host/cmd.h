/* The commands, each a table row of main.c. */
#ifndef UMP_HOST_CMD_H
#define UMP_HOST_CMD_H

#include "flags.h"

extern const struct command ump_cmd_run, ump_cmd_check, ump_cmd_test, ump_cmd_reload, ump_cmd_status, ump_cmd_stop,
    ump_cmd_health, ump_cmd_console, ump_cmd_new, ump_cmd_replay;

#endif
