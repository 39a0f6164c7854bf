"""The two Attention U-Nets as a plain PyTorch module: the second opinion on ours.

state_dict has the names and layouts of our checkpoints (BatchNorm2d's num_batches_tracked excepted, which
load_state_dict fills in by itself). `python3 tools/pytorch_network.py` prints the parameter counts.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

LEVELS = {"attention3": 3, "attention4": 4}
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
    def __init__(self, channels_in, channels_out, dropout):
        super().__init__(2 * channels_out, channels_out, dropout)
        self.up = nn.ConvTranspose2d(channels_in, channels_out, 2, stride=2)
        self.gate = AttentionGate(channels_out)

    def forward(self, x, skip):
        g = self.up(x)
        return super().forward(torch.cat([self.gate(g, skip), g], dim=1))


class AttentionUNet(nn.Module):
    def __init__(self, levels, base, make_dropout=lambda rate, layer: nn.Dropout(rate)):
        """make_dropout(rate, layer number): encoder i has number i, the bottleneck `levels`, decoder i 2 levels - i."""
        super().__init__()
        c = [base * 2**i for i in range(levels + 1)]
        self.levels = levels
        self.encoder = nn.ModuleList(
            DoubleConv(c[i - 1] if i else 1, c[i], make_dropout(LEVEL_RATES[i], i)) for i in range(levels)
        )
        self.bottleneck = DoubleConv(c[levels - 1], c[levels], make_dropout(BOTTLENECK_RATE, levels))
        self.decoder = nn.ModuleList(
            Decoder(c[i + 1], c[i], make_dropout(LEVEL_RATES[i], 2 * levels - i)) for i in range(levels)
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


if __name__ == "__main__":
    for variant, levels in LEVELS.items():
        print(variant, sum(parameter.numel() for parameter in AttentionUNet(levels, 32).parameters()))
