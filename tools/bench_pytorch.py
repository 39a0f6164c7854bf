"""Times the same network in PyTorch, as it comes and at its best, in turn with attnunet.

    python3 tools/bench_pytorch.py --attnunet ./attnunet --rounds 3
    python3 tools/bench_pytorch.py --attnunet ./attnunet --rounds 3 --python venv/bin/python
    python3 tools/bench_pytorch.py --attnunet ./attnunet --backend cuda --batch 16 --precision bf16 --compile

The peers: PyTorch plain, the module of pytorch_reference.py and default settings; on the CPU also PyTorch tuned, what
pytorch_tuned.py makes of it (which first proves that it is the same network), in both layouts of memory, under an
allocator that keeps its pages; with --compile also PyTorch compiled, channels_last and torch.compile. --python adds the
PyTorch of another interpreter. On a GPU, float32 means that TF32 is off, bf16 is autocast, and peak memory is what the
allocator gave out.

A training step is forward, BCE, backward and Adam on one random batch; inference is the network in evaluation mode on
the same batch, and on one image. Every round runs each peer in fresh processes, one that does training steps and
nothing else, whose peak memory counts, and one for inference; calls that are not counted come first. GFLOP/s count what
a convolution needs when computed directly, however it is computed.
"""

import argparse
import ctypes.util
import json
import os
import resource
import statistics
import sys
import time

from bench_rounds import attnunet_bench, merged, print_table, result_of, run

TIMES = {"train_step_ms": "training step", "inference_ms": "inference, batch", "one_image_ms": "inference, one image"}


def timed(repeats, function, wait):
    """Milliseconds of each of `repeats` calls, after some that are not counted; `wait` until the work is done."""
    for _ in range(3 if wait else 1):
        function()
    times = []
    for _ in range(repeats):
        if wait:
            wait()
        start = time.perf_counter()
        function()
        if wait:
            wait()
        times.append(1e3 * (time.perf_counter() - start))
    return {"min": min(times), "median": statistics.median(times), "max": max(times)}


def measure(options):
    """One peer's training or inference, in this process; None where this PyTorch has no such peer."""
    import torch

    from pytorch_reference import AttentionUNet, bce
    from pytorch_tuned import LAYOUTS, fastest_adam, frozen, tuned

    kind, *layout = options.peer.split()
    compiled, fast = kind == "compiled", kind == "tuned"
    if compiled and not hasattr(torch, "compile"):
        return None
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    gpu = options.backend == "cuda"
    device = torch.device("cuda" if gpu else "cpu")
    wait = torch.cuda.synchronize if gpu else None
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = options.precision != "float32"
    network = AttentionUNet(options.variant, options.base).to(device)
    layout = LAYOUTS[layout[0] if layout else "nchw"]
    network = (tuned(network) if fast else network).to(memory_format=layout)
    image = torch.rand(options.batch, 1, options.size, options.size, device=device).to(memory_format=layout)
    target = (torch.rand_like(image) < 0.1).float()
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=options.precision == "bf16")
    result = {
        "peer": f"PyTorch {torch.__version__.split('+')[0]} {options.peer}",
        "device": torch.cuda.get_device_name() if gpu else "cpu",
    }
    if options.phase == "train":
        forward = torch.compile(network) if compiled else network
        optimiser = (fastest_adam if fast else torch.optim.Adam)(network.parameters(), lr=1e-3)

        def train_step():
            optimiser.zero_grad(set_to_none=True)
            with autocast:
                logits = forward(image)
            bce(logits.float(), target).backward()
            optimiser.step()

        result["train_step_ms"] = timed(options.repeats, train_step, wait)
        if gpu:
            result["peak_memory_mb"] = torch.cuda.max_memory_allocated() / 2**20
        else:
            result["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return result

    network.eval()
    for key, images in ("inference_ms", image), ("one_image_ms", image[:1].clone(memory_format=layout)):
        forward = frozen(network, images) if fast else network
        forward = torch.compile(network, dynamic=False) if compiled else forward

        def inference():
            with torch.no_grad() if compiled else torch.inference_mode(), autocast:
                forward(images)

        result[key] = timed(options.repeats, inference, wait)
    return result


def environment_of(peer, threads):
    """OpenBLAS, which PyTorch as Debian ships it does not use, must not be told what processor this is."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")}
    environment["OMP_NUM_THREADS"] = str(threads)
    if peer.startswith("tuned"):
        tcmalloc = ctypes.util.find_library("tcmalloc_minimal")
        if tcmalloc:
            environment["LD_PRELOAD"] = tcmalloc
        else:
            environment["MALLOC_TRIM_THRESHOLD_"] = environment["MALLOC_MMAP_THRESHOLD_"] = str(2**32)
    return environment


def pytorch_round(python, peer, arguments, options):
    result = {}
    for phase in "train", "inference":
        command = [python, os.path.abspath(__file__), "--peer", peer, "--phase", phase] + arguments
        command += ["--batch", str(options.batch), "--threads", str(options.threads)]
        part = result_of(command, environment_of(peer, options.threads))
        if part is None:
            return None
        result.update(part)
    return result


def attnunet_round(arguments, options):
    if options.backend == "cuda":  # a GPU's clocks take some steps to rise
        arguments = arguments + ["--warmup", 3]
    result = attnunet_bench(options.attnunet, options.threads, *arguments, "--batch", options.batch)
    one_image = attnunet_bench(options.attnunet, options.threads, *arguments, "--batch", 1)
    return {"peer": "attnunet", **result, "one_image_ms": one_image["inference_ms"]}


def print_measured(peers, columns, gflop):
    rows = []
    for peer in peers:
        cells = [f"{peer[key]['min']:.1f} ({peer[key]['median']:.1f})" for key in TIMES]
        rows.append((peer["peer"], cells + [f"{peer['peak_memory_mb']:.0f} MB"]))
    print_table("ms, least (median)", columns, rows)
    if gflop:
        rows = [(peer["peer"], [f"{1e3 * gflop[key] / peer[key]['min']:.0f}" for key in TIMES]) for peer in peers]
        print_table("GFLOP/s at the least", columns[:-1], rows)


def ratios_to(attnunet, peers):
    """PyTorch / attnunet for each peer: [least, median] of each time, and peak memory."""
    return [
        {
            "peer": peer["peer"],
            **{key: [peer[key][which] / attnunet[key][which] for which in ("min", "median")] for key in TIMES},
            "peak_memory_mb": [peer["peak_memory_mb"] / attnunet["peak_memory_mb"]],
        }
        for peer in peers
    ]


def print_ratios(ratios, columns):
    keys = [*TIMES, "peak_memory_mb"]
    best = {key: min(row[key] for row in ratios) for key in keys}

    def text(row, key):
        least, *median = row[key]
        return f"{least:.2f}" + "".join(f" ({x:.2f})" for x in median) + (" *" if row[key] == best[key] else "  ")

    print_table("PyTorch / attnunet", columns, [(row["peer"], [text(row, key) for key in keys]) for row in ratios])
    print("* the best PyTorch of its column")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", choices=["attention3", "attention4", "unet3", "unet4"], default="attention4")
    parser.add_argument("--base", type=int, default=32)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--repeats", type=int, default=5, help="counted calls a process")
    parser.add_argument("--backend", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--precision", choices=["float32", "tf32", "bf16"], default="float32")
    parser.add_argument("--compile", action="store_true", help="also PyTorch with channels_last and torch.compile")
    parser.add_argument("--rounds", type=int, default=1, help="how often all are run, in turn")
    parser.add_argument("--python", metavar="PATH", action="append", default=[], help="a further interpreter")
    parser.add_argument("--attnunet", metavar="PATH", help="the program to run in turn with PyTorch")
    parser.add_argument("--json", metavar="FILE", help="write {pytorch: [...], attnunet, ratios: [...]}")
    parser.add_argument("--peer", help=argparse.SUPPRESS)  # with --phase: measure in this process
    parser.add_argument("--phase", choices=["train", "inference"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.backend == "cpu" and options.precision != "float32":
        parser.error("--precision tf32 and bf16 need --backend cuda")
    if options.peer:
        with open(options.json, "w") as file:
            json.dump(measure(options), file)
        return

    arguments = []
    for key in ("variant", "base", "size", "backend", "precision", "repeats"):
        arguments += ["--" + key, str(getattr(options, key))]
    pythons = [sys.executable] + options.python
    kinds = ["plain"]
    if options.compile:
        kinds.append("compiled nhwc")
    if options.backend == "cpu":
        kinds += ["tuned nhwc", "tuned nchw"]
        for python in pythons:
            run([python, os.path.join(os.path.dirname(os.path.abspath(__file__)), "pytorch_tuned.py")])
    rounds = {(python, kind): [] for python in pythons for kind in kinds}
    attnunet_rounds = []
    for _ in range(options.rounds):
        for (python, kind), results in rounds.items():
            results.append(pytorch_round(python, kind, arguments, options))
        if options.attnunet:
            attnunet_rounds.append(attnunet_round(arguments, options))
    pytorch = [merged(results) for results in rounds.values() if None not in results]
    attnunet = merged(attnunet_rounds) if options.attnunet else None
    ratios = ratios_to(attnunet, pytorch) if attnunet else []

    print(
        f"{options.variant}, base {options.base}, {options.size} x {options.size}, batch {options.batch}, "
        f"{options.precision}, {options.threads} threads, {pytorch[0]['device']}; "
        f"{options.rounds} rounds of {options.repeats}"
    )
    columns = [*TIMES.values(), "peak memory"]
    gflop = None
    if attnunet:
        forward = attnunet["inference_gflop"]
        gflop = {"train_step_ms": attnunet["train_step_gflop"], "inference_ms": forward}
        gflop["one_image_ms"] = forward / options.batch
    print_measured(pytorch + ([attnunet] if attnunet else []), columns, gflop)
    if ratios:
        print_ratios(ratios, columns)
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"pytorch": pytorch, "attnunet": attnunet, "ratios": ratios}, file, indent=2)
            file.write("\n")


if __name__ == "__main__":
    main()
