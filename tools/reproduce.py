#!/usr/bin/env python3
"""Trains what the README's results come from, and ends with a Markdown table (table.md) and a page (compare.html).

  paper      attention3 and attention4 as in the paper, beside its Table I
  ablation   what attention gates bring: four networks, three seeds each, equal budgets
  benchmark  the three published 70/30 lists of cases, as they are scored there
  best       the best recipe, with a test part that neither training nor any choice has seen

Says first how long it will take on this machine. Ctrl-C or a kill loses nothing: the same command goes on.
"""

import argparse
import csv
import json
import os
import signal
import statistics
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

RECIPE = ["--loss", "bce+dice", "--augment", "strong", "--lr-schedule", "cosine", "--weight-decay", "1e-4"]
BEST = RECIPE + ["--ema", "0.99", "--balance", "class", "--split", "grouped", "--test-part", "0.2"]

# Variants, base width, size, epochs, share of the cases that is trained on, share that is validated on.
DEFAULTS = {
    "paper": {"base": 32, "size": 256, "epochs": 20, "train": 0.8, "val": 0.2},
    "ablation": {"base": 8, "size": 128, "epochs": 40, "train": 0.8, "val": 0.2},
    "benchmark": {"base": 32, "size": 256, "epochs": 200, "train": 0.7, "val": 0.3},
    "best": {"base": 16, "size": 256, "epochs": 100, "train": 0.64, "val": 0.16},
}

# Table I of Laghmati et al. 2023: training loss, accuracy and IoU, then validation's; and the first epoch in which
# lesions are found.
PAPER = {
    "attention3": [0.1331, 0.9487, 0.4560, 0.0771, 0.9788, 0.4910, 6],
    "attention4": [0.1356, 0.9508, 0.4571, 0.0631, 0.9854, 0.4909, 9],
}


class Run:
    def __init__(self, name, variant, *options, lists=()):
        self.name, self.variant, self.options, self.lists = name, variant, [*options, *lists], list(lists)


def runs_of(args):
    if args.recipe == "paper":
        return [Run(v, v, "--lr", "1e-3", "--loss", "bce", "--split", "paper", "--seed", "0") for v in PAPER]
    if args.recipe == "ablation":
        return [
            Run(f"{variant}-seed{seed}", variant, *RECIPE, "--split", "grouped", "--seed", str(seed))
            for variant in ["unet3", "attention3", "unet4", "attention4"]
            for seed in range(3)
        ]
    if args.recipe == "benchmark":
        lists = [os.path.join(args.lists, f"busi_{{}}{number}.txt") for number in args.list]
        return [
            Run(f"list{number}", "attention4", *RECIPE,
                lists=["--train-list", one.format("train"), "--val-list", one.format("val")])
            for number, one in zip(args.list, lists)
        ]
    return [Run(f"seed{seed}", "attention4", *BEST, "--seed", str(seed)) for seed in args.seeds]


child, stopped = None, False


def stop(number, _):
    """attnunet saves its state and ends; then this program does."""
    global stopped
    stopped = True
    at_terminal = number == signal.SIGINT and os.isatty(0) and os.tcgetpgrp(0) == os.getpgrp()  # it has been told
    if child is not None and child.poll() is None and not at_terminal:
        child.send_signal(number)


def program(args, *arguments):
    """Runs attnunet; ends this program if that fails or is stopped."""
    global child
    command = [args.attnunet, *map(str, arguments)]
    if not stopped:
        child = subprocess.Popen(command, stdout=None if arguments[0] == "train" else subprocess.DEVNULL)
        code = child.wait()
    if stopped or code < 0 or code > 128:
        print("stopped; the same command goes on", file=sys.stderr)
        sys.exit(130)
    if code != 0:
        sys.exit(f"attnunet {arguments[0]} failed, see above; what is finished is kept")


def result(args, folder, name, *arguments):
    """What attnunet writes with --json, kept as folder/name."""
    file = os.path.join(folder, name)
    program(args, *arguments, "--json", file)
    with open(file) as text:
        return json.load(text)


def compute(args):
    return ["--backend", args.backend, "--precision", args.precision]


def seconds_left(args, runs):
    """An estimate: steps not yet taken times the time of one; validation costs about a third of training per image."""
    counted = result(args, args.out, "cases.json", "data", "check", "--data", args.data)["cases"]
    cases = counted if isinstance(counted, int) else len(counted)
    share = DEFAULTS[args.recipe]
    images = cases * (share["train"] + share["val"] / 3)
    times, total = {}, 0.0
    for run in runs:
        done = len(epochs_of(args, run))
        if done >= args.epochs:
            continue
        if run.variant not in times:
            times[run.variant] = result(
                args, args.out, "bench.json", "bench", "--no-layers", "--variant", run.variant, "--base", args.base,
                "--size", args.size, "--batch", args.batch, "--warmup", 1, "--repeats", 2, *compute(args)
            )["train_step_ms"]["median"]
        total += (args.epochs - done) * images / args.batch * times[run.variant] / 1000
    return total


def duration(seconds):
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours"


def folder_of(args, run):
    return os.path.join(args.out, run.name)


def epochs_of(args, run):
    """The rows of metrics.csv."""
    file = os.path.join(folder_of(args, run), "metrics.csv")
    if not os.path.exists(file):
        return []
    with open(file) as text:
        return list(csv.DictReader(text))


def require_same(args, run):
    """What is there already must be what is asked for."""
    config = os.path.join(folder_of(args, run), "config.json")
    if not os.path.exists(config):
        return
    with open(config) as text:
        found = json.load(text)
    for name, asked in [("variant", run.variant), ("base", args.base), ("size", args.size), ("batch", args.batch),
                        ("epochs", args.epochs), ("data", args.data)]:
        same = os.path.realpath(found[name]) == os.path.realpath(asked) if name == "data" else found[name] == asked
        if not same:
            sys.exit(f"{folder_of(args, run)} is a run with {name} {found[name]}, not {asked}: name another --out")


def train(args, run):
    folder = folder_of(args, run)
    last = os.path.join(folder, "last.safetensors")
    print(f"\n{run.name}: {folder}", flush=True)
    if os.path.exists(last):  # of a finished run this only says that it is finished
        program(args, "train", "--resume", last, "--data", args.data, *compute(args))
    else:
        program(args, "train", "--data", args.data, "--out", folder, "--variant", run.variant, "--base", args.base,
                "--size", args.size, "--batch", args.batch, "--epochs", args.epochs, *run.options, *compute(args))


def table(headings, rows):
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def number(value):
    return "-" if value is None else f"{value:.4f}"


def with_interval(scores, name):
    low, high = scores["intervals"][name]
    return f"{scores[name]:.3f} ({low:.3f} to {high:.3f})"


def paper_table(args, runs):
    columns = {}
    for run in runs:
        epochs = epochs_of(args, run)
        last = epochs[-1]
        found = next((row["epoch"] for row in epochs if float(row["val_pooled_iou"]) > 0), "none")
        ours = [number(float(last[f"{part}_{key}"])) for part in ["train", "val"]
                for key in ["loss", "accuracy", "keras_mean_iou"]]
        checkpoint = os.path.join(folder_of(args, run), "last.safetensors")
        audit = result(args, folder_of(args, run), "audit.json", "audit", "--data", args.data, "--checkpoint",
                       checkpoint, *compute(args))["validation"]
        columns[run.variant] = ours + [found] + [number(audit["checkpoint"][key]) for key in
                                                 ["lesion_iou", "lesion_dice"]] + [number(audit["nothing"][key]) for key in
                                                                                   ["keras_mean_iou", "accuracy"]]
    names = ["training loss", "training accuracy", "training IoU", "validation loss", "validation accuracy",
             "validation IoU", "first epoch that finds a lesion pixel in validation",
             "validation: IoU of the images with a lesion", "validation: Dice of the images with a lesion",
             "validation IoU of predicting nothing", "validation accuracy of predicting nothing"]
    rows = []
    for i, name in enumerate(names):
        row = [name]
        for run in runs:
            paper = PAPER[run.variant]
            row += [(f"{paper[i]:.4f}" if i < 6 else paper[i]) if i < len(paper) else "-", columns[run.variant][i]]
        rows.append(row)
    return table([""] + [f"{run.variant}, {who}" for run in runs for who in ["paper", "here"]], rows)


def scores_of(args, run, subset, checkpoint="last.safetensors", *more):
    """Of the cases that the run has set aside; ends this program if those are not what is scored."""
    scores = result(args, folder_of(args, run), f"{subset}-{checkpoint}.json", "evaluate", "--data", args.data,
                    "--checkpoint", os.path.join(folder_of(args, run), checkpoint), "--subset", subset, *compute(args),
                    *more)
    if scores["subset"] != subset or scores["missing"] > 0 or scores["trained_on"] > 0:
        sys.exit(f"{args.data} is not what {folder_of(args, run)} was trained on: {scores['missing']} of its {subset} "
                 f"cases are missing, {scores['trained_on']} of those scored were trained on")
    return scores


def lesion_scores(scores):
    """Of the images with a lesion: all of them if there are no others."""
    return scores.get("with_a_lesion", scores["overall"])


def ablation_table(args, runs):
    rows, means = [], {}
    for variant in dict.fromkeys(run.variant for run in runs):
        found = [scores_of(args, run, "val") for run in runs if run.variant == variant]
        measures = {
            "iou": [lesion_scores(one)["iou"] for one in found],
            "dice": [lesion_scores(one)["dice"] for one in found],
            "all": [one["overall"]["iou"] for one in found],
        }
        means[variant] = measures["iou"]
        rows.append([variant, len(found)] + [f"{statistics.mean(values):.4f} ± {statistics.stdev(values):.4f}" if
                                              len(values) > 1 else number(values[0]) for values in measures.values()])
    text = table(["network", "seeds", "IoU, images with a lesion", "Dice, images with a lesion", "IoU, all images"], rows)
    for plain, gated in [("unet3", "attention3"), ("unet4", "attention4")]:
        if len(means[plain]) < 2:
            continue
        difference = statistics.mean(means[gated]) - statistics.mean(means[plain])
        spread = max(statistics.stdev(means[gated]), statistics.stdev(means[plain]))
        text += (f"\n{gated} less {plain}: {difference:+.4f} IoU, {'more' if abs(difference) > spread else 'no more'} than "
                 f"the larger standard deviation over seeds ({spread:.4f}).\n")
    return text


def benchmark_table(args, runs):
    rows = []
    for run in runs:
        for checkpoint, name in [("last.safetensors", "last epoch"), ("best.safetensors", "best epoch")]:
            scores = scores_of(args, run, "val", checkpoint, "--pool-batch", 8, *run.lists)["overall"]
            rows.append([run.name, name, number(scores["batch_pooled_iou"]), number(scores["batch_pooled_dice"])])
    for name in ["last epoch", "best epoch"]:
        chosen = [row for row in rows if row[1] == name]
        rows.append(["mean", name] + [number(statistics.mean(float(row[i]) for row in chosen)) for i in [2, 3]])
    return table(["list", "", "IoU", "F1"], rows) + (
        "\nPixels are pooled over batches of 8 in the order of the list. The published numbers are of the epoch that is "
        "best on\nthe very list they are reported on, so they compare with \"best epoch\"; \"last epoch\" chooses "
        "nothing.\n")


def missed(scores_csv):
    """Of the images with a lesion: how many masks have no pixel of it."""
    with open(scores_csv) as text:
        return sum(int(row["truth_pixels"]) > 0 and float(row["recall"]) == 0 for row in csv.DictReader(text))


def curve(args, run):
    """What thresholds and smallest areas trade on the validation part: rows of a table, and the best of them.

    The best has the highest mean IoU over all images, in which a clean image without a lesion counts 1."""
    rows, best = [], None
    for threshold in [0.3, 0.5, 0.7, 0.9]:
        for share in [0, 0.001, 0.0025, 0.005, 0.01]:
            area = round(share * args.size * args.size)
            file = os.path.join(folder_of(args, run), "curve.csv")
            scores = scores_of(args, run, "val", "last.safetensors", "--threshold", threshold, "--min-area", area, "--csv",
                               file)
            normal = scores["per_class"].get("normal")
            of_lesions = lesion_scores(scores)
            rows.append([threshold, area, number(scores["overall"]["iou"]), number(of_lesions["iou"]),
                         number(of_lesions["dice"]), missed(file), f"{100 * normal['iou']:.0f} %" if normal else "-"])
            if best is None or scores["overall"]["iou"] > best[0]:
                best = (scores["overall"]["iou"], threshold, area)
    return rows, best


def part_rows(args, run, chosen, scores):
    """Rows of best's table for one way of making masks."""
    rows = []
    normal = scores["per_class"].get("normal")
    sets = [("all", scores["overall"], scores["cases"])]
    if "with_a_lesion" in scores:
        sets.append(("with a lesion", scores["with_a_lesion"], scores["with_a_lesion"]["cases"]))
    sets += [(name, of, of["cases"]) for name, of in scores["per_class"].items() if name != "normal"]
    for name, of, cases in sets:
        rows.append([run.name, chosen, name, cases, with_interval(of, "iou"), with_interval(of, "dice")])
    if normal:
        rows.append([run.name, chosen, "normal, left clean", normal["cases"], f"{100 * normal['iou']:.1f} %", "-"])
    return rows


def best_table(args, runs):
    rows, text = [], ""
    for run in runs:
        curve_rows, (_, threshold, area) = curve(args, run)
        text += f"\n{run.name}, validation part: what threshold and smallest area (pixels of {args.size} x {args.size}) trade\n\n"
        text += table(["threshold", "smallest area", "IoU, all", "IoU, with a lesion", "Dice, with a lesion",
                       "lesions missed", "normal images left clean"], curve_rows)
        text += f"\nChosen by the highest IoU over all validation images: threshold {threshold}, smallest area {area}.\n"
        for chosen, marking in [("threshold 0.5", []), ("chosen", ["--threshold", threshold, "--min-area", area])]:
            rows += part_rows(args, run, chosen, scores_of(args, run, "test", "last.safetensors", *marking))
    if len(runs) > 1:
        text = "\nEach seed has a test part of its own.\n" + text
    return table(["run", "masks", "images of the test part", "cases", "IoU (95 %)", "Dice (95 %)"], rows) + text


TABLES = {"paper": paper_table, "ablation": ablation_table, "benchmark": benchmark_table, "best": best_table}


def whole(text):
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", choices=list(DEFAULTS))
    parser.add_argument("--data", default="data/BUSI", help="dataset folder (data/BUSI)")
    parser.add_argument("--out", help="folder for the runs and the table (runs/reproduce/RECIPE)")
    parser.add_argument("--backend", default="cpu", choices=["cpu", "cuda", "cuda-sim"])
    parser.add_argument("--precision", default="float32", choices=["float32", "tf32", "bf16"])
    parser.add_argument("--attnunet", default=os.path.join(ROOT, "attnunet"), help="the program (./attnunet)")
    parser.add_argument("--base", type=whole, help="base width, if not the recipe's")
    parser.add_argument("--size", type=whole, help="size of the images, if not the recipe's")
    parser.add_argument("--epochs", type=whole, help="epochs, if not the recipe's")
    parser.add_argument("--batch", type=whole, default=16, help="images per step (16)")
    parser.add_argument("--lists", default="data/splits", help="benchmark: folder with the published lists busi_train1.txt, "
                        "busi_val1.txt, ... (data/splits)")
    parser.add_argument("--list", type=whole, nargs="+", default=[1, 2, 3], help="benchmark: which lists (1 2 3)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="best: a run, and a test part, for each (0)")
    args = parser.parse_args()
    args.out = args.out or os.path.join("runs", "reproduce", args.recipe)
    args.seeds, args.list = list(dict.fromkeys(args.seeds)), list(dict.fromkeys(args.list))
    for name in ["base", "size", "epochs"]:
        if getattr(args, name) is None:
            setattr(args, name, DEFAULTS[args.recipe][name])
    if not (os.path.isfile(args.attnunet) and os.access(args.attnunet, os.X_OK)):
        parser.error(f"{args.attnunet} is no program: build it with make, or name it with --attnunet")
    needed = [args.data]
    if args.recipe == "benchmark":
        needed += [os.path.join(args.lists, f"busi_{part}{number}.txt") for number in args.list
                   for part in ["train", "val"]]
    for path in needed:
        if not os.path.exists(path):
            parser.error(f"{path} is not there")
    return args


def main():
    args = arguments()
    for number in [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]:
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup leaves SIGHUP
            signal.signal(number, stop)
    try:
        os.makedirs(args.out, exist_ok=True)
    except OSError as error:
        sys.exit(f"cannot make the folder {args.out}: {error.strerror}")
    runs = runs_of(args)
    for run in runs:
        require_same(args, run)
    print(f"{args.recipe}: trainings: {len(runs)}, epochs of each: {args.epochs}, base {args.base}, {args.size} x "
          f"{args.size}; about {duration(seconds_left(args, runs))} on this machine", flush=True)
    for run in runs:
        train(args, run)
    text = TABLES[args.recipe](args, runs)
    with open(os.path.join(args.out, "table.md"), "w") as file:
        file.write(text)
    page = os.path.join(args.out, "compare.html")
    if len(runs) > 1:
        program(args, "compare", *[folder_of(args, run) for run in runs], "--out", page)
    print(f"\n{text}\n{args.out}/table.md" + (f"; {page}" if len(runs) > 1 else ""))


if __name__ == "__main__":
    main()
