"""Benchmarks in processes of their own: run one, read what it wrote, make several rounds into one result."""

import json
import os
import statistics
import subprocess
import sys
import tempfile


def run(command, environment=None):
    done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed: {done.stderr.strip()}")


def result_of(command, environment=None):
    """What the command writes to the file that it is given with --json."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "result.json")
        run(command + ["--json", out], environment)
        with open(out) as file:
            return json.load(file)


def attnunet_bench(program, threads, *arguments, variables={}):
    """`attnunet bench` of the whole network, with these environment variables besides the caller's."""
    command = [os.path.abspath(program), "bench", "--no-layers", "--threads", str(threads)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), **variables}
    return result_of(command + [str(argument) for argument in arguments], environment)


def merged(rounds):
    """Several rounds as one: the smallest minimum and peak, the median of medians, the largest maximum."""
    result = dict(rounds[-1])
    for key, value in result.items():
        if isinstance(value, dict):
            result[key] = {
                "min": min(one[key]["min"] for one in rounds),
                "median": statistics.median(one[key]["median"] for one in rounds),
                "max": max(one[key]["max"] for one in rounds),
            }
    result["peak_memory_mb"] = min(one["peak_memory_mb"] for one in rounds)
    return result


def print_table(title, columns, rows):
    """rows: a name and a text for each column."""
    name_width = max(len(name) for name in [title] + [row[0] for row in rows])
    widths = [2 + max(len(text) for text in texts) for texts in zip(columns, *[row[1] for row in rows])]
    print()
    for name, cells in [(title, columns)] + rows:
        print(name.ljust(name_width) + "".join(cell.rjust(width) for cell, width in zip(cells, widths)))
