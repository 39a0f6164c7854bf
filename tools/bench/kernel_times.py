"""The kernels of one training step, summed by name, from what ncu printed (see tools/run_on_gpu.sh).

    python3 tools/bench/kernel_times.py NCU_OUTPUT

A step goes from one adam_kernel to the next. Times are of kernels that run one by one, so that their sum is what the
step would take if the host were never late and nothing overlapped.
"""

import collections
import csv
import sys

NAME, TIME, BYTES = "Kernel Name", "gpu__time_duration.sum", "dram__bytes.sum"
SCALE = {
    **{"ns": 1e-6, "us": 1e-3, "ms": 1, "s": 1e3, "nsecond": 1e-6, "usecond": 1e-3, "msecond": 1, "second": 1e3},
    **{"byte": 1e-9, "Kbyte": 1e-6, "Mbyte": 1e-3, "Gbyte": 1},
}


def kernels_of(file):
    """(name, grid, milliseconds, gigabytes) of every kernel; ncu's and the program's messages come before the table."""
    lines = (line for line in file if line.startswith('"'))
    rows = csv.DictReader(lines)
    units = next(rows)
    for row in rows:
        number = {key: float(row[key].replace(",", "")) * SCALE[units[key]] for key in (TIME, BYTES)}
        yield row[NAME], row["Grid Size"], number[TIME], number[BYTES]


def short(name):
    """Without namespaces, which ncu prints in part, and arguments."""
    for part in ("attnunet::cuda::", "<unnamed>::", "unnamed>::", "tensor_core::", "gemm::", "void "):
        name = name.replace(part, "")
    return name.split("(")[0]


def main():
    with open(sys.argv[1]) as file:
        kernels = list(kernels_of(file))
    ends = [i for i, kernel in enumerate(kernels) if "adam" in kernel[0]]
    if len(ends) < 2:
        sys.exit(f"{sys.argv[1]}: no whole training step in it")
    step = kernels[ends[0] + 1 : ends[1] + 1]
    sums = collections.defaultdict(lambda: [0, 0.0, 0.0])
    for name, _, milliseconds, gigabytes in step:
        entry = sums[short(name)]
        entry[0] += 1
        entry[1] += milliseconds
        entry[2] += gigabytes
    print(f"{'count':>5} {'ms':>8} {'GB':>7} {'GB/s':>6}  kernel")
    for name, (count, milliseconds, gigabytes) in sorted(sums.items(), key=lambda item: -item[1][1]):
        print(f"{count:5} {milliseconds:8.3f} {gigabytes:7.3f} {1e3 * gigabytes / milliseconds:6.0f}  {name}")
    print(f"{len(step):5} {sum(k[2] for k in step):8.3f} {sum(k[3] for k in step):7.3f}")


if __name__ == "__main__":
    main()
