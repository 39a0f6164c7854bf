// Ctrl-C: finish the running step, save, leave.
#pragma once

namespace attnunet {

/// The first thing of a program: SIGINT and SIGTERM end it as usual, even if it was started with them ignored or
/// blocked (as a shell's background job is).
void restore_interrupts();

/// From now on SIGINT, SIGTERM and SIGHUP (the terminal was closed) only set a flag, even if the process was started
/// with the first two ignored or blocked. A SIGHUP that is ignored stays so: that is what nohup is for. However often
/// they come, nothing is lost. SIGXFSZ is ignored, so that a file size limit is an error of write. Clears the flag.
void catch_interrupts();

/// Whether one of them came since catch_interrupts.
bool interrupted();

}  // namespace attnunet
