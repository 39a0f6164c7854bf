// Ctrl-C: finish the running step, save, leave.
#pragma once

namespace attnunet {

/// From now on SIGINT and SIGTERM only set a flag, also where the process was started with them ignored or blocked
/// (nohup, a shell's background job). However often they come, nothing is lost. SIGXFSZ is ignored, so that a file size
/// limit is an error of write. Clears the flag.
void catch_interrupts();

/// Whether SIGINT or SIGTERM came since catch_interrupts.
bool interrupted();

}  // namespace attnunet
