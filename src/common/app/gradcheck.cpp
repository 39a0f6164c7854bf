#include "common/app/gradcheck.h"

#include <algorithm>
#include <cstdio>
#include <memory>

#include "common/app/backend.h"
#include "common/app/options.h"
#include "common/core/error.h"
#include "common/gradcheck/derivations.h"
#include "common/gradcheck/elements.h"

namespace attnunet::app {
namespace {

struct GradcheckOptions {
  Backend backend = Backend::cpu;
  ConvMethod conv = ConvMethod::automatic;
  std::string layer;
  int threads = 1;
  bool verbose = false;
};

using gradcheck::Array;

void print_array(const Array& array, std::vector<Index> shape) {
  const auto size = static_cast<Index>(array.values.size());
  if (shape.empty()) shape = {size};
  std::string text;
  for (const Index extent : shape) text += (text.empty() ? "" : ",") + std::to_string(extent);
  std::printf("  %s [%s]\n", array.name.c_str(), text.c_str());
  const Index row = shape.size() == 4 ? shape[2] * shape[3] : shape.back();  // a row of the image, or a pixel
  for (Index i = 0; i < size; ++i)
    std::printf("%s%10.6g%s", i % row == 0 ? "    " : " ", array.values[static_cast<std::size_t>(i)],
                (i + 1) % row == 0 ? "\n" : "");
}

/// Inputs, outputs, the gradient that comes from above, and what becomes of it. Returns whether all is right.
bool print_example(const gradcheck::Example& example) {
  const auto shape = [&](const std::string& name) {
    const auto found = example.shapes.find(name);
    return found == example.shapes.end() ? std::vector<Index>{} : found->second;
  };
  const gradcheck::LayerCase& layer = example.layer_case;
  std::printf("Example: %s, in training\n\n", layer.name.c_str());
  for (const Array& input : layer.inputs) print_array(input, shape(input.name));
  std::vector<Array> upstream;
  Random random(9);
  for (const Array& output : layer.forward(layer.inputs).outputs) {
    print_array(output, shape(output.name));
    Array d = gradcheck::random_array("d" + output.name, static_cast<Index>(output.values.size()), random);
    for (double& value : d.values) value = output.values.size() == 1 ? 1 : std::round(10 * value) / 10;
    upstream.push_back(std::move(d));
  }
  for (std::size_t i = 0; i < upstream.size(); ++i) print_array(upstream[i], shape(upstream[i].name.substr(1)));
  std::printf(
      "\nGradients of sum(d_output * output): analytic is backward's, numeric the central difference with h = "
      "%g; the error\nis relative to the tensor's largest gradient.\n\n  %-18s %16s %16s %10s\n",
      gradcheck::layer_step, "gradient", "analytic", "numeric", "error");
  bool right = true;
  for (const gradcheck::ElementTable& table : gradcheck::compare_elements(layer, upstream))
    for (std::size_t j = 0; j < table.elements.size(); ++j) {
      const gradcheck::Element& element = table.elements[j];
      const std::string name = "d" + table.tensor + "[" + std::to_string(j) + "]";
      std::printf("  %-18s %16.9f %16.9f", name.c_str(), element.analytic, element.numeric);
      if (element.at_kink) {
        std::printf("    a kink lies between\n");
        continue;
      }
      const double scale = std::max(table.largest_gradient, 1e-3);  // 0 where a gradient vanishes identically
      const double error = std::abs(element.analytic - element.numeric) / scale;
      const bool good = error <= 10 * gradcheck::gradient_gate;  // numbers of one decimal may lie close together
      std::printf(" %10.1e%s\n", error, good ? "" : "  FAIL");
      right = right && good;
    }
  std::printf("\n");
  return right;
}

/// Formula and example of each layer asked for.
template <class B>
bool print_lessons(typename B::Device& device, const std::string& layer) {
  bool right = true;
  const auto examples = gradcheck::examples<B>(device);
  for (const gradcheck::Derivation& derivation : gradcheck::derivations()) {
    if (!layer.empty() && derivation.layer != layer) continue;
    std::printf("==== %s (%s)\n\n%s\n", derivation.layer.c_str(), derivation.file.c_str(), derivation.text.c_str());
    for (const gradcheck::Example& example : examples)
      if (example.layer == derivation.layer) right = print_example(example) && right;
  }
  return right;
}

bool run(const GradcheckOptions& options) {
  require_backend(options.backend, Precision::float32, options.conv);
  bool examples_right = true;
  if (options.verbose)
    examples_right =
        with_backend<double>(options.backend, options.threads, Precision::float32, options.conv,
                             [&](auto& device, auto b) { return print_lessons<decltype(b)>(device, options.layer); });
  std::printf("Analytic against central differences in double; errors are relative to the largest gradient.\n\n");
  std::printf("%-44s %-30s %8s %8s %10s %8s\n", "layer", "gradient of", "checked", "skipped", "error", "gate");
  int checks = 0, failures = 0;
  const auto report = [&](const gradcheck::Result& result) {
    const bool passed = result.passed();
    std::printf("%-44s %-30s %8lld %8lld %10.1e %8.0e  %s\n", result.layer.c_str(), result.tensor.c_str(),
                static_cast<long long>(result.checked), static_cast<long long>(result.skipped), result.relative_error(),
                gradcheck::gradient_gate, passed ? "ok" : "FAIL");
    ++checks;
    failures += passed ? 0 : 1;
  };
  with_backend<double>(options.backend, options.threads, Precision::float32, options.conv,
                       [&](auto& device, auto b) { gradcheck::run_all<decltype(b)>(device, options.layer, report); });
  std::printf("\n%d gradients checked, %d wrong\n", checks, failures);
  return checks > 0 && failures == 0 && examples_right;
}

/// Those that have a backward pass of their own or of the layers that they consist of.
const std::vector<std::string> layers = {"conv2d",
                                         "conv_transpose2d",
                                         "batch_norm",
                                         "conv2d_statistics",
                                         "batch_norm_relu_dropout",
                                         "relu",
                                         "max_pool",
                                         "sigmoid",
                                         "dropout",
                                         "concat",
                                         "add",
                                         "attention_multiply",
                                         "edge_pad",
                                         "crop",
                                         "bce",
                                         "dice",
                                         "tversky",
                                         "focal",
                                         "double_conv",
                                         "attention_gate",
                                         "attention_unet"};

}  // namespace

void add_gradcheck_command(Command& app) {
  const auto options = std::make_shared<GradcheckOptions>();
  Command* command =
      app.add_subcommand("gradcheck", "Check the gradients of every layer, both blocks and all networks numerically");
  add_backend_option(*command, options->backend);
  add_conv_option(*command, options->conv);
  command->add_option("--layer", options->layer, "this layer, block or network alone")->check(one_of(layers));
  command->add_flag("--verbose", options->verbose,
                    "first the formulas and, of each layer, a small example with every number");
  command->add_option("--threads", options->threads, "OpenMP threads; the shapes are too small for more to help")
      ->check(whole_number(1, largest_threads));
  command->callback([options] {
    if (!run(*options)) throw Error("gradients are wrong: see the lines marked FAIL");
  });
}

}  // namespace attnunet::app
