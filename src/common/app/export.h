// attnunet export: a checkpoint's network as an ONNX file, for other programs.
#pragma once

#include <CLI/CLI.hpp>

namespace attnunet::app {

void add_export_command(CLI::App& app);

}  // namespace attnunet::app
