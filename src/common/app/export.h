// attnunet export: a checkpoint's network as an ONNX file, for other programs.
#pragma once

namespace attnunet::app {

class Command;

void add_export_command(Command& app);

}  // namespace attnunet::app
