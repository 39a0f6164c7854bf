"""Loads a checkpoint of attnunet into the plain PyTorch module, strictly: proof that names, shapes and layouts agree.

    python3 tools/compare_checkpoint.py runs/X/best.safetensors

Prints one line and exits 0 (ok) or 1 (mismatch).
"""

import argparse
import struct
import sys

import torch

import safetensors_io
from pytorch_reference import AttentionUNet


def load(path):
    """(network in evaluation mode, metadata). Raises RuntimeError where a tensor is missing, unknown or misshapen."""
    values, metadata = safetensors_io.load(path)
    network = AttentionUNet(metadata["variant"], int(metadata["base"]))
    state = {name: torch.from_numpy(value) for name, value in values.items() if not name.startswith(("adam.", "ema."))}
    network.load_state_dict(state, strict=True)
    moments = {}
    for name, parameter in network.named_parameters():
        moments["adam.m." + name] = moments["adam.v." + name] = tuple(parameter.shape)
    for name, value in values.items():
        if name.startswith("adam.") and moments.get(name) != value.shape:
            raise RuntimeError(f"{name} {list(value.shape)} is no parameter's moment")
    return network.eval(), metadata


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    options = parser.parse_args()
    try:
        network, metadata = load(options.checkpoint)
    except (RuntimeError, KeyError, OSError, ValueError, struct.error) as error:
        print(f"mismatch: {options.checkpoint}: {' '.join(str(error).split())}")
        return 1
    count = sum(parameter.numel() for parameter in network.parameters())
    print(f"ok: {options.checkpoint}: {metadata['variant']}, base {metadata['base']}, {count} parameters")
    return 0


if __name__ == "__main__":
    sys.exit(main())
