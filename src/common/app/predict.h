// attnunet predict: masks, and pictures of how they came about, of one's own images.
#pragma once

namespace attnunet::app {

class Command;

/// Sets exit_code to 130 if it was interrupted.
void add_predict_command(Command& app, int& exit_code);

}  // namespace attnunet::app
