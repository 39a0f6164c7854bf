"""A training step on a machine that is quiet, and beside other busy processes, by how OpenMP's threads wait.

    python3 tools/bench_busy.py --attnunet ./attnunet --rounds 10

Compares attnunet's own policy (src/wait_policy.cpp) with libgomp's default and with OMP_WAIT_POLICY=passive. All are run
in turn, each in a fresh process, and each round contributes the median of its steps. --old names an earlier build that
libgomp's default and passive are taken from; --spin adds other values of GOMP_SPINCOUNT. The machine must have nothing
else to do.
"""

import argparse
import contextlib
import os
import statistics
import subprocess
import sys

from bench_rounds import attnunet_bench, print_table

LIBGOMP_SPIN_COUNT = 300000  # what libgomp takes if nothing is set


@contextlib.contextmanager
def busy_processes(count):
    """`count` processes that compute all the time, for the duration of the block."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def settings_of(options):
    """Name to (program, environment variables)."""
    before = options.old or options.attnunet
    settings = {
        "libgomp's default": (before, {} if options.old else {"GOMP_SPINCOUNT": str(LIBGOMP_SPIN_COUNT)}),
        "passive": (before, {"OMP_WAIT_POLICY": "passive"}),
        "attnunet's own": (options.attnunet, {}),
    }
    for count in options.spin:
        settings[f"GOMP_SPINCOUNT={count}"] = (options.attnunet, {"GOMP_SPINCOUNT": count})
    return settings


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attnunet", metavar="PATH", required=True)
    parser.add_argument("--old", metavar="PATH", help="an earlier build to compare with")
    parser.add_argument("--spin", metavar="COUNT", nargs="+", default=[], help="other values of GOMP_SPINCOUNT to try")
    parser.add_argument("--variant", choices=["attention3", "attention4", "unet3", "unet4"], default="attention4")
    parser.add_argument("--base", type=int, default=16)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--busy", type=int, nargs="*", default=[1], help="numbers of busy processes, besides none")
    parser.add_argument("--repeats", type=int, default=5, help="counted steps per process")
    parser.add_argument("--rounds", type=int, default=10, help="how often all are run, in turn")
    options = parser.parse_args()

    for name in "OMP_WAIT_POLICY", "GOMP_SPINCOUNT":
        os.environ.pop(name, None)
    settings = settings_of(options)
    counts = [0] + options.busy
    shape = ["--variant", options.variant, "--base", options.base, "--size", options.size, "--batch", options.batch]
    steps = {(name, count): [] for count in counts for name in settings}
    for _ in range(options.rounds):
        for (name, count), medians in steps.items():
            program, variables = settings[name]
            with busy_processes(count):
                result = attnunet_bench(
                    program, options.threads, *shape, "--repeats", options.repeats, variables=variables
                )
            medians.append(result["train_step_ms"]["median"])
    median = {key: statistics.median(medians) for key, medians in steps.items()}

    print(
        f"training step of {options.variant}, base {options.base}, batch {options.batch}, "
        f"{options.size} x {options.size}, {options.threads} threads on {os.cpu_count()} cores; "
        f"medians (ranges) of {options.rounds} rounds of {options.repeats} steps, ms"
    )
    for count in counts:
        rows = []
        for name in settings:
            ms = median[name, count]
            cells = [f"{ms:.1f}", f"({min(steps[name, count]):.1f} to {max(steps[name, count]):.1f})"]
            cells += [f"{ms / median[reference, count]:.3f}" for reference in ("libgomp's default", "passive")]
            if count > 0:
                cells.append(f"{ms / median[name, 0]:.2f}")
            rows.append((name, cells))
        title = "quiet" if count == 0 else f"beside {count} busy"
        columns = ["ms", "", "to default", "to passive"] + (["to own quiet"] if count > 0 else [])
        print_table(title, columns, rows)


if __name__ == "__main__":
    main()
