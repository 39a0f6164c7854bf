#include "common/train/train_config.h"

#include <functional>
#include <limits>

#include "common/core/error.h"
#include "support/files.h"
#include "support/json.h"

namespace attnunet {
namespace TEST_FILE {

// Every deciding option away from its default, but for --conv: of that cuda-sim has the default only.
TrainConfig unusual() {
  TrainConfig c;
  c.backend = Backend::cuda_sim;
  c.precision = Precision::bf16;
  c.network.variant = Variant::attention3;
  c.network.base = 6;
  c.network.dropout = 0.1;
  c.size = 33;
  c.batch = 5;
  c.epochs = 7;
  c.lr = 1.0 / 3;
  c.weight_decay = 1e-2;
  c.lr_schedule = LrSchedule::poly;
  c.loss = LossKind::bce_dice;
  c.augment = data::Augment::strong;
  c.seed = std::numeric_limits<std::uint64_t>::max();
  c.no_shuffle = true;
  c.classes = {"benign", "malignant"};
  c.split = data::SplitKind::paper;
  c.reading = {data::parse_mask_rule("labels:1,3"), {data::IntensityRule::automatic, 12}, {}, true};
  c.train_cases = {"benign (1)", "b\"\u00e9"};
  c.val_cases = {"malignant (2)"};
  return c;
}

TrainConfig not_square() {
  TrainConfig c;
  c.size = {192, 256};
  return c;
}

TrainConfig by_winograd() {
  TrainConfig c;
  c.conv = ConvMethod::winograd;
  return c;
}

TrainConfig with_tversky() {
  TrainConfig c;
  c.loss = LossKind::tversky;
  c.loss.tversky = {0.6, 1.0 / 3, 1.5};
  return c;
}

TrainConfig with_focal() {
  TrainConfig c;
  c.loss = LossKind::focal;
  c.loss.focal = {0.5, 0.75};
  return c;
}

TrainConfig with_careful_steps() {
  TrainConfig c;
  c.warmup = 2.5;
  c.clip_norm = 1.0 / 3;
  c.patience = 9;
  c.ema = 0.99;
  c.balance = data::Balance::by_lesion;
  return c;
}

TEST(TrainConfig, Defaults) {
  const auto json = parse_json(deciding_json(TrainConfig()));
  EXPECT_EQ(json["variant"], "attention4");
  EXPECT_EQ(json["base"], 32);
  EXPECT_EQ(json["size"], 256);
  EXPECT_EQ(json["batch"], 16);
  EXPECT_EQ(json["epochs"], 20);
  EXPECT_EQ(json["lr"], 1e-3);
  EXPECT_EQ(json["seed"], 0);
  EXPECT_EQ(json["split"], "grouped");
  EXPECT_EQ(json["augment"], "none");
  EXPECT_EQ(json["loss"], "bce");
  EXPECT_EQ(json["lr-schedule"], "constant");
  EXPECT_EQ(json["backend"], "cpu");
  EXPECT_EQ(json["precision"], "float32");
  EXPECT_EQ(json["conv"], "auto");
  EXPECT_TRUE(json["dropout"].is_null());
  EXPECT_NO_THROW(validate(TrainConfig()));
}

// Checkpoints are compared byte by byte: the keys, their order and how values are written belong to the format.
TEST(TrainConfig, DecidingTextIsAlwaysTheSame) {
  EXPECT_EQ(deciding_json(TrainConfig()),
            R"({"variant":"attention4","backend":"cpu","precision":"float32","conv":"auto","base":32,"dropout":null,)"
            R"("size":256,"batch":16,"epochs":20,"lr":0.001,"weight-decay":0.0,"lr-schedule":"constant","loss":"bce",)"
            R"("augment":"none","seed":0,"no-shuffle":false,"classes":[],"split":"grouped","folds":0,"fold":0,)"
            R"("train-cases":[],"val-cases":[]})");
}

// The numbers of a loss are stored with it where they differ from their defaults, and never without it.
TEST(TrainConfig, NumbersOfLosses) {
  const auto keys = [](const std::string& text) {
    std::string found;
    const auto json = parse_json(text);
    for (const char* key : {"tversky-fn", "tversky-fp", "tversky-gamma", "focal-gamma", "focal-alpha"})
      if (json.contains(key)) found += key + std::string(" ");
    return found;
  };
  TrainConfig config;
  EXPECT_EQ(keys(config_json(config)), "");
  config.loss.tversky.fn = 0.5;  // of no effect with bce
  EXPECT_EQ(deciding_json(config), deciding_json(TrainConfig()));
  config.loss = LossKind::tversky;
  EXPECT_EQ(keys(deciding_json(config)), "");
  EXPECT_EQ(keys(config_json(config)), "tversky-fn tversky-fp tversky-gamma ");
  config.loss.tversky.fp = 0.5;
  EXPECT_EQ(keys(deciding_json(config)), "tversky-fp ");
  EXPECT_EQ(keys(deciding_json(with_tversky())), "tversky-fn tversky-fp tversky-gamma ");
  EXPECT_EQ(keys(deciding_json(with_focal())), "focal-gamma focal-alpha ");

  const LossConfig tversky = parse_deciding_json(deciding_json(with_tversky())).loss;
  EXPECT_EQ(tversky.tversky.fn, 0.6);
  EXPECT_EQ(tversky.tversky.fp, 1.0 / 3);
  EXPECT_EQ(tversky.tversky.gamma, 1.5);
  const LossConfig focal = parse_deciding_json(deciding_json(with_focal())).loss;
  EXPECT_EQ(focal.focal.gamma, 0.5);
  EXPECT_EQ(focal.focal.alpha, 0.75);
}

// A checkpoint of a run without a test part has the bytes that it always had.
TEST(TrainConfig, TestPart) {
  TrainConfig config;
  config.test_part = 0.2;
  EXPECT_EQ(parse_json(deciding_json(config))["test-part"], 0.2);
  EXPECT_EQ(parse_deciding_json(deciding_json(config)).test_part, 0.2);
  EXPECT_THROW(resumed_config(config, TrainConfig(), {"test-part"}), UsageError);
  EXPECT_EQ(resumed_config(config, config, {"test-part"}).test_part, 0.2);
  TrainConfig lists = unusual();
  lists.test_cases = {"normal (3)"};
  EXPECT_EQ(parse_deciding_json(deciding_json(lists)).test_cases, lists.test_cases);
  EXPECT_THROW(resumed_config(lists, unusual(), {"test-list"}), UsageError);
  EXPECT_NO_THROW(resumed_config(lists, lists, {"test-list"}));
  EXPECT_FALSE(parse_json(deciding_json(unusual())).contains("test-cases"));
}

TEST(TrainConfig, RoundTrip) {
  for (const TrainConfig& config :
       {TrainConfig(), unusual(), by_winograd(), not_square(), with_tversky(), with_focal(), with_careful_steps()}) {
    const std::string text = deciding_json(config);
    EXPECT_EQ(deciding_json(parse_deciding_json(text)), text);
  }
  EXPECT_EQ(parse_deciding_json(deciding_json(unusual())).lr, 1.0 / 3);
  EXPECT_EQ(parse_deciding_json(deciding_json(by_winograd())).conv, ConvMethod::winograd);
  EXPECT_EQ(parse_deciding_json(deciding_json(not_square())).size, ImageSize(192, 256));
  EXPECT_TRUE(parse_deciding_json(deciding_json(unusual())).reading.keep_aspect);
  EXPECT_EQ(parse_deciding_json(deciding_json(with_careful_steps())).warmup, 2.5);
  EXPECT_EQ(parse_deciding_json(deciding_json(with_careful_steps())).clip_norm, 1.0 / 3);
  EXPECT_EQ(parse_deciding_json(deciding_json(with_careful_steps())).patience, 9);
  EXPECT_EQ(parse_deciding_json(deciding_json(with_careful_steps())).ema, 0.99);
  EXPECT_EQ(parse_deciding_json(deciding_json(with_careful_steps())).balance, data::Balance::by_lesion);
  TrainConfig folds;
  folds.folds = 5;
  folds.fold = 4;
  EXPECT_EQ(parse_deciding_json(deciding_json(folds)).fold, 4);
}

// A square is a number, as it always was.
TEST(TrainConfig, SizeOfWhatIsNoSquareIsAText) {
  EXPECT_EQ(parse_json(deciding_json(not_square()))["size"], "192x256");
  EXPECT_EQ(parse_json(config_json(not_square()))["size"], "192x256");
  EXPECT_EQ(parse_json(config_json(TrainConfig()))["size"], 256);
}

// In a checkpoint only if it is on: those of before it existed have the same bytes.
TEST(TrainConfig, KeepAspect) {
  TrainConfig config;
  EXPECT_FALSE(parse_json(deciding_json(config)).contains("keep-aspect"));
  EXPECT_EQ(parse_json(config_json(config))["keep-aspect"], false);
  config.reading.keep_aspect = true;
  EXPECT_EQ(parse_json(deciding_json(config))["keep-aspect"], true);
  EXPECT_EQ(images_text(config), "256 x 256, keep-aspect");
  TrainConfig given;
  given.resume = "runs/a/last.safetensors";
  EXPECT_TRUE(resumed_config(config, given, {"resume"}).reading.keep_aspect);
  given.reading.keep_aspect = true;
  EXPECT_TRUE(resumed_config(config, given, {"resume", "keep-aspect"}).reading.keep_aspect);
  EXPECT_THROW(resumed_config(TrainConfig(), given, {"resume", "keep-aspect"}), UsageError);
}

// What does not decide the result is in config.json only.
TEST(TrainConfig, WhatDoesNotDecide) {
  TrainConfig a, b;
  b.threads = 7;
  b.data = "elsewhere";
  b.out = "o";
  b.init = "i";
  b.resume = "r";
  b.quiet = true;
  b.train_list = "t";
  b.val_list = "v";
  EXPECT_EQ(deciding_json(a), deciding_json(b));
  const auto json = parse_json(config_json(b));
  EXPECT_EQ(json["threads"], 7);
  EXPECT_EQ(json["data"], "elsewhere");
  EXPECT_EQ(json["out"], "o");
  EXPECT_EQ(json["init"], "i");
  EXPECT_EQ(json["resume"], "r");
  EXPECT_EQ(json["quiet"], true);
  EXPECT_EQ(json["variant"], "attention4");
  EXPECT_TRUE(json["host"].is_string());
}

TEST(TrainConfig, OutOfRange) {
  const double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
  const auto reject = [](const std::string& flag, const std::function<void(TrainConfig&)>& spoil) {
    TrainConfig config;
    spoil(config);
    const std::string message = message_of<UsageError>([&] { validate(config); });
    EXPECT_NE(message.find("--" + flag), std::string::npos) << message;
  };
  for (double lr : {nan, infinity, 0.0, -1.0, 1e9}) reject("lr", [&](TrainConfig& c) { c.lr = lr; });
  for (double decay : {nan, infinity, -1e-9}) reject("weight-decay", [&](TrainConfig& c) { c.weight_decay = decay; });
  for (double epochs : {nan, infinity, -0.5}) reject("warmup", [&](TrainConfig& c) { c.warmup = epochs; });
  for (double norm : {nan, infinity, -1.0}) reject("clip-norm", [&](TrainConfig& c) { c.clip_norm = norm; });
  for (int epochs : {-1, 100001}) reject("patience", [&](TrainConfig& c) { c.patience = epochs; });
  for (double decay : {nan, -0.1, 1.0}) reject("ema", [&](TrainConfig& c) { c.ema = decay; });
  for (double rate : {nan, -0.1, 1.0}) reject("dropout", [&](TrainConfig& c) { c.network.dropout = rate; });
  for (int base : {0, -2, 3, 514}) reject("base", [&](TrainConfig& c) { c.network.base = base; });
  for (int size : {-1, 0, 2, 15, 5000}) reject("size", [&](TrainConfig& c) { c.size = size; });
  for (const ImageSize& size : {ImageSize(15, 64), ImageSize(64, 15), ImageSize(5000, 64), ImageSize(64, 5000)})
    reject("size", [&](TrainConfig& c) { c.size = size; });
  for (Index batch : {-1, 0, 5000}) reject("batch", [&](TrainConfig& c) { c.batch = batch; });
  for (int epochs : {-1, 1000000}) reject("epochs", [&](TrainConfig& c) { c.epochs = epochs; });
  for (int threads : {-1, 0, 5000}) reject("threads", [&](TrainConfig& c) { c.threads = threads; });
  for (int folds : {-1, 1}) reject("folds", [&](TrainConfig& c) { c.folds = folds; });
  for (double weight : {nan, infinity, -1e-9, 101.0}) {
    reject("tversky-fn", [&](TrainConfig& c) { c.loss.tversky.fn = weight; });
    reject("tversky-fp", [&](TrainConfig& c) { c.loss.tversky.fp = weight; });
    reject("focal-gamma", [&](TrainConfig& c) { c.loss.focal.gamma = weight; });
    reject("focal-alpha", [&](TrainConfig& c) { c.loss.focal.alpha = weight; });
  }
  reject("tversky-fn", [](TrainConfig& c) { c.loss.tversky.fn = c.loss.tversky.fp = 0; });
  for (double gamma : {nan, infinity, 0.0, -1.0})
    reject("tversky-gamma", [&](TrainConfig& c) { c.loss.tversky.gamma = gamma; });
  reject("focal-alpha", [](TrainConfig& c) { c.loss.focal.alpha = 1.01; });
  reject("precision", [](TrainConfig& c) { c.precision = Precision::tf32; });
  for (const Backend backend : {Backend::cuda, Backend::cuda_sim})
    reject("conv", [&](TrainConfig& c) { c.backend = backend, c.conv = ConvMethod::gemm; });
  for (const Name<ConvMethod>& conv : Names<ConvMethod>::table) {
    TrainConfig config;
    config.conv = conv.value;
    EXPECT_NO_THROW(validate(config)) << conv.text;
  }
  reject("balance", [](TrainConfig& c) { c.balance = data::Balance::by_class, c.no_shuffle = true; });
  reject("fold", [](TrainConfig& c) { c.fold = 1; });
  reject("fold", [](TrainConfig& c) { c.folds = 3, c.fold = 3; });
  reject("train-list", [](TrainConfig& c) { c.train_list = "a"; });
  reject("folds", [](TrainConfig& c) { c.folds = 3, c.train_list = "a", c.val_list = "b"; });
  for (double part : {nan, -0.1, 0.91}) reject("test-part", [&](TrainConfig& c) { c.test_part = part; });
  reject("test-part", [](TrainConfig& c) { c.test_part = 0.2, c.split = data::SplitKind::paper; });
  reject("test-part", [](TrainConfig& c) { c.test_part = 0.2, c.folds = 3; });
  reject("test-part", [](TrainConfig& c) { c.test_part = 0.2, c.train_cases = {"a"}; });
  reject("test-list", [](TrainConfig& c) { c.test_list = "a"; });
  reject("init", [](TrainConfig& c) { c.init = "a", c.resume = "b"; });
  TrainConfig small;
  small.network.variant = Variant::attention3;
  small.size = 8;
  EXPECT_NO_THROW(validate(small));
}

TEST(TrainConfig, EndByPatience) {
  TrainConfig config;
  config.epochs = 30;
  EXPECT_EQ(end_by_patience(config, 20, 20), "");
  config.patience = 5;
  EXPECT_EQ(end_by_patience(config, 20, 4), "");
  EXPECT_EQ(end_by_patience(config, 20, 5),
            "ended by --patience 5 after epoch 20 of 30: the validation IoU has not improved since epoch 15");
  EXPECT_EQ(end_by_patience(config, 30, 5), "");  // all epochs are done
}

TEST(TrainConfig, DamagedJson) {
  const auto reject = [](const std::string& text, const std::string& reason) {
    const std::string message = message_of<Error>([&] { parse_deciding_json(text); });
    EXPECT_NE(message.find(reason), std::string::npos) << message;
  };
  reject("", "not JSON");
  reject("{", "not JSON");
  reject("[]", "not a JSON object");
  reject("{}", "lacks variant");
  reject(std::string(1'000'000, '['), "too deeply");
  const auto change = [](const std::string& key, const nlohmann::json& value) {
    auto json = parse_json(deciding_json(TrainConfig()));
    json[key] = value;
    return json.dump();
  };
  reject(change("extra", 1), "unknown entry 'extra'");
  reject(change("variant", "unet"), "--variant 'unet' is unknown: one of attention3, attention4, unet3, unet4");
  reject(change("backend", "tpu"), "--backend 'tpu' is unknown: one of cpu, cuda, cuda-sim");
  reject(change("precision", "fp16"), "--precision 'fp16' is unknown: one of float32, tf32, bf16");
  reject(change("precision", "tf32"), "--precision tf32 needs --backend cuda or cuda-sim");
  reject(change("conv", "automatic"), "--conv 'automatic' is unknown: one of auto, reference, gemm, direct, winograd");
  reject(change("lr-schedule", "step"), "--lr-schedule 'step' is unknown: one of constant, cosine, poly");
  reject(change("loss", "l2"), "--loss 'l2' is unknown: one of bce, bce+dice");
  reject(change("augment", "all"), "--augment 'all' is unknown: one of none, light, strong");
  reject(change("split", "lists"), "--split 'lists' is unknown: one of random, grouped, paper");
  for (const std::string key : {"variant", "backend", "precision", "conv", "lr-schedule", "loss", "augment", "split"}) {
    reject(change(key, 1), key + " or has a wrong value");
    reject(change(key, ""), "--" + key + " '' is unknown");
  }
  reject(change("loss", std::string(100000, 'x')), "--loss '" + std::string(120, 'x') + "...' is unknown");
  reject(change("base", "32"), "base");
  reject(change("base", 32.5), "base");
  reject(change("base", -32), "base");
  reject(change("base", 4294967328), "base");
  reject(change("batch", 0), "batch");
  for (const nlohmann::json& size : {nlohmann::json("192x"), nlohmann::json("x"), nlohmann::json("192x8"),
                                     nlohmann::json("192 x 256"), nlohmann::json({192, 256}), nlohmann::json(256.5)})
    reject(change("size", size), "size");
  reject(change("lr", nullptr), "lr");
  reject(change("tversky-fn", 0.5), "unknown entry 'tversky-fn'");  // of bce
  const auto change_tversky = [](const nlohmann::json& value) {
    auto json = parse_json(deciding_json(with_tversky()));
    json["tversky-fn"] = value;
    return json.dump();
  };
  reject(change_tversky("a"), "tversky-fn or has a wrong value");
  reject(change_tversky(-1), "--tversky-fn -1 is out of range: 0 to 100");
  reject(change("lr", -1), "lr");
  reject(change("no-shuffle", 1), "no-shuffle");
  reject(change("classes", {1}), "classes");
  reject(change("classes", "benign"), "classes");
  reject(change("dropout", "x"), "dropout");
}

// Checkpoints of before there was a choice.
TEST(TrainConfig, PrecisionThatIsNotThereIsFloat32) {
  auto json = parse_json(deciding_json(unusual()));
  json.erase("precision");
  EXPECT_EQ(parse_deciding_json(json.dump()).precision, Precision::float32);
  json.erase("backend");
  EXPECT_THROW(parse_deciding_json(json.dump()), Error);
}
TEST(TrainConfig, ConvThatIsNotThereIsAuto) {
  auto json = parse_json(deciding_json(by_winograd()));
  json.erase("conv");
  EXPECT_EQ(parse_deciding_json(json.dump()).conv, ConvMethod::automatic);
  json.erase("precision");
  EXPECT_EQ(parse_deciding_json(json.dump()).conv, ConvMethod::automatic);
}

TEST(TrainConfig, Resumed) {
  const TrainConfig stored = parse_deciding_json(deciding_json(unusual()));
  TrainConfig given;
  given.resume = "runs/a/last.safetensors";
  given.epochs = 99;
  given.threads = 3;
  given.data = "moved";
  // Options that were not given have defaults, which must not count as given.
  TrainConfig resumed = resumed_config(stored, given, {"resume", "threads", "data"});
  EXPECT_EQ(deciding_json(resumed), deciding_json(unusual()));
  EXPECT_EQ(resumed.out, "runs/a");
  EXPECT_EQ(resumed.data, "moved");
  EXPECT_EQ(resumed.threads, 3);
  EXPECT_EQ(resumed_config(stored, given, {"resume", "epochs"}).epochs, 99);
  given.patience = 3;
  EXPECT_EQ(resumed_config(with_careful_steps(), given, {"resume"}).patience, 9);
  EXPECT_EQ(resumed_config(with_careful_steps(), given, {"resume", "patience"}).patience, 3);
  for (const char* option : {"warmup", "clip-norm", "ema", "balance"})
    EXPECT_THROW(resumed_config(with_careful_steps(), given, {"resume", option}), UsageError);
  given.out = "other";
  EXPECT_EQ(resumed_config(stored, given, {"resume", "out"}).out, "other");

  given.seed = unusual().seed;
  EXPECT_NO_THROW(resumed_config(stored, given, {"seed"}));
  for (const char* option : {"backend", "precision", "lr", "batch", "base", "variant", "dropout", "no-shuffle", "loss",
                             "augment", "size", "classes", "split", "train-list", "weight-decay", "lr-schedule"}) {
    const std::string message = message_of<UsageError>([&] { resumed_config(stored, given, {"resume", option}); });
    EXPECT_NE(message.find(std::string("--") + option + " "), std::string::npos) << message;
  }
  given.loss.tversky.fn = 0.6;
  EXPECT_NO_THROW(resumed_config(with_tversky(), given, {"tversky-fn"}));
  EXPECT_EQ(resumed_config(with_tversky(), given, {}).loss.tversky.gamma, 1.5);
  for (const char* option : {"tversky-fp", "tversky-gamma"})  // with and without the loss's name
    for (const LossKind kind : {LossKind::bce, LossKind::tversky}) {
      given.loss.kind = kind;
      std::set<std::string> options{option};
      if (kind == LossKind::tversky) options.insert("loss");
      EXPECT_NE(message_of<UsageError>([&] {
                  resumed_config(with_tversky(), given, options);
                }).find(std::string("--") + option + " differs"),
                std::string::npos);
    }
  EXPECT_EQ(resumed_config(by_winograd(), given, {"resume"}).conv, ConvMethod::winograd);
  EXPECT_NE(message_of<UsageError>([&] {
              resumed_config(by_winograd(), given, {"resume", "conv"});
            }).find("--conv differs from the run that --resume continues (there: '\"winograd\"')"),
            std::string::npos);
  given.init = "weights";
  EXPECT_THROW(resumed_config(stored, given, {"init"}), UsageError);
  given.train_cases = unusual().train_cases;
  EXPECT_NO_THROW(resumed_config(stored, given, {"train-list"}));
}

}  // namespace TEST_FILE
}  // namespace attnunet
