#include "common/report/layer_rows.h"

#include "common/io/table.h"

namespace attnunet::report {

std::vector<std::string> layer_headings() {
  return {"layer", "kind", "output", "parameters", "MFLOP", "activation MB"};
}

std::vector<std::string> layer_row(const LayerInfo& layer) {
  std::string kind = layer_kind_name(layer.kind);
  if (layer.kernel > 0) kind += " " + std::to_string(layer.kernel) + "x" + std::to_string(layer.kernel);
  if (layer.kind == LayerKind::dropout) kind += " " + fixed(layer.dropout_rate, 2);
  return {layer.name,
          kind,
          shape_text(layer.output),
          layer.parameters > 0 ? grouped(layer.parameters) : "-",
          layer.forward_flops > 0 ? fixed(layer.forward_flops / 1e6, 1) : "-",
          layer.activation_bytes > 0 ? fixed(static_cast<double>(layer.activation_bytes) / 1e6, 2) : "in place"};
}

}  // namespace attnunet::report
