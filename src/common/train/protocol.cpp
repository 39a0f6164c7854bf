#include "common/train/protocol.h"

#include "common/core/counted.h"

namespace attnunet {

std::string protocol_text(const data::Split& split) {
  std::string text = counted(split.train.size(), "case trains", "cases train") + "; " +
                     counted(split.val.size(), "validation case chooses", "validation cases choose") +
                     " the epoch of best.safetensors";
  if (split.test.empty())
    return text + " and also " + (split.val.size() == 1 ? "gives" : "give") +
           " the validation scores, which flatter that file; there are no test cases";
  return text + "; " + counted(split.test.size(), "test case does", "test cases do") +
         " neither (scores: evaluate --subset test)";
}

std::string protocol_text(Subset subset, std::size_t cases, bool recorded, std::size_t seen, bool patience) {
  const std::string scored = "scores of " + counted(cases, "case", "cases");
  if (!recorded) return scored + " that the checkpoint does not record under this name, chosen for this evaluation";
  switch (subset) {
    case Subset::train:
      return scored + " that were trained on";
    case Subset::val:
      return scored + " that chose the epoch of best.safetensors, and so flatter that file; " +
             (patience ? "by --patience they could end the training, too"
                       : "no score chose the epoch of last.safetensors");
    case Subset::test:
      if (seen > 0)
        return scored + ", none of which trained this model or chose an epoch; but " + std::to_string(seen) +
               " of them, or near-duplicates, were trained on";
      return scored + " that neither trained nor chose an epoch";
    case Subset::all:
      return scored + ", of which some were trained on";
  }
  no_such_value(subset);
}

}  // namespace attnunet
