"""Writes tests/golden/*.safetensors: what PyTorch computes in float64 for each layer, block and network.

    python3 tools/make_golden.py [FOLDER]

The numbers in the repository come from PyTorch 1.13.0a0 as Debian 12 ships it (python3-torch), one thread; the version
that wrote a file stands in its __metadata__. Running it again on the same kind of machine gives the same bytes; another
processor or version may round differently in the last digits, far below the tests' bound of 1e-10.

Activations are NHWC, weights as PyTorch holds them. Names: tests/golden/README.md.
"""

import pathlib
import sys
import zlib

import numpy as np
import torch
from torch.nn import functional as F

import safetensors_io
from pytorch_reference import (
    VARIANTS,
    AttentionGate,
    AttentionUNet,
    Checkpoint,
    DoubleConv,
    PhiloxDropout,
    bce,
    dropout_factors,
    focal,
    soft_dice,
    tensors,
    tversky,
)

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden"
METADATA = {"torch": torch.__version__, "made_by": "tools/make_golden.py"}


def nchw(array):
    """NHWC numpy array -> NCHW tensor."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(array, 3, 1)))


def nhwc(tensor):
    return np.ascontiguousarray(np.moveaxis(tensor.detach().numpy(), 1, 3))


def leaf(tensor):
    return tensor.clone().requires_grad_()


def random_for(name):
    """A stream of its own for each file, so that a new case leaves the others as they are."""
    return np.random.default_rng(zlib.crc32(name.encode()))


def save(name, values):
    values = {key: np.ascontiguousarray(value, dtype=np.float64) for key, value in values.items()}
    for key, value in values.items():
        assert np.isfinite(value).all(), (name, key)
    safetensors_io.save(FOLDER / (name + ".safetensors"), values, METADATA)


# Layers ---------------------------------------------------------------------------------------------------------------


def conv2d(name, N, H, W, C, K, R, bias):
    random = random_for(name)
    x, w = random.standard_normal((N, H, W, C)), random.standard_normal((K, C, R, R))
    b, dy = random.standard_normal(K), random.standard_normal((N, H, W, K))
    tx, tw, tb = leaf(nchw(x)), leaf(torch.from_numpy(w)), leaf(torch.from_numpy(b))
    y = F.conv2d(tx, tw, tb if bias else None, padding=(R - 1) // 2)
    y.backward(nchw(dy))
    values = {"x": x, "w": w, "y": nhwc(y), "dy": dy, "dx": nhwc(tx.grad), "dw": tw.grad}
    save(name, {**values, "b": b, "db": tb.grad} if bias else values)


def conv_transpose2d(name, N, H, W, C, K):
    random = random_for(name)
    x, w = random.standard_normal((N, H, W, C)), random.standard_normal((C, K, 2, 2))
    b, dy = random.standard_normal(K), random.standard_normal((N, 2 * H, 2 * W, K))
    tx, tw, tb = leaf(nchw(x)), leaf(torch.from_numpy(w)), leaf(torch.from_numpy(b))
    y = F.conv_transpose2d(tx, tw, tb, stride=2)
    y.backward(nchw(dy))
    save(name, {"x": x, "w": w, "b": b, "y": nhwc(y), "dy": dy, "dx": nhwc(tx.grad), "dw": tw.grad, "db": tb.grad})


def batch_norm(name, N, H, W, C):
    random = random_for(name)
    x = random.normal(random.normal(0, 3, C), random.uniform(0.1, 2, C), (N, H, W, C))
    gamma, beta, dy = random.normal(1, 0.5, C), random.standard_normal(C), random.standard_normal((N, H, W, C))
    mean, var = random.standard_normal(C), random.uniform(0.5, 2, C)
    tx, tgamma, tbeta = leaf(nchw(x)), leaf(torch.from_numpy(gamma)), leaf(torch.from_numpy(beta))
    tmean, tvar = torch.from_numpy(mean.copy()), torch.from_numpy(var.copy())
    inference = F.batch_norm(tx, tmean, tvar, tgamma, tbeta, training=False, eps=1e-5)
    y = F.batch_norm(tx, tmean, tvar, tgamma, tbeta, training=True, momentum=0.1, eps=1e-5)
    y.backward(nchw(dy))
    save(
        name,
        {
            **{"x": x, "gamma": gamma, "beta": beta, "running_mean": mean, "running_var": var, "y": nhwc(y), "dy": dy},
            **{"dx": nhwc(tx.grad), "dgamma": tgamma.grad, "dbeta": tbeta.grad},
            **{"after.running_mean": tmean, "after.running_var": tvar, "y_eval": nhwc(inference)},
        },
    )


def from_inputs(name, inputs, function):
    """inputs: {name: NHWC array}; the gradient of each input `a` is named `da`."""
    leaves = {key: leaf(nchw(value)) for key, value in inputs.items()}
    y = function(*leaves.values())
    dy = random_for(name + " dy").standard_normal(nhwc(y).shape)
    y.backward(nchw(dy))
    gradients = {"d" + key: nhwc(value.grad) for key, value in leaves.items()}
    save(name, {**inputs, "y": nhwc(y), "dy": dy, **gradients})


def normal(name, *shape):
    return random_for(name).standard_normal(shape)


def dropout(name, N, H, W, C, rate, seed, layer, step):
    x, dy = normal(name, N, H, W, C), normal(name + " dy", N, H, W, C)
    factors = dropout_factors(x.size, rate, seed, layer, step).reshape(x.shape)
    key = {"rate": [rate], "seed": [seed], "layer": [layer], "step": [step]}
    save(name, {**key, "x": x, "y": x * factors, "dy": dy, "dx": dy * factors})


def loss(name, function, N, H, W, target, **numbers):
    logits = 4 * normal(name, N, H, W, 1)
    tlogits = leaf(nchw(logits))
    value = function(tlogits, nchw(target), **numbers)
    value.backward()
    values = {"logits": logits, "target": target, "loss": [value.item()], "dlogits": nhwc(tlogits.grad)}
    save(name, {**{key: [number] for key, number in numbers.items()}, **values})


def random_target(name, N, H, W):
    return (random_for(name + " target").random((N, H, W, 1)) < 0.4).astype(np.float64)


def layers():
    conv2d("conv2d_3x3", 2, 5, 7, 3, 4, 3, bias=False)
    conv2d("conv2d_3x3_wide", 2, 3, 19, 8, 6, 3, bias=False)
    conv2d("conv2d_3x3_bias", 1, 9, 4, 1, 5, 3, bias=True)
    conv2d("conv2d_1x1", 3, 2, 5, 4, 7, 1, bias=False)
    conv2d("conv2d_1x1_bias", 2, 5, 3, 6, 1, 1, bias=True)
    conv_transpose2d("conv_transpose2d", 2, 3, 5, 4, 7)
    conv_transpose2d("conv_transpose2d_one_channel", 1, 5, 2, 1, 3)
    batch_norm("batch_norm", 2, 3, 5, 4)
    batch_norm("batch_norm_one_channel", 1, 7, 3, 1)
    from_inputs("relu", {"x": normal("relu", 2, 3, 5, 4)}, F.relu)
    from_inputs("sigmoid", {"x": 10 * normal("sigmoid", 2, 3, 5, 4)}, torch.sigmoid)
    from_inputs("max_pool", {"x": normal("max_pool", 2, 6, 4, 3)}, lambda x: F.max_pool2d(x, 2))
    from_inputs(
        "concat",
        {"a": normal("concat a", 2, 3, 5, 4), "b": normal("concat b", 2, 3, 5, 3)},
        lambda a, b: torch.cat([a, b], dim=1),
    )
    from_inputs(
        "attention_multiply",
        {"x": normal("attention_multiply", 2, 3, 5, 4), "alpha": random_for("alpha").random((2, 3, 5, 1))},
        lambda x, alpha: x * alpha,
    )
    dropout("dropout", 2, 3, 5, 7, rate=0.3, seed=2**40 + 12345, layer=6, step=70001)
    dropout("dropout_single", 1, 1, 1, 1, rate=0.1, seed=0, layer=0, step=0)
    from_inputs(
        "edge_pad",
        {"x": normal("edge_pad", 2, 5, 7, 3)},
        lambda x: F.pad(x, (0, 1, 0, 3), mode="replicate"),
    )
    from_inputs("crop", {"x": normal("crop", 2, 8, 12, 1)}, lambda x: x[:, :, :5, :9])
    loss("bce", bce, 2, 3, 5, random_target("bce", 2, 3, 5))
    loss("bce_single", bce, 1, 1, 1, np.ones((1, 1, 1, 1)))
    loss("dice", soft_dice, 3, 5, 4, random_target("dice", 3, 5, 4))
    loss("dice_empty", soft_dice, 1, 7, 2, np.zeros((1, 7, 2, 1)))
    loss("tversky", tversky, 3, 5, 4, random_target("tversky", 3, 5, 4), fn=0.7, fp=0.3, gamma=0.75)
    loss("tversky_empty", tversky, 1, 7, 2, np.zeros((1, 7, 2, 1)), fn=0.7, fp=0.3, gamma=0.75)
    fractions = random_for("tversky_fractions target").random((2, 4, 3, 1))
    loss("tversky_fractions", tversky, 2, 4, 3, fractions, fn=0.4, fp=1.1, gamma=1.5)
    loss("focal", focal, 2, 3, 5, random_target("focal", 2, 3, 5), gamma=2, alpha=0.25)
    loss("focal_fractions", focal, 2, 4, 3, random_for("focal_fractions target").random((2, 4, 3, 1)), gamma=0.5, alpha=0.6)


# Blocks and networks --------------------------------------------------------------------------------------------------


def randomise(module, random):
    """Every parameter and statistic drawn; batch norm's gamma and beta away from 1 and 0."""
    module.double()
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            shape = tuple(tensor.shape)
            if name.endswith("num_batches_tracked"):
                continue
            if name.endswith("running_var"):
                drawn = random.uniform(0.5, 1.5, shape)
            elif len(shape) > 1:
                drawn = random.normal(0, (2 / tensor[0].numel()) ** 0.5, shape)
            elif name.endswith("weight"):
                drawn = random.uniform(0.5, 1.5, shape)
            else:
                drawn = random.normal(0, 0.3, shape)
            tensor.copy_(torch.from_numpy(np.asarray(drawn)))


def parameter_gradients(module):
    return {"grad." + name: parameter.grad.numpy().copy() for name, parameter in module.named_parameters()}


def statistics_after(module):
    return {"after." + name: value for name, value in tensors(module).items() if ".running_" in name}


def double_conv_block(name, N, H, W, C, K, key, layer):
    random = random_for(name)
    block = DoubleConv(C, K, PhiloxDropout(0.3, layer, key))
    randomise(block, random)
    values = {"rate": [0.3], "seed": [key["seed"]], "layer": [layer], "step": [key["step"]], **tensors(block)}
    x, dy = random.standard_normal((N, H, W, C)), random.standard_normal((N, H, W, K))
    y_eval = block.eval()(nchw(x))
    tx = leaf(nchw(x))
    y = block.train()(tx)
    y.backward(nchw(dy))
    values.update({"x": x, "y": nhwc(y), "y_eval": nhwc(y_eval), "dy": dy, "dx": nhwc(tx.grad)})
    save(name, {**values, **parameter_gradients(block), **statistics_after(block)})


def attention_gate_block(name, N, H, W, C):
    random = random_for(name)
    gate = AttentionGate(C)
    randomise(gate, random)
    values = tensors(gate)
    g, x, dy = (random.standard_normal((N, H, W, C)) for _ in range(3))
    y_eval = gate.eval()(nchw(g), nchw(x))
    tg, tx = leaf(nchw(g)), leaf(nchw(x))
    y = gate.train()(tg, tx)
    y.backward(nchw(dy))
    values.update({"g": g, "x": x, "y": nhwc(y), "y_eval": nhwc(y_eval), "dy": dy})
    values.update({"dg": nhwc(tg.grad), "dx": nhwc(tx.grad)})
    save(name, {**values, **parameter_gradients(gate), **statistics_after(gate)})


def random_network(variant, base, key, random):
    network = AttentionUNet(variant, base, lambda rate, layer: PhiloxDropout(rate, layer, key))
    randomise(network, random)
    return network


def network_pass(variant, base, N, H, W):
    name = f"{variant}_{N}x{H}x{W}"
    random = random_for(name)
    key = {"seed": 5, "step": 3}
    network = random_network(variant, base, key, random)
    values = {"base": [base], "seed": [key["seed"]], "step": [key["step"]], **tensors(network)}
    image, target = random.random((N, H, W, 1)), random_target(name, N, H, W)
    logits_eval = network.eval()(nchw(image))
    timage, ttarget = leaf(nchw(image)), nchw(target)
    logits = network.train()(timage)
    loss_bce = bce(logits, ttarget)
    loss_bce_dice = loss_bce + soft_dice(logits, ttarget)
    loss_bce_dice.backward()
    values.update({"input": image, "target": target, "logits": nhwc(logits), "logits_eval": nhwc(logits_eval)})
    values.update({"loss.bce": [loss_bce.item()], "loss.bce_dice": [loss_bce_dice.item()]})
    values["grad.input"] = nhwc(timage.grad)
    save(name, {**values, **parameter_gradients(network), **statistics_after(network)})


def gradcam(variant, base, N, H, W):
    """Grad-CAM of the evaluation pass of network_pass's network: of the mean logit over the pixels with logit > 0, by
    its head's bias 70 % of all, and, with a bias that leaves none, over the whole image. Maps at the image's size."""
    source = f"{variant}_{N}x{H}x{W}"
    name = "gradcam_" + source
    random = random_for(source)
    network = random_network(variant, base, {"seed": 5, "step": 3}, random).eval()
    levels, gated = VARIANTS[variant]
    image = random.random((N, H, W, 1))
    bias = network.head.bias.item() - torch.quantile(network(nchw(image)), 0.3).item()
    values, outputs, alphas = {"input": image}, {}, {}
    blocks = {f"encoder.{i}": network.encoder[i] for i in range(levels)}
    blocks.update({f"decoder.{i}": network.decoder[i] for i in range(levels)}, bottleneck=network.bottleneck)
    for block, module in blocks.items():
        module.register_forward_hook(lambda _module, _input, output, block=block: outputs.update({block: output}))
    for i in range(levels if gated else 0):
        network.decoder[i].gate.bn_psi.register_forward_hook(
            lambda _module, _input, output, i=i: alphas.update({i: torch.sigmoid(output)})
        )

    def at_image_size(maps):
        """[1,1,h,w] -> [H,W]"""
        multiple = 2**levels
        padded = (H + -H % multiple, W + -W % multiple)
        return F.interpolate(maps, padded, mode="bilinear", align_corners=False)[0, 0, :H, :W].detach().numpy()

    for case, head_bias in {"lesion": bias, "nothing": bias - 1000}.items():
        network.head.bias.data.fill_(head_bias)
        values[case + ".head_bias"] = [head_bias]
        logits_of_images, lesions = [], []
        for n in range(N):
            logits = network(nchw(image[n : n + 1]))
            logits_of_images.append(nhwc(logits)[0])
            lesion = logits > 0
            lesions.append(int(lesion.sum()))
            score = logits[lesion].mean() if lesion.any() else logits.mean()
            gradients = torch.autograd.grad(score, list(outputs.values()))
            for (block, A), dA in zip(outputs.items(), gradients):
                L = F.relu((dA.mean((2, 3), keepdim=True) * A).sum(1, keepdim=True))
                values[f"{case}.{n}.{block}"] = at_image_size(L / L.max() if L.max() > 0 else L)
            for i, alpha in alphas.items():
                values[f"{case}.{n}.attention.{i}"] = at_image_size(alpha)
        assert all(lesions) if case == "lesion" else not any(lesions), lesions
        values[case + ".logits"] = logits_of_images
    save(name, values)


def adam(name, optimiser, weight_decay):
    """Gradients of every size from 1e-9 to 100, so that eps is seen, and some zeros."""
    random = random_for(name)
    steps, n, lr = 10, 50, 1e-3
    initial = random.standard_normal(n)
    g = random.standard_normal((steps, n)) * 10 ** random.uniform(-9, 2, n)
    g[random.random((steps, n)) < 0.1] = 0
    parameter = torch.nn.Parameter(torch.from_numpy(initial.copy()))
    stepper = optimiser([parameter], lr=lr, weight_decay=weight_decay)
    w, m, v = [], [], []
    for step in range(steps):
        parameter.grad = torch.from_numpy(g[step].copy())
        stepper.step()
        w.append(parameter.detach().numpy().copy())
        m.append(stepper.state[parameter]["exp_avg"].numpy().copy())
        v.append(stepper.state[parameter]["exp_avg_sq"].numpy().copy())
    save(name, {"lr": [lr], "weight_decay": [weight_decay], "initial": initial, "g": g, "w": w, "m": m, "v": v})


def training():
    """Five steps of Adam on one batch; the dropout step is the number of steps done before."""
    name, steps, lr = "training_attention3", 5, 1e-3
    random = random_for(name)
    key = {"seed": 5, "step": 0}
    network = random_network("attention3", 2, key, random)
    values = {"base": [2], "seed": [key["seed"]], "lr": [lr], **tensors(network)}
    image, target = random.random((2, 32, 32, 1)), random_target(name, 2, 32, 32)
    optimiser = torch.optim.Adam(network.parameters(), lr=lr)
    losses = []
    for step in range(steps):
        key["step"] = step
        optimiser.zero_grad()
        logits = network(nchw(image))
        loss_bce_dice = bce(logits, nchw(target)) + soft_dice(logits, nchw(target))
        loss_bce_dice.backward()
        optimiser.step()
        losses.append(loss_bce_dice.item())
    values.update({"input": image, "target": target, "losses": losses})
    save(name, {**values, **{"after." + key: value for key, value in tensors(network).items()}})


# NaN and infinity -----------------------------------------------------------------------------------------------------


class NonFinite:
    """What NaN and infinities do to each layer, for one file: tensors CASE.x, CASE.y, CASE.dy, CASE.dx, ... As in the
    layers' own files, but that some numbers of some tensors are replaced by NaN, infinity and minus infinity, in turn.
    """

    def __init__(self, name):
        self.name, self.values = name, {}

    @staticmethod
    def planted(tensor, places):
        """The tensor with a value that is not finite at each of these places, indices into our (NHWC) order."""
        array = tensor.copy()
        for i, place in enumerate(places):
            array.reshape(-1)[place] = (np.nan, np.inf, -np.inf)[i % 3]
        return array

    def case(self, case, inputs, function, **places):
        """inputs: {name: array}, activations as NHWC; weights, called w, and vectors as PyTorch has them. `places`:
        {name: indices}, dy among them. Stores inputs, y, dy and the gradients."""
        random = random_for(f"{self.name} {case} dy")
        inputs = {key: self.planted(value, places.get(key, ())) for key, value in inputs.items()}

        def ours(key, tensor):
            return nhwc(tensor) if tensor.dim() == 4 and key not in ("w", "dw") else tensor.detach().numpy()

        def theirs(key, array):
            return nchw(array) if array.ndim == 4 and key not in ("w", "dw") else torch.from_numpy(array)

        leaves = {key: leaf(theirs(key, value)) for key, value in inputs.items()}
        y = function(*leaves.values())
        dy = self.planted(random.standard_normal(ours("y", y).shape), places.get("dy", ()))
        if y.dim() == 1:  # losses: the gradient of their mean
            dy = np.full(y.shape, 1 / y.numel())
        y.backward(theirs("dy", dy))
        stored = {**inputs, "y": ours("y", y), "dy": dy}
        stored.update({"d" + key: ours("d" + key, value.grad) for key, value in leaves.items()})
        self.values.update({f"{case}.{key}": value for key, value in stored.items()})

    def save(self):
        values = {key: np.ascontiguousarray(value, dtype=np.float64) for key, value in self.values.items()}
        safetensors_io.save(FOLDER / (self.name + ".safetensors"), values, METADATA)


def not_finite():
    file = NonFinite("not_finite")

    def drawn(name, *shape):
        return random_for(f"not_finite {name}").standard_normal(shape)

    # Non-finite x, and dy that is not finite at 0 < x, x < 0 and x = NaN.
    file.case("relu", {"x": drawn("relu", 1, 3, 5, 4)}, F.relu, x=(0, 7, 8, 31, 59), dy=(0, 1, 2, 3, 4, 5, 31))
    file.case("sigmoid", {"x": drawn("sigmoid", 1, 3, 5, 4)}, torch.sigmoid, x=(0, 7, 8, 59), dy=(0, 1, 2, 3, 7))
    file.case(
        "add", {"a": drawn("add a", 1, 3, 5, 3), "b": drawn("add b", 1, 3, 5, 3)}, torch.add, a=(0, 9), b=(9, 44), dy=(7,)
    )
    x = drawn("max_pool", 2, 5, 7, 3)
    x[1, 2:4, 2:4, 0] = -np.inf
    x[1, 2:4, 2:4, 1] = np.nan
    file.case("max_pool", {"x": x}, lambda x: F.max_pool2d(x, 2), x=(0, 4, 22, 31, 40, 209), dy=(0, 5, 9, 17))
    x = drawn("max_pool_4", 1, 4, 6, 4)
    x[0, 2:4, 2:4, 0] = -np.inf
    x[0, 2:4, 2:4, 1] = np.nan
    file.case("max_pool_4", {"x": x}, lambda x: F.max_pool2d(x, 2), x=(0, 4, 29, 95), dy=(0, 5, 9, 17))

    factors = dropout_factors(2 * 3 * 5 * 7, 0.4, 17, 3, 1001).reshape(2, 3, 5, 7)
    factors_torch = nchw(factors)
    kept, dropped = np.flatnonzero(factors), np.flatnonzero(factors == 0)
    file.case(
        "dropout",
        {"x": drawn("dropout", 2, 3, 5, 7)},
        lambda x: x * factors_torch,
        x=(*kept[:3], *dropped[:3]),
        dy=(*kept[-3:], *dropped[-3:]),
    )

    file.case(
        "concat",
        {"a": drawn("concat a", 1, 3, 5, 3), "b": drawn("concat b", 1, 3, 5, 2)},
        lambda a, b: torch.cat([a, b], dim=1),
        a=(0, 44),
        b=(0, 29),
        dy=(3, 4, 5),
    )
    file.case(
        "attention_multiply",
        {"x": drawn("attention_multiply", 1, 3, 5, 4), "alpha": drawn("alpha", 1, 3, 5, 1)},
        lambda x, alpha: x * alpha,
        x=(0, 9, 22),
        alpha=(0, 7, 14),
        dy=(4, 13, 37),
    )
    file.case(
        "edge_pad",
        {"x": drawn("edge_pad", 1, 5, 7, 3)},
        lambda x: F.pad(x, (0, 1, 0, 3), mode="replicate"),
        x=(0, 20, 104),
        dy=(3, 23, 191),
    )
    file.case("crop", {"x": drawn("crop", 1, 8, 5, 1)}, lambda x: x[:, :, :5, :3], x=(0, 3, 12, 39), dy=(1, 14))

    # Convolutions, with NaN and infinities in one tensor at a time: corners, edges and the inside.
    def convolution(case, x, w, function):
        inputs = {"x": x, "w": w, "b": drawn(case + " b", w.shape[1 if "transpose" in case else 0])}
        last, y_last = x.size - 1, nhwc(function(nchw(x), torch.from_numpy(w), None)).size - 1
        file.case(case + ".x", inputs, function, x=(0, last // 2, last))
        file.case(case + ".w", inputs, function, w=(0, w.size // 2, w.size - 1))
        file.case(case + ".dy", inputs, function, dy=(0, y_last // 2, y_last))

    for case, N, H, W, C, K, R in (
        ("conv2d_3x3", 1, 7, 6, 4, 8, 3),
        ("conv2d_3x3_odd", 2, 5, 7, 3, 2, 3),
        ("conv2d_3x3_thin", 1, 5, 6, 1, 8, 3),
        ("conv2d_1x1", 1, 3, 5, 4, 8, 1),
        ("conv2d_1x1_thin", 1, 3, 5, 4, 1, 1),
    ):
        convolution(
            case,
            drawn(case, N, H, W, C),
            drawn(case + " w", K, C, R, R),
            lambda x, w, b, padding=(R - 1) // 2: F.conv2d(x, w, b, padding=padding),
        )
    convolution(
        "conv_transpose2d",
        drawn("conv_transpose2d", 1, 3, 5, 4),
        drawn("conv_transpose2d w", 4, 3, 2, 2),
        lambda x, w, b: F.conv_transpose2d(x, w, b, stride=2),
    )

    # Nine channels: 0 to 2 with such values in x, 3 to 5 in dy, 6 in gamma, 7 in beta, 8 with none.
    C, pixels = 9, 15
    batch = {"x": drawn("batch_norm", 1, 3, 5, C), "gamma": 1 + 0.1 * drawn("gamma", C), "beta": 0.1 * drawn("beta", C)}
    batch_places = {"x": (0, 3 * C + 1, 14 * C + 2), "dy": (3, 7 * C + 4, 14 * C + 5), "gamma": (6,), "beta": (7,)}
    train = {"running_mean": None, "running_var": None, "training": True, "eps": 1e-5}

    def normalised(x, gamma, beta):
        return F.batch_norm(x, weight=gamma, bias=beta, **train)

    file.case("batch_norm", batch, normalised, **batch_places)
    mean, var = torch.zeros(C, dtype=torch.float64), torch.ones(C, dtype=torch.float64)
    F.batch_norm(torch.from_numpy(file.values["batch_norm.x"]).permute(0, 3, 1, 2), mean, var, training=True)
    file.values.update({"batch_norm.running_mean": mean, "batch_norm.running_var": var})

    # Upstream gradients that are not finite at kept, dropped and clipped elements.
    factors_torch = nchw(dropout_factors(pixels * C, 0.4, 17, 3, 1001).reshape(1, 3, 5, C))
    clipped = nhwc(normalised(nchw(batch["x"]), torch.from_numpy(batch["gamma"]), torch.from_numpy(batch["beta"]))) <= 0
    dropped = nhwc(factors_torch) == 0
    places = []
    for c, there in ((3, ~clipped & ~dropped), (4, ~clipped & dropped), (5, clipped & ~dropped), (8, clipped & dropped)):
        places.append(np.flatnonzero(there & (np.arange(C) == c))[0])
    file.case(
        "batch_norm_relu_dropout",
        batch,
        lambda x, gamma, beta: F.relu(normalised(x, gamma, beta)) * factors_torch,
        **{**batch_places, "dy": places},
    )

    for case, function in ("bce", bce), ("dice", soft_dice), ("tversky", tversky), ("focal", focal):
        # Several images, each with its own kind; the loss of each is a loss of its own.
        target = random_target("not_finite " + case, 4, 3, 5)
        losses = lambda z: torch.stack([function(z[i : i + 1], nchw(target[i : i + 1])) for i in range(4)])
        file.case(case, {"logits": 4 * drawn(case, 4, 3, 5, 1)}, losses, logits=(7, 15 + 14, 30))
        file.values[case + ".target"] = target

    fold = {"w": drawn("fold w", 8, 3, 1, 1), "gamma": drawn("fold gamma", 8), "beta": drawn("fold beta", 8)}
    fold.update({"running_mean": drawn("fold mean", 8), "running_var": 1 + drawn("fold var", 8) ** 2})
    fold["w"][0, 1], fold["gamma"][1:3], fold["beta"][3] = np.nan, (np.nan, np.inf), -np.inf
    fold["running_mean"][4], fold["running_var"][5:8] = np.nan, (np.nan, np.inf, -1)
    w, beta = torch.nn.utils.fuse_conv_bn_weights(
        torch.from_numpy(fold["w"]),
        None,
        *(torch.from_numpy(fold[key]) for key in ("running_mean", "running_var")),
        1e-5,
        *(torch.from_numpy(fold[key]) for key in ("gamma", "beta")),
    )
    file.values.update({"fold_batch_norm." + key: value for key, value in fold.items()})
    file.values.update({"fold_batch_norm.after.w": w.detach(), "fold_batch_norm.after.beta": beta.detach()})

    w, m, v, g = (drawn("adam " + name, 16) for name in "wmvg")
    state = {"w": w, "m": m, "v": np.abs(v), "g": g}
    for i, name in enumerate("wmvg"):
        state[name] = NonFinite.planted(state[name], range(4 * i, 4 * i + (2 if name == "v" else 3)))
    parameter = torch.nn.Parameter(torch.from_numpy(state["w"].copy()))
    parameter.grad = torch.from_numpy(state["g"].copy())
    stepper = torch.optim.Adam([parameter], lr=1e-3)
    stepper.state[parameter] = {
        "step": torch.tensor(1.0),
        "exp_avg": torch.from_numpy(state["m"].copy()),
        "exp_avg_sq": torch.from_numpy(state["v"].copy()),
    }
    stepper.step()
    state["after.w"] = parameter.detach().numpy()
    state["after.m"] = stepper.state[parameter]["exp_avg"].numpy()
    state["after.v"] = stepper.state[parameter]["exp_avg_sq"].numpy()
    file.values.update({"adam." + name: value for name, value in state.items()})
    file.save()


# The model that comes with the project --------------------------------------------------------------------------------


def shipped_model():
    """Its logits for speckle with a darker ellipse in it."""
    random = random_for("model")
    y, x = np.mgrid[0:64, 0:64]
    inside = ((y - 30) / 12) ** 2 + ((x - 34) / 18) ** 2 < 1
    image = (np.where(inside, 0.12, 0.45) * random.gamma(4, 0.25, (64, 64))).clip(0, 1).reshape(1, 64, 64, 1)
    image = np.round(255 * image) / 255
    network = Checkpoint(FOLDER.parent.parent / "models" / "attention4-busi.safetensors").network(averages=True).eval()
    save("model", {"image": image, "logits": nhwc(network(nchw(image)))})


def main():
    global FOLDER
    if len(sys.argv) > 1:
        FOLDER = pathlib.Path(sys.argv[1])
    FOLDER.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    layers()
    double_conv_block("double_conv", 2, 5, 7, 3, 4, {"seed": 2**33 + 7, "step": 11}, layer=2)
    double_conv_block("double_conv_one_channel", 1, 6, 3, 1, 2, {"seed": 1, "step": 0}, layer=0)
    attention_gate_block("attention_gate", 2, 5, 7, 6)
    attention_gate_block("attention_gate_two_channels", 1, 3, 8, 2)
    network_pass("attention3", 2, 1, 16, 24)
    network_pass("attention3", 2, 2, 17, 24)
    network_pass("attention4", 2, 1, 37, 33)
    network_pass("attention4", 2, 2, 19, 32)
    network_pass("unet3", 2, 2, 17, 24)
    network_pass("unet4", 2, 1, 37, 33)
    gradcam("attention3", 2, 2, 17, 24)
    gradcam("unet3", 2, 2, 17, 24)
    adam("adam", torch.optim.Adam, 0)
    adam("adamw", torch.optim.AdamW, 0.01)
    training()
    not_finite()
    shipped_model()


if __name__ == "__main__":
    main()
