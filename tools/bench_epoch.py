"""What an epoch of attnunet's training costs beyond its steps: loading, augmenting, scoring, saving.

    python3 tools/bench_epoch.py --attnunet ./attnunet --data data/BUSI --base 16 --size 128 --rounds 2

Each round times a training step and inference (attnunet bench), then trains on the first --images cases of the dataset
with each kind of augmentation. An epoch is set beside its steps plus its validation batches at those times. The first
epoch decodes the images; a later one counts from row to row of metrics.csv, so with its checkpoints. --scratch chooses
the disk that they are written to.
"""

import argparse
import csv
import os
import statistics
import subprocess
import tempfile
import time

from bench_rounds import attnunet_bench, print_table


def case_names(folder, count):
    """`count` names of cases, evenly from all classes."""
    names = []
    for kind in sorted(os.listdir(folder)):
        files = sorted(os.listdir(os.path.join(folder, kind)))
        names += [name[:-4] for name in files if name.endswith(".png") and "_mask" not in name]
    return [names[i * len(names) // count] for i in range(count)]


def train(options, kind, lists, out):
    """Seconds of the first epoch, as metrics.csv has them; from row to row after that; and of those what metrics.csv
    does not count: reading back the state and writing checkpoints."""
    command = [os.path.abspath(options.attnunet), "train", "--data", options.data, "--quiet", "--augment", kind]
    for key in ("variant", "base", "size", "batch", "threads", "epochs"):
        command += ["--" + key, str(getattr(options, key))]
    command += ["--train-list", lists["train"], "--val-list", lists["val"], "--out", out]
    table, appended, size = os.path.join(out, "metrics.csv"), [], None
    environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            time.sleep(0.002)
            now = os.stat(table).st_size if os.path.exists(table) else None
            if now != size:
                appended.append(time.perf_counter())
                size = now
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed")
    with open(table) as file:
        seconds = [float(row["seconds"]) for row in csv.DictReader(file)]
    later = [end - begin for begin, end in zip(appended[1:], appended[2:])]  # appended[0] is the header
    return seconds[0], later, [whole - counted for whole, counted in zip(later, seconds[1:])]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attnunet", metavar="PATH", required=True)
    parser.add_argument("--data", metavar="DIR", default="data/BUSI")
    parser.add_argument("--variant", choices=["attention3", "attention4", "unet3", "unet4"], default="attention3")
    parser.add_argument("--base", type=int, default=16)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--images", type=int, default=320, help="of an epoch; a fifth is for validation")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--augment", nargs="+", default=["none", "light", "strong"])
    parser.add_argument("--rounds", type=int, default=1, help="how often all are run, in turn")
    parser.add_argument("--scratch", metavar="DIR", help="for the run folders, on the disk to measure")
    options = parser.parse_args()

    names = case_names(options.data, options.images)
    parts = {"val": names[::5], "train": [name for i, name in enumerate(names) if i % 5 != 0]}
    batches = {part: len(cases) / options.batch for part, cases in parts.items()}
    shape = ["--variant", options.variant, "--base", options.base, "--size", options.size, "--batch", options.batch]
    benches, epochs = [], {kind: [] for kind in options.augment}
    with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
        lists = {part: os.path.join(folder, part + ".txt") for part in parts}
        for part, path in lists.items():
            with open(path, "w") as file:
                file.writelines(name + "\n" for name in parts[part])
        for number in range(options.rounds):
            for kind in options.augment:
                benches.append(attnunet_bench(options.attnunet, options.threads, *shape, "--repeats", 10))
                epochs[kind].append(train(options, kind, lists, os.path.join(folder, f"{kind}-{number}")))

    step = statistics.median(one["train_step_ms"]["median"] for one in benches)
    inference = statistics.median(one["inference_ms"]["median"] for one in benches)
    expected = (batches["train"] * step + batches["val"] * inference) / 1e3
    print(
        f"{options.variant}, base {options.base}, {options.size} x {options.size}, batch {options.batch}, "
        f"{options.threads} threads; {len(parts['train'])} images to train on, {len(parts['val'])} to validate; "
        f"{options.rounds} rounds\n"
        f"an epoch by `bench`: {batches['train']:g} steps of {step:.1f} ms, {batches['val']:g} of inference of "
        f"{inference:.1f} ms: {expected:.3f} s (medians)"
    )
    rows = []
    for kind, runs in epochs.items():
        first = statistics.median(run[0] for run in runs)
        later = [seconds for run in runs for seconds in run[1]]
        saving = statistics.median(seconds for run in runs for seconds in run[2])
        median = statistics.median(later)
        cells = [f"{first:.3f}", f"{100 * (first / expected - 1):+.1f} %"]
        cells += [f"{median:.3f}", f"{min(later):.3f} to {max(later):.3f}", f"{100 * (median / expected - 1):+.1f} %"]
        cells += [f"{1e3 * saving:.0f}"]
        rows.append((kind, cells))
    print_table("--augment", ["first epoch s", "", "later s, median", "range", "", "of it saving ms"], rows)


if __name__ == "__main__":
    main()
