/* What a machine said on its console, for whoever has to find out why it is gone. */
#ifndef VIRTBENCH_CONSOLE_H
#define VIRTBENCH_CONSOLE_H

/* Backends let machine NUMBER's console be written to LOGFILES-NUMBER; LOGFILES gets a default. */
void console_begin(void);

/* An earlier run's words would mislead. */
void console_forget(int machine);

/* The last lines to standard error, without control characters. */
void console_tell(int machine);

#endif
