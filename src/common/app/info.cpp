#include "common/app/info.h"

#include <cstdio>
#include <memory>

#include "common/app/options.h"
#include "common/app/table.h"
#include "common/nn/layer_list.h"

namespace attnunet::app {
namespace {

struct Options {
  NetworkConfig network;
  int size = 256;
  Index batch = 1;
};

void print_network(const NetworkConfig& network, Index batch, int size) {
  const Architecture architecture = make_architecture(network);
  std::printf("%s, base %d, batch %lld, %d x %d: shapes are images x height x width x channels\n\n",
              variant_name(network).c_str(), network.base, static_cast<long long>(batch), size, size);
  Table table({"layer", "kind", "output", "parameters", "MFLOP", "activation MB"}, 2);
  double flops = 0;
  Index bytes = 0;
  for (const LayerInfo& layer : list_layers(network, batch, size, size)) {
    std::string kind = layer_kind_name(layer.kind);
    if (layer.kernel > 0) kind += " " + std::to_string(layer.kernel) + "x" + std::to_string(layer.kernel);
    if (layer.dropout_rate > 0) kind += " " + fixed(layer.dropout_rate, 2);
    const double megabytes = static_cast<double>(layer.activation_bytes) / 1e6;
    table.add({layer.name, kind, shape_text(layer.output), layer.parameters > 0 ? grouped(layer.parameters) : "-",
               layer.forward_flops > 0 ? fixed(layer.forward_flops / 1e6, 1) : "-",
               layer.activation_bytes > 0 ? fixed(megabytes, 2) : "in place"});
    flops += layer.forward_flops;
    bytes += layer.activation_bytes;
  }
  table.print();
  std::printf("\nparameters            %s\n", grouped(architecture.parameter_count()).c_str());
  std::printf("forward               %.2f GFLOP (convolutions), a training step about three times that\n", flops / 1e9);
  std::printf("activations           %.1f MB that a training step keeps\n", static_cast<double>(bytes) / 1e6);
}

}  // namespace

void add_info_command(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("info", "A network layer by layer: shapes, parameters, FLOPs, memory");
  add_network_options(*command, options->network);
  add_size_option(*command, options->size);
  command->add_option("--batch", options->batch, "images")->check(whole_number(1, largest_batch));
  command->callback([options] {
    require_size(options->network, options->size);
    print_network(options->network, options->batch, options->size);
  });
}

}  // namespace attnunet::app
