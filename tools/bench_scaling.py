"""How the time of attnunet grows with the batch and with the image: linearly, or not.

    python3 tools/bench_scaling.py --attnunet ./attnunet --rounds 3

Batches at --size and sizes at --batch, in turn, each in a fresh process. Deviation is from what the case (--size,
--batch) takes an image or a pixel: +5 % is 5 % slower than proportional.
"""

import argparse
import os

from bench_rounds import attnunet_bench, merged, print_table


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attnunet", metavar="PATH", required=True)
    parser.add_argument("--variant", choices=["attention3", "attention4", "unet3", "unet4"], default="attention4")
    parser.add_argument("--base", type=int, default=32)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256, 512])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--repeats", type=int, default=3, help="counted calls a process")
    parser.add_argument("--rounds", type=int, default=1, help="how often all are run, in turn")
    options = parser.parse_args()

    by_batch = [(options.size, batch) for batch in options.batches]
    by_size = [(size, options.batch) for size in options.sizes]
    reference = (options.size, options.batch)
    rounds = {case: [] for case in [reference] + by_batch + by_size}
    for _ in range(options.rounds):
        for (size, batch), results in rounds.items():
            arguments = ["--variant", options.variant, "--base", options.base, "--size", size, "--batch", batch]
            results.append(attnunet_bench(options.attnunet, options.threads, *arguments, "--repeats", options.repeats))
    results = {case: merged(results) for case, results in rounds.items()}

    print(
        f"{options.variant}, base {options.base}, {options.threads} threads; "
        f"{options.rounds} rounds of {options.repeats}; the least times"
    )
    columns = ["step ms", "an image", "a megapixel", "deviation (median)"]
    columns += ["inference ms", "deviation (median)", "peak MB"]
    for title, cases in ("by batch", by_batch), ("by size", by_size):
        rows = []
        for size, batch in cases:
            megapixels = size * size * batch / 1e6
            cells = []
            for key in "train_step_ms", "inference_ms":
                times, base = results[size, batch][key], results[reference][key]
                share = megapixels / (options.size**2 * options.batch / 1e6)
                least, median = (100 * (times[which] / base[which] / share - 1) for which in ("min", "median"))
                cells.append(f"{times['min']:.1f}")
                if key == "train_step_ms":
                    cells += [f"{times['min'] / batch:.1f}", f"{times['min'] / megapixels:.0f}"]
                cells.append(f"{least:+.1f} % ({median:+.1f} %)")
            rows.append((f"{batch} x {size} x {size}", cells + [f"{results[size, batch]['peak_memory_mb']:.0f}"]))
        print_table(title, columns, rows)


if __name__ == "__main__":
    main()
