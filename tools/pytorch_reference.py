"""The Attention U-Nets and plain U-Nets as one plain PyTorch module, and our program against it: the second opinion on ours.

One file, for which numpy and PyTorch are enough. It knows what docs/reference.md says of the network (section 1), of the
losses and Adam (3), of a checkpoint's names and layouts (5) and of the dropout masks (6), and nothing of our code. All is
computed in float64.

The logits of a checkpoint, against ours, as tests/pytorch_reference_test.cpp stores them (`image`, `logits` [N,1,H,W]):

    python3 tools/pytorch_reference.py CHECKPOINT --vectors vectors.safetensors

The loss of every image in evaluation mode, against `attnunet evaluate --csv`:

    attnunet evaluate --checkpoint CHECKPOINT --data DIR --subset all --csv all.csv
    python3 tools/pytorch_reference.py CHECKPOINT --data DIR --evaluated all.csv

One training step (loss, gradients, running statistics, Adam), from two checkpoints of one run, before and after it.
A step is an epoch where the batch takes all of train.txt, a list of names as "benign (1)":

    attnunet train --data DIR --train-list train.txt --val-list val.txt --no-shuffle --epochs 0 --out before
    attnunet train --data DIR --resume before/last.safetensors --epochs 1 --out after
    python3 tools/pytorch_reference.py before/last.safetensors --after after/last.safetensors --data DIR

The way back: the weights of a checkpoint as a plain state_dict of the PyTorch module, which the program reads like a
checkpoint (evaluate, predict, info, export, train --init):

    python3 tools/pytorch_reference.py CHECKPOINT --save weights.safetensors --dtype bfloat16

Prints what differs by how much; exits with 0 where all is within its bound, 1 where not, 2 where it was called wrongly.
The gradient is read off Adam's first moment, m <- 0.9 m + 0.1 g. What Adam makes of it is then compared on our own
gradient: its first step is lr * sign(g), whatever the size of g, so that a rounding error of a g near 0 would count
fully. DIR holds PNGs as BUSI's: 8 bits a channel, masks also 1 bit.
"""

import argparse
import csv
import json
import pathlib
import struct
import sys
import zlib

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

# The network ----------------------------------------------------------------------------------------------------------

# Levels of the encoder, and whether attention gates weight the skips.
VARIANTS = {"attention3": (3, True), "attention4": (4, True), "unet3": (3, False), "unet4": (4, False)}
LEVEL_RATES = (0.1, 0.1, 0.2, 0.2)
BOTTLENECK_RATE = 0.3


def philox4x32(counter, key):
    """Philox4x32-10 (Salmon et al., SC 2011). counter: four uint32 arrays or numbers; key: 64 bits. Returns [n, 4]."""
    c0, c1, c2, c3 = np.broadcast_arrays(*[np.asarray(word, np.uint64) for word in counter])
    low, key0, key1 = np.uint64(0xFFFFFFFF), key & 0xFFFFFFFF, key >> 32
    for _ in range(10):
        product0, product1 = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        c0, c1, c2, c3 = (
            (product1 >> np.uint64(32)) ^ c1 ^ np.uint64(key0),
            product1 & low,
            (product0 >> np.uint64(32)) ^ c3 ^ np.uint64(key1),
            product0 & low,
        )
        key0, key1 = (key0 + 0x9E3779B9) & 0xFFFFFFFF, (key1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], axis=-1)


def dropout_factors(count, rate, seed, layer, step):
    """What element i of an activation flattened in NHWC order is multiplied by: 0 or float32(1 / (1 - rate))."""
    block = np.arange((count + 3) // 4, dtype=np.uint64)
    words = philox4x32((block & np.uint64(0xFFFFFFFF), block >> np.uint64(32), layer, step), seed).reshape(-1)[:count]
    return np.where(words >= np.uint64(round(rate * 2**32)), np.float64(np.float32(1 / (1 - rate))), 0.0)


class PhiloxDropout(nn.Module):
    """Dropout with our masks, so that training can be compared number by number. `key`: dict with seed and step."""

    def __init__(self, rate, layer, key):
        super().__init__()
        self.rate, self.layer, self.key = rate, layer, key

    def forward(self, x):
        if not self.training:
            return x
        N, C, H, W = x.shape
        factors = dropout_factors(x.numel(), self.rate, self.key["seed"], self.layer, self.key["step"])
        return x * torch.from_numpy(factors).to(x.dtype).reshape(N, H, W, C).permute(0, 3, 1, 2)


class DoubleConv(nn.Module):
    def __init__(self, channels_in, channels_out, dropout):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels_out)
        self.dropout = dropout
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out)

    def forward(self, x):
        x = self.dropout(F.relu(self.bn1(self.conv1(x)), inplace=True))
        return F.relu(self.bn2(self.conv2(x)), inplace=True)


class AttentionGate(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.wg = nn.Conv2d(channels, channels // 2, 1, bias=False)
        self.bn_g = nn.BatchNorm2d(channels // 2)
        self.wx = nn.Conv2d(channels, channels // 2, 1, bias=False)
        self.bn_x = nn.BatchNorm2d(channels // 2)
        self.psi = nn.Conv2d(channels // 2, 1, 1, bias=False)
        self.bn_psi = nn.BatchNorm2d(1)

    def forward(self, g, x):
        q = F.relu(self.bn_g(self.wg(g)) + self.bn_x(self.wx(x)), inplace=True)
        return x * torch.sigmoid(self.bn_psi(self.psi(q)))


class Decoder(DoubleConv):
    def __init__(self, channels_in, channels_out, dropout, gated):
        super().__init__(2 * channels_out, channels_out, dropout)
        self.up = nn.ConvTranspose2d(channels_in, channels_out, 2, stride=2)
        self.gate = AttentionGate(channels_out) if gated else None

    def forward(self, x, skip):
        g = self.up(x)
        if self.gate is not None:
            skip = self.gate(g, skip)
        return super().forward(torch.cat([skip, g], dim=1))


class AttentionUNet(nn.Module):
    def __init__(self, variant, base, make_dropout=lambda rate, layer: nn.Dropout(rate)):
        """make_dropout(rate, layer number): encoder i has number i, the bottleneck `levels`, decoder i 2 levels - i."""
        super().__init__()
        levels, gated = VARIANTS[variant]
        c = [base * 2**i for i in range(levels + 1)]
        self.levels = levels
        self.encoder = nn.ModuleList(
            DoubleConv(c[i - 1] if i else 1, c[i], make_dropout(LEVEL_RATES[i], i)) for i in range(levels)
        )
        self.bottleneck = DoubleConv(c[levels - 1], c[levels], make_dropout(BOTTLENECK_RATE, levels))
        self.decoder = nn.ModuleList(
            Decoder(c[i + 1], c[i], make_dropout(LEVEL_RATES[i], 2 * levels - i), gated) for i in range(levels)
        )
        self.head = nn.Conv2d(c[0], 1, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
            elif isinstance(module, nn.ConvTranspose2d):  # each output pixel sees one kernel position: fan-in is C
                nn.init.normal_(module.weight, std=(2 / module.in_channels) ** 0.5)
                nn.init.zeros_(module.bias)
        nn.init.zeros_(self.head.bias)

    def forward(self, image):
        """image [N,1,H,W] of any size of at least 2^levels a side -> logits [N,1,H,W]."""
        H, W = image.shape[2:]
        multiple = 2**self.levels
        x = image
        if H % multiple or W % multiple:
            x = F.pad(image, (0, -W % multiple, 0, -H % multiple), mode="replicate")
        skips = []
        for encoder in self.encoder:
            skips.append(encoder(x))
            x = F.max_pool2d(skips[-1], 2)
        x = self.bottleneck(x)
        for i in reversed(range(self.levels)):
            x = self.decoder[i](x, skips[i])
        return self.head(x)[:, :, :H, :W]


def tensors(network):
    """state_dict as our checkpoints name it, as numpy arrays."""
    return {
        name: tensor.detach().numpy().copy()
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }


def bce(logits, target):
    return F.binary_cross_entropy_with_logits(logits, target)


def soft_dice(logits, target):
    """1 - mean over images of (2 sum pq + 1e-5) / (sum p + sum q + 1e-5)."""
    p, q = torch.sigmoid(logits).flatten(1), target.flatten(1)
    return 1 - ((2 * (p * q).sum(1) + 1e-5) / (p.sum(1) + q.sum(1) + 1e-5)).mean()


def tversky(logits, target, fn=0.7, fp=0.3, gamma=0.75):
    """Mean over images of (1 - TI)^gamma, TI = (sum pq + 1e-5) / (sum pq + 1e-5 + fn sum (1-p)q + fp sum p(1-q))."""
    p, q = torch.sigmoid(logits).flatten(1), target.flatten(1)
    right = (p * q).sum(1) + 1e-5
    errors = fn * ((1 - p) * q).sum(1) + fp * (p * (1 - q)).sum(1)
    return ((1 - right / (right + errors)) ** gamma).mean()


def focal(logits, target, gamma=2, alpha=0.25):
    """Mean over pixels of -alpha t (1-p)^gamma log p - (1-alpha) (1-t) p^gamma log(1-p)."""
    p = torch.sigmoid(logits)
    lesion = alpha * target * (1 - p) ** gamma * F.logsigmoid(logits)
    return -(lesion + (1 - alpha) * (1 - target) * p**gamma * F.logsigmoid(-logits)).mean()


# Files ----------------------------------------------------------------------------------------------------------------


def read_safetensors(path):
    """({name: float32 array}, metadata). 8 bytes header length, JSON header, then the numbers."""
    content = pathlib.Path(path).read_bytes()
    (length,) = struct.unpack_from("<Q", content)
    header = json.loads(content[8 : 8 + length])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        tensors[name] = np.frombuffer(content[begin:end], "<f4").reshape(entry["shape"])
    return tensors, metadata


DTYPES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16", "float64": "F64", "int64": "I64"}


def write_safetensors(path, tensors):
    """{name: tensor} as safetensors.torch.save_file writes it, without metadata."""
    header, blobs, offset = {}, [], 0
    for name, tensor in tensors.items():
        dtype = str(tensor.dtype).split(".")[-1]
        if dtype == "bfloat16":  # numpy has no such type: its 16 bits as they stand
            tensor = tensor.contiguous().view(torch.int16)
        blobs.append(tensor.contiguous().numpy().tobytes())
        end = offset + len(blobs[-1])
        header[name] = {"dtype": DTYPES[dtype], "shape": list(tensor.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    pathlib.Path(path).write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))


class Checkpoint:
    def __init__(self, path):
        self.path = pathlib.Path(path)
        values, self.metadata = read_safetensors(path)
        self.values = {name: torch.from_numpy(value.astype(np.float64)) for name, value in values.items()}
        self.config = json.loads(self.metadata["config"])
        self.epoch, self.step, self.batch = (int(self.metadata[key]) for key in ("epoch", "step", "batch"))

    def network(self, averages=False):
        """In float64, with our dropout masks of this step; with the averages of --ema, if the file has any."""
        key = {"seed": int(self.metadata["seed"]), "step": self.step}
        rate = self.config["dropout"]
        network = AttentionUNet(
            self.metadata["variant"],
            int(self.metadata["base"]),
            lambda level_rate, layer: PhiloxDropout(level_rate if rate is None else rate, layer, key),
        )
        state = {name: value for name, value in self.values.items() if not name.startswith(("adam.", "ema."))}
        if averages:
            state.update({name[len("ema."):]: value for name, value in self.values.items() if name.startswith("ema.")})
        network.double().load_state_dict(state, strict=True)
        return network

    def moments(self, name):
        return self.values["adam.m." + name], self.values["adam.v." + name]

    def loss_so_far(self):
        """Sum of the losses of the running epoch's images."""
        return float.fromhex(self.metadata["sums"].split()[1]) if self.batch else 0.0

    def loss_of_the_step_to(self, after, images):
        """Sum of the losses of its images, of which an epoch has so many; metrics.csv has the means of whole epochs."""
        if after.batch:
            return after.loss_so_far() - self.loss_so_far()
        with open(after.path.parent / "metrics.csv", newline="") as file:
            rows = {int(row["epoch"]): row for row in csv.DictReader(file)}
        return float(rows[after.epoch]["train_loss"]) * images - self.loss_so_far()


def read_png(path):
    """[H,W] of luma, 0 to 255."""
    content = path.read_bytes()
    at, data = 8, b""
    while at < len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        chunk = content[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            W, H, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", chunk)
        elif kind == b"IDAT":
            data += chunk
        at += 12 + length
    channels = {0: 1, 2: 3, 4: 2, 6: 4}.get(colour)
    if channels is None or interlace or depth not in ((1, 8) if colour == 0 else (8,)):
        raise ValueError(f"{path}: a kind of PNG that this file does not read (colour type {colour}, {depth} bits)")
    step = channels if depth == 8 else 1
    stride = (W * channels * depth + 7) // 8
    data = np.frombuffer(zlib.decompress(data), np.uint8).reshape(H, stride + 1)
    rows = np.zeros((H + 1, stride + step), np.int64)  # a row and a pixel of zeros before the first ones
    for y in range(H):
        kind, row, up = data[y, 0], rows[y + 1], rows[y]
        row[step:] = data[y, 1:]
        if kind == 2:
            row[step:] = (row[step:] + up[step:]) % 256
        elif kind in (1, 3, 4):
            for x in range(step, stride + step):
                a, b, c = row[x - step], up[x], up[x - step]
                if kind == 4:
                    guess = a + b - c
                    near = min((abs(guess - a), 0, a), (abs(guess - b), 1, b), (abs(guess - c), 2, c))[2]
                row[x] = (row[x] + (a if kind == 1 else (a + b) // 2 if kind == 3 else near)) % 256
    pixels = rows[1:, step:]
    if depth == 1:
        return np.unpackbits(pixels.astype(np.uint8), axis=1)[:, :W].astype(np.int64) * 255
    pixels = pixels.reshape(H, W, channels)
    if channels < 3:
        return pixels[:, :, 0]
    return (pixels[:, :, :3] @ np.array([19595, 38470, 7471]) + 32768) >> 16


def bilinear(source, target):
    """[target, source]: Pillow's weights in 22-bit fixed point, a triangle that widens where the image shrinks."""
    scale = source / target
    support = max(scale, 1.0)
    centres = (np.arange(target)[:, None] + 0.5) * scale
    low = np.maximum((centres - support + 0.5).astype(np.int64), 0)
    high = np.minimum((centres + support + 0.5).astype(np.int64), source)
    x = np.arange(source)[None, :]
    weights = np.where((x >= low) & (x < high), np.maximum(1 - np.abs((x - centres + 0.5) / support), 0), 0)
    return (weights / weights.sum(1, keepdims=True) * 2**22 + 0.5).astype(np.int64)


def height_and_width(size):
    """Of a configuration's size: a number for a square, else "192x256"."""
    return (size, size) if isinstance(size, int) else tuple(int(side) for side in size.split("x"))


def resized(image, size):
    """Horizontally, rounded to 8 bits, then vertically."""
    height, width = size
    for side in (width, height):
        if image.shape[1] != side:
            image = (image @ bilinear(image.shape[1], side).T + 2**21) >> 22
        image = image.T
    return image


def nearest(mask, size):
    rows, columns = (((np.arange(to) + 0.5) * extent / to).astype(np.int64) for extent, to in zip(mask.shape, size))
    return mask[rows][:, columns]


def fitted(image, resize, config, mode):
    """The image at the configuration's size. With keep-aspect it is scaled by one factor, centred and padded."""
    height, width = size = height_and_width(config["size"])
    if not config.get("keep-aspect", False):
        return resize(image, size)
    rows, columns = image.shape
    if columns * height >= rows * width:
        size = (max(1, (2 * rows * width + columns) // (2 * columns)), width)
    else:
        size = (height, max(1, (2 * columns * height + rows) // (2 * rows)))
    missing = (height - size[0], width - size[1])
    return np.pad(resize(image, size), [(side // 2, side - side // 2) for side in missing], mode=mode)


def load_cases(folder, names, config):
    """(images, masks) [N,1,H,W] of the named cases, in the order of the names. A mask is the union of all of a case."""
    images, masks = [], []
    for name in names:
        found = [path for path in pathlib.Path(folder).glob("*/*.png") if path.stem == name]
        if len(found) != 1:
            raise ValueError(f"{folder}: {len(found)} images named {name}.png")
        parts = [path for path in found[0].parent.glob("*.png") if path.stem.startswith(name + "_mask")]
        images.append(fitted(read_png(found[0]), resized, config, "edge") / 255)
        lesion = np.any([read_png(part) > 127 for part in parts], axis=0)
        masks.append(fitted(lesion, nearest, config, "constant").astype(np.float64))
    return tuple(torch.from_numpy(np.stack(arrays)[:, None]) for arrays in (images, masks))


# Comparisons ----------------------------------------------------------------------------------------------------------


class Report:
    def __init__(self):
        self.good = True

    def line(self, what, error, scale, bound):
        """error against bound * scale; NaN is wrong."""
        good = bool(error <= bound * scale)
        self.good &= good
        print(f"{what:<44} {error:9.2e}  of {scale:9.3g}  bound {bound * scale:9.2e}  {'ok' if good else 'WRONG'}")


def difference(ours, theirs):
    return max((a - b).abs().max().item() for a, b in zip(ours, theirs))


def largest(values):
    return max(value.abs().max().item() for value in values)


def loss_of(config, logits, target):
    """The loss that a checkpoint's configuration names; numbers that it does not name have their defaults."""
    kind = config["loss"]
    if kind == "bce+dice":
        return bce(logits, target) + soft_dice(logits, target)
    numbers = {key.split("-")[1]: value for key, value in config.items() if key.startswith(kind + "-")}
    return {"bce": bce, "tversky": tversky, "focal": focal}[kind](logits, target, **numbers)


def compare_logits(report, before, path):
    vectors, _ = read_safetensors(path)
    with torch.no_grad():
        logits = before.network(averages=True).eval()(torch.from_numpy(vectors["image"].astype(np.float64)))
    ours = torch.from_numpy(vectors["logits"].astype(np.float64))
    report.line("logits, evaluation mode", difference([ours], [logits]), 1, 1e-4)


def compare_evaluation(report, before, folder, path):
    with open(path, newline="") as file:
        losses = {row["name"]: float(row["loss"]) for row in csv.DictReader(file)}
    network, errors = before.network(averages=True).eval(), []
    for name, ours in losses.items():
        image, target = load_cases(folder, [name], before.config)
        with torch.no_grad():
            errors.append(abs(loss_of(before.config, network(image), target).item() - ours))
    report.line(f"loss of each of {len(errors)} images, evaluation mode", max(errors), max(losses.values()), 1e-5)


def compare_step(report, before, after, folder):
    config = before.config
    names = config["train-cases"]
    if after.step != before.step + 1:
        raise ValueError(f"the checkpoints are {after.step - before.step} steps apart, not one")
    for key, needed in (("no-shuffle", True), ("augment", "none"), ("lr-schedule", "constant")):
        if config[key] != needed:
            raise ValueError(f"a run with {key} = {needed} is needed, not {config[key]}")
    if config.get("warmup"):
        raise ValueError("a run without --warmup is needed")
    if not names:
        raise ValueError("a run with --train-list and --val-list is needed: else its checkpoint names no cases")
    batch = names[before.batch * config["batch"] :][: config["batch"]]
    image, target = load_cases(folder, batch, config)

    network = before.network().train()
    loss = loss_of(config, network(image), target)
    loss.backward()
    if config.get("clip-norm"):
        torch.nn.utils.clip_grad_norm_(network.parameters(), config["clip-norm"])
    print(f"step {after.step} on {len(batch)} images of {config['size']}, loss {loss.item():.9g}")
    ours = before.loss_of_the_step_to(after, len(names)) / len(batch)
    report.line("loss", abs(ours - loss.item()), abs(loss.item()), 1e-5)

    parameters = dict(network.named_parameters())
    gradients, our_gradients = {}, {}
    for name, parameter in parameters.items():
        (m, v), (m_after, v_after) = before.moments(name), after.moments(name)
        gradients[name] = parameter.grad.clone()
        our_gradients[name] = (m_after - 0.9 * m) / 0.1
    scale = largest(gradients.values())
    # In float32 a few of many pixels are on the other side of a ReLU's or a pool's kink. In padding pixels are equal but
    # for rounding, and which of them a pool chooses is chance.
    padded = any(side % 2**network.levels != 0 for side in height_and_width(config["size"]))
    bound = 1e-2 if padded else 1e-3
    for kind in ("encoder", "bottleneck", "decoder", "head"):
        of_kind = [name for name in parameters if name.startswith(kind)]
        error = difference([our_gradients[name] for name in of_kind], [gradients[name] for name in of_kind])
        report.line("gradients of " + kind, error, scale, bound)
    statistics = [name for name, _ in network.named_buffers() if ".running_" in name]
    theirs = [dict(network.named_buffers())[name] for name in statistics]
    report.line(
        "running statistics", difference([after.values[name] for name in statistics], theirs), largest(theirs), 1e-5
    )

    # torch.optim from our state, on our gradient.
    kind = torch.optim.AdamW if config["weight-decay"] else torch.optim.Adam
    optimiser = kind(network.parameters(), lr=config["lr"], weight_decay=config["weight-decay"])
    for name, parameter in parameters.items():
        m, v = before.moments(name)
        if before.step:
            step = torch.tensor(float(before.step))
            optimiser.state[parameter] = {"step": step, "exp_avg": m.clone(), "exp_avg_sq": v.clone()}
        parameter.grad = our_gradients[name]
    optimiser.step()
    theirs = [parameter.detach() for parameter in parameters.values()]
    report.line("weights after Adam", difference([after.values[n] for n in parameters], theirs), largest(theirs), 1e-6)
    theirs = [optimiser.state[parameter]["exp_avg_sq"] for parameter in parameters.values()]
    ours = [after.moments(name)[1] for name in parameters]
    report.line("Adam's second moments", difference(ours, theirs), largest(theirs), 1e-5)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("--vectors", metavar="FILE", help="an image and our logits")
    parser.add_argument("--after", metavar="CHECKPOINT", help="the run's checkpoint one step later")
    parser.add_argument("--evaluated", metavar="CSV", help="what `attnunet evaluate --csv` wrote")
    parser.add_argument("--data", metavar="DIR", help="the dataset's folder")
    parser.add_argument("--save", metavar="FILE", help="write the weights as a plain state_dict")
    types = [name for name in DTYPES if name != "int64"]
    parser.add_argument("--dtype", choices=types, default="float32", help="of what --save writes")
    options = parser.parse_args()
    if not (options.vectors or options.after or options.evaluated or options.save):
        parser.error("one of --vectors, --after, --evaluated and --save says what to do")
    if (options.after or options.evaluated) and not options.data:
        parser.error("--after and --evaluated need --data")
    report = Report()
    try:
        before = Checkpoint(options.checkpoint)
        if options.vectors:
            compare_logits(report, before, options.vectors)
        if options.evaluated:
            compare_evaluation(report, before, options.data, options.evaluated)
        if options.after:
            compare_step(report, before, Checkpoint(options.after), options.data)
        if options.save:
            write_safetensors(options.save, before.network(averages=True).to(getattr(torch, options.dtype)).state_dict())
    except (RuntimeError, KeyError, OSError, ValueError, struct.error) as error:
        print("pytorch_reference: " + " ".join(str(error).split()), file=sys.stderr)
        return 1
    if options.vectors or options.evaluated or options.after:
        print("agrees" if report.good else "DIFFERS")
    return 0 if report.good else 1


if __name__ == "__main__":
    sys.exit(main())
