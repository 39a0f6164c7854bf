"""The plain PyTorch network (pytorch_reference.py) made as fast on a CPU as PyTorch gets it; the same network.

What pays, each measured on attention4 in float32 on two cores:
- channels_last (`nhwc`), with which oneDNN convolves without reordering every tensor; but in AVX2, for want of
  kernels, training is faster without (`nchw`);
- the 2x2 transposed convolution as a 1x1 convolution to four times the channels and pixel_shuffle;
- dropout masks from 16 bits of a random word each: bernoulli_ draws number by number, on one core, and keeps floats;
- Adam in one operation, where the version has it;
- for inference torch.jit.freeze, which folds batch norm into the convolution before it;
- an allocator that keeps its pages (see bench_pytorch.py).
What does not: torch.compile and optimize_for_inference (the time is in oneDNN's convolutions, which stay the same),
OpenMP's affinity and waiting policy, huge pages.

`python3 tools/pytorch_tuned.py` checks that it computes what the plain network does, as every benchmark does first.
"""

import copy
import itertools
import warnings

import torch
from torch import nn
from torch.nn import functional as F

from pytorch_reference import VARIANTS, AttentionUNet, bce

LAYOUTS = {"nhwc": torch.channels_last, "nchw": torch.contiguous_format}


class ShuffledConvTranspose2d(nn.ConvTranspose2d):
    """2x2, stride 2: output pixel (2h + i, 2w + j) is W_ij^T x[h, w], so channel 4 k + 2 i + j of a 1x1 convolution."""

    def forward(self, x):
        C, K = self.weight.shape[:2]
        weight = self.weight.permute(1, 2, 3, 0).reshape(4 * K, C, 1, 1)
        return F.pixel_shuffle(F.conv2d(x, weight, self.bias.repeat_interleave(4)), 2)


class WordDropoutFunction(torch.autograd.Function):
    @staticmethod
    def forward(context, x, rate):
        words = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
        keep = words.view(torch.int16)[: x.numel()] >= round(rate * 2**16) - 2**15
        keep = keep.as_strided(x.shape, x.stride())  # lies in memory as x does
        context.save_for_backward(keep)
        context.scale = 1 / (1 - rate)
        return (x * keep).mul_(context.scale)

    @staticmethod
    def backward(context, dy):
        (keep,) = context.saved_tensors
        return (dy * keep).mul_(context.scale), None


class WordDropout(nn.Dropout):
    def forward(self, x):
        return WordDropoutFunction.apply(x, self.p) if self.training else x


def tuned(network):
    """The network itself, changed in place: parameters and their names stay."""
    for module in network.modules():
        if isinstance(module, nn.ConvTranspose2d):
            module.__class__ = ShuffledConvTranspose2d
        elif isinstance(module, nn.Dropout):
            module.__class__ = WordDropout
    return network


def fastest_adam(parameters, **options):
    version = tuple(int(number) for number in torch.__version__.split(".")[:2])
    return torch.optim.Adam(parameters, **options, **({"fused": True} if version >= (2, 4) else {"foreach": True}))


def frozen(network, image):
    """For inference on images of this shape."""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.freeze(torch.jit.trace(network.eval(), image))


def require_close(what, actual, expected):
    error, largest = (actual - expected).abs().max().item(), expected.abs().max().item()
    if not error <= 1e-10 * max(largest, 1e-3):
        raise SystemExit(f"the tuned PyTorch network is not the plain one: {what} differs by {error:g} of {largest:g}")


def check():
    """Exits where logits, gradients or running statistics (float64, no dropout) or dropout itself are not the same."""
    torch.manual_seed(0)
    for variant, layout in itertools.product(VARIANTS, LAYOUTS):
        plain = AttentionUNet(variant, 4, lambda rate, layer: nn.Dropout(0.0)).double()
        fast = tuned(copy.deepcopy(plain)).to(memory_format=LAYOUTS[layout])
        image = torch.rand(2, 1, 32, 48, dtype=torch.float64).to(memory_format=LAYOUTS[layout])
        target = (torch.rand_like(image) < 0.3).double()
        logits = {}
        for network in (plain, fast):
            logits[network] = network(image)
            bce(logits[network], target).backward()
        require_close("the output", logits[fast], logits[plain])
        theirs = dict(plain.named_parameters())
        for name, parameter in fast.named_parameters():
            require_close("the gradient of " + name, parameter.grad, theirs[name].grad)
        theirs = dict(plain.named_buffers())
        for name, statistic in fast.named_buffers():
            require_close(name, statistic, theirs[name])
        with torch.no_grad():
            require_close("the frozen output", frozen(fast, image)(image), plain.eval()(image))
    x = torch.ones(4, 9, 129, 127, requires_grad=True)
    y = WordDropout(0.2)(x)
    y.sum().backward()
    kept = (y > 0).double().mean().item()
    if not (torch.equal(x.grad, y) and torch.equal(y.unique(), torch.tensor([0, 1 / (1 - 0.2)]))):
        raise SystemExit("the dropout of the tuned PyTorch network is wrong")
    if not abs(kept - 0.8) < 5 * (0.8 * 0.2 / x.numel()) ** 0.5:
        raise SystemExit(f"the dropout of the tuned PyTorch network keeps {kept}, not 0.8")


if __name__ == "__main__":
    check()
    print(f"PyTorch {torch.__version__}: the tuned network computes what the plain one does")
