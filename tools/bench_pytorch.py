"""Times a training step of the same network in PyTorch, plain as Debian ships it, alone or in turn with attnunet.

    python3 tools/bench_pytorch.py --variant attention4 --base 32 --size 256 --batch 4 --threads 2
    python3 tools/bench_pytorch.py --attnunet ./attnunet --rounds 3
    python3 tools/bench_pytorch.py --attnunet ./attnunet --backend cuda --batch 16 --precision bf16 --compile

On a GPU, float32 means that TF32 is off, bf16 is autocast, and --compile adds channels_last and torch.compile; peak
memory is then what the allocator gave out. A step is forward, BCE, backward and Adam on one random batch, after one step that is not counted. Every round runs in a
fresh process: peak memory is that of a process which does training steps and nothing else before it is read; inference
(evaluation mode, no gradients, the same batch) is timed after that.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time


def summary(milliseconds):
    return {"min": min(milliseconds), "median": statistics.median(milliseconds), "max": max(milliseconds)}


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
    return summary(times)


def measure(options):
    """One round of PyTorch, in this process."""
    import torch

    from pytorch_network import LEVELS, AttentionUNet, bce

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    gpu = options.backend == "cuda"
    device = torch.device("cuda" if gpu else "cpu")
    wait = torch.cuda.synchronize if gpu else None
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = options.precision != "float32"
    network = AttentionUNet(LEVELS[options.variant], options.base).to(device)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    image = torch.rand(options.batch, 1, options.size, options.size, device=device)
    target = (torch.rand_like(image) < 0.1).float()
    if options.compile:
        network = network.to(memory_format=torch.channels_last)
        image = image.to(memory_format=torch.channels_last)
    forward = torch.compile(network) if options.compile else network

    def logits():
        with torch.autocast(device.type, torch.bfloat16, enabled=options.precision == "bf16"):
            return forward(image)

    def train_step():
        optimiser.zero_grad()
        bce(logits().float(), target).backward()
        optimiser.step()

    def inference():
        with torch.no_grad():
            logits()

    train_step_ms = timed(options.repeats, train_step, wait)
    if gpu:
        peak_memory_mb = torch.cuda.max_memory_allocated() / 2**20
    else:
        peak_memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    network.eval()
    return {
        "backend": "pytorch" + (" compiled" if options.compile else ""),
        "device": torch.cuda.get_device_name() if gpu else "cpu",
        "torch": torch.__version__,
        **{key: getattr(options, key) for key in ("variant", "base", "size", "batch", "threads")},
        "precision": options.precision,
        "train_step_ms": train_step_ms,
        "inference_ms": timed(options.repeats, inference, wait),
        "peak_memory_mb": peak_memory_mb,
    }


def run(command, threads, json_file):
    """Runs a benchmark in a process of its own and returns what it wrote to json_file."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed: {done.stderr.strip()}")
    with open(json_file) as file:
        return json.load(file)


def merged(rounds):
    """Several rounds as one: the smallest minimum and peak, the median of medians, the largest maximum."""
    result = dict(rounds[-1])
    for key in ("train_step_ms", "inference_ms"):
        result[key] = {
            "min": min(one[key]["min"] for one in rounds),
            "median": statistics.median(one[key]["median"] for one in rounds),
            "max": max(one[key]["max"] for one in rounds),
        }
    result["peak_memory_mb"] = min(one["peak_memory_mb"] for one in rounds)
    return result


def report(result):
    name = result["backend"] + (" " + result["torch"] if "torch" in result else "")
    step, inference = result["train_step_ms"], result["inference_ms"]
    print(
        f"{name:24} {result['precision']:8} step ms min {step['min']:9.1f}  median {step['median']:9.1f}  max {step['max']:9.1f}   "
        f"inference ms min {inference['min']:8.1f}  median {inference['median']:8.1f}   "
        f"peak memory {result['peak_memory_mb']:8.1f} MB"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", choices=["attention3", "attention4"], default="attention4")
    parser.add_argument("--base", type=int, default=32)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--repeats", type=int, default=5, help="counted steps a round")
    parser.add_argument("--backend", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--precision", choices=["float32", "tf32", "bf16"], default="float32")
    parser.add_argument("--compile", action="store_true", help="PyTorch with channels_last and torch.compile")
    parser.add_argument("--rounds", type=int, default=1, help="processes of each program, in turn")
    parser.add_argument("--attnunet", metavar="PATH", help="the program to run in turn with PyTorch")
    parser.add_argument("--json", metavar="FILE", help="write the result, or {pytorch, attnunet, ratios}")
    parser.add_argument("--in-process", action="store_true", help=argparse.SUPPRESS)  # one round, no child process
    options = parser.parse_args()
    if options.backend == "cpu" and options.precision != "float32":
        parser.error("--precision tf32 and bf16 need --backend cuda")
    if options.in_process:
        with open(options.json, "w") as file:
            json.dump(measure(options), file)
        return

    shape = []
    for key in ("variant", "base", "size", "batch", "threads", "backend", "precision"):
        shape += ["--" + key, str(getattr(options, key))]
    pytorch_rounds, attnunet_rounds = [], []
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "bench.json")
        for _ in range(options.rounds):
            command = [sys.executable, os.path.abspath(__file__), "--in-process", "--repeats", str(options.repeats)]
            command += ["--compile"] if options.compile else []
            pytorch_rounds.append(run(command + shape + ["--json", out], options.threads, out))
            if options.attnunet:
                command = [os.path.abspath(options.attnunet), "bench", "--no-layers"]
                if options.backend == "cuda":
                    command += ["--warmup", "3", "--repeats", str(options.repeats)]
                attnunet_rounds.append(run(command + shape + ["--json", out], options.threads, out))

    pytorch = result = merged(pytorch_rounds)
    report(pytorch)
    if options.attnunet:
        attnunet = merged(attnunet_rounds)
        report(attnunet)
        ratios = {
            "train_step": pytorch["train_step_ms"]["min"] / attnunet["train_step_ms"]["min"],
            "train_step_median": pytorch["train_step_ms"]["median"] / attnunet["train_step_ms"]["median"],
            "inference": pytorch["inference_ms"]["min"] / attnunet["inference_ms"]["min"],
            "peak_memory": pytorch["peak_memory_mb"] / attnunet["peak_memory_mb"],
        }
        print("PyTorch / attnunet: " + ", ".join(f"{key} {value:.2f}" for key, value in ratios.items()))
        result = {"pytorch": pytorch, "attnunet": attnunet, "ratios": ratios}
    if options.json:
        with open(options.json, "w") as file:
            json.dump(result, file, indent=2)
            file.write("\n")


if __name__ == "__main__":
    main()
