// report.html: what a training did, on one page that is complete in one file.
//
// However long the run, the file stays below about 8 MB: curves have at most 1000 points, the strip of panels at most 3
// MiB of pictures (of their halves; epochs are left out evenly, the first and the last stay), lists of cases are
// counted, not listed.
// Lesion IoU here is the pooled IoU: intersection over union of the lesion pixels of all validation images together. It
// is in metrics.csv, so a resumed run knows it of every epoch; images without a lesion can only lower it.
// Proof: tests/report_test.cpp, tests/report_page_test.cpp (in a browser)
#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/report/chart.h"
#include "common/report/picture.h"
#include "common/train/case_list.h"
#include "common/train/run_folder.h"

namespace attnunet::report {

struct CaseResult {
  std::string name, class_name;
  ImageScore score;
  Seen seen = Seen::no;
};

struct CasePicture {
  CaseResult result;
  data::Rgb picture;
};

/// Of the run's folder: what the strip shows, case by case (by file name), each by epochs.
struct PanelStrip {
  struct Panel {
    int epoch;
    std::vector<std::uint8_t> png;
  };
  struct Case {
    std::string name;
    std::vector<Panel> panels;
  };
  std::vector<Case> cases;
  std::size_t epochs = 0, shown_epochs = 0;  ///< that have panels; that are shown
};

struct RunReport {
  TrainConfig config;
  std::string cases_hash;
  std::size_t train_cases = 0;
  std::vector<EpochRow> history;       ///< at least one
  std::string early_end;               ///< end_by_patience
  std::vector<CaseResult> validation;  ///< of the last epoch
  std::vector<CasePicture> best, worst;
  PanelStrip strip;
};

/// HTML: the page.
std::string run_report(const RunReport& report);

/// ", trained on" and the like, to follow the name of a validation case; nothing if it was not seen, or is not known to
/// have been.
std::string seen_mark(Seen seen);

/// Small pictures of panels, by the names of the panels' files. Those that cannot be read are empty.
using SmallPanels = std::map<std::string, std::vector<std::uint8_t>>;

/// The panels up to an epoch in the run's folder, thinned out as said above; files that cannot be read are left out.
/// `known` keeps what was made, for the epochs that come: at most about four times as many pictures as are shown. With
/// it an epoch takes the time of its own panels, however many came before.
PanelStrip panel_strip(const RunFolder& folder, int epoch, SmallPanels& known);

/// The epoch after which a page was written; 0 where there is no such file.
int reported_epoch(const std::filesystem::path& report);

/// `attnunet train` with every option that decides the result.
std::string repeat_command(const TrainConfig& config);

/// Rows evenly left out so that at most `most` stay, the first and the last among them.
std::vector<EpochRow> thinned(const std::vector<EpochRow>& rows, std::size_t most = 1000);

/// Index of the first row whose lesion IoU is above 0.1; rows.size() where there is none.
std::size_t first_above(const std::vector<EpochRow>& rows, double lesion_iou = 0.1);

}  // namespace attnunet::report
