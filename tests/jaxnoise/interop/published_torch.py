"""Noise2NoiseFlow as its published PyTorch code computes it: numpy, float64, the code's own names.

Written from a description of that code, and on its own: it shares nothing with jaxnoise. Images are
(N, C, H, W) here.
"""

import numpy as np

ISOS = (100, 400, 800, 1600, 3200)
FLOW, DENOISER = "noise_flow.model.", "denoiser."
UNET = {
    "1.0": "image first",
    "1.2": "first first",
    "2.0": "first first",
    "3.0": "first first",
    "3.2": "first first",
    "4.0": "up up",
    "4.2": "up up",
    "4.4": "up up",
    "5.0": "three up",
    "5.2": "up up",
    "5.4": "up up",
    "6.0": "joined wide",
    "6.2": "wide narrow",
    "6.4": "narrow image",
}
UNET_STEPS_UP = ("3.2", "4.4", "5.4")


def random_flow(arch: str, *, channels: int = 4, width: int = 4, seed: int = 0, prefix=FLOW):
    """Tensors of layers such as "sdn|unc|gain|unc", none at its start value."""
    random = np.random.default_rng(seed)
    normal = lambda scale, *shape: (scale * random.normal(size=shape)).astype(np.float32)  # noqa: E731
    tensors: dict[str, np.ndarray] = {}
    kept = channels // 2
    outputs = 2 * (channels - kept)
    place = 0
    for token in arch.split("|"):
        own = f"{prefix}{place}."
        place += 1
        if token == "sdn":
            # Tables come from numpy, whose numbers have 64 bits.
            tensors[own + "_scale.cam_params"] = normal(0.2, 3, 5).astype(np.float64) / 3
            tensors[own + "_scale.gain_params"] = normal(0.3, 5).astype(np.float64) - 3
            tensors[own + "_scale.beta1"] = np.asarray(np.float32(-4.3))
            tensors[own + "_scale.beta2"] = np.asarray(np.float32(-0.3))
        elif token == "gain":
            tensors[own + "scale"] = np.asarray(np.float32(1.2))
        else:
            tensors[own + "p"] = np.eye(channels, dtype=np.float32)[random.permutation(channels)]
            tensors[own + "sign_s"] = random.choice([-1, 1], channels).astype(np.float32)
            tensors[own + "log_s"] = normal(0.3, channels)
            # What is masked holds numbers too.
            tensors[own + "l"] = normal(0.4, channels, channels)
            tensors[own + "u"] = normal(0.4, channels, channels)
            own = f"{prefix}{place}._shift_and_log_scale."
            place += 1
            tensors[own + "scale"] = normal(0.1, 1) + np.float32(0.5)
            tensors[own + "logs"] = normal(0.1, 1, outputs, 1, 1)
            for name, again, shape in (
                ("conv2d_1", "net.0", (width, kept, 3, 3)),
                ("conv2d_2", "net.3", (width, width, 1, 1)),
                ("conv2d_3", None, (outputs, width + 1, 3, 3)),
            ):
                tensors[f"{own}{name}.weight"] = normal(0.4, *shape)
                tensors[f"{own}{name}.bias"] = normal(0.2, shape[0])
                if again:
                    for kind in ("weight", "bias"):
                        tensors[f"{own}{again}.{kind}"] = tensors[f"{own}{name}.{kind}"]
            for name in ("net.1", "net.4"):
                tensors |= random_norm(own + name, width, normal)
    return tensors


def random_norm(scope: str, width: int, normal):
    return {
        f"{scope}.weight": 1 + normal(0.3, width),
        f"{scope}.bias": normal(0.3, width),
        f"{scope}.running_mean": normal(0.2, width),
        f"{scope}.running_var": np.exp(normal(0.3, width)),
        f"{scope}.num_batches_tracked": np.asarray(446_880),
    }


def random_dncnn(*, channels=4, features=6, depth=4, seed=0, prefix=""):
    random = np.random.default_rng(seed)
    normal = lambda scale, *shape: (scale * random.normal(size=shape)).astype(np.float32)  # noqa: E731
    tensors = {f"{prefix}dncnn.0.bias": normal(0.1, features)}
    for place in range(depth):
        number = 3 * place - 1 if place else 0
        outputs = channels if place == depth - 1 else features
        inputs = features if place else channels
        tensors[f"{prefix}dncnn.{number}.weight"] = normal(0.2, outputs, inputs, 3, 3)
        if 0 < place < depth - 1:
            tensors |= random_norm(f"{prefix}dncnn.{number + 1}", features, normal)
    return tensors


def random_unet(*, channels=4, features=6, seed=0, prefix=""):
    random = np.random.default_rng(seed)
    sizes = {
        "image": channels,
        "first": features,
        "up": 2 * features,
        "three": 3 * features,
        "joined": 2 * features + channels,
        "wide": 4 * features // 3,
        "narrow": 2 * features // 3,
    }
    tensors = {}
    for name, ends in UNET.items():
        inputs, outputs = (sizes[end] for end in ends.split())
        axes = (inputs, outputs) if name in UNET_STEPS_UP else (outputs, inputs)
        weight = random.normal(size=(*axes, 3, 3)) * (2 / (9 * inputs)) ** 0.5
        tensors[f"{prefix}_block{name}.weight"] = weight.astype(np.float32)
        bias = 0.1 * random.normal(size=outputs)
        tensors[f"{prefix}_block{name}.bias"] = bias.astype(np.float32)
    return tensors


def normalise(tensors, arch, noise, clean, camera: int, iso: int, *, prefix=FLOW):
    """Latent and log-determinant of each image; one camera and ISO for all, as in that code."""
    tensors = {name: value.astype(np.float64) for name, value in tensors.items()}
    x, log_det = np.asarray(noise, np.float64), np.zeros(len(noise))
    place = 0
    for token in arch.split("|"):
        own = f"{prefix}{place}."
        place += 1
        if token == "sdn":
            own += "_scale."
            factors = np.exp(tensors[own + "cam_params"][:, camera])
            beta1 = np.exp(tensors[own + "beta1"] * factors[0])
            beta2 = np.exp(tensors[own + "beta2"] * factors[1])
            gain = np.exp(tensors[own + "gain_params"][ISOS.index(iso)] * factors[2]) * iso
            scale = np.sqrt(beta1 * clean / gain + beta2)
            x, log_det = x / scale, log_det - np.log(scale).sum((1, 2, 3))
        elif token == "gain":
            gain = tensors[own + "scale"]
            x, log_det = x / gain, log_det - np.log(gain) * x[0].size
        else:
            lower = np.tril(tensors[own + "l"], -1) + np.eye(x.shape[1])
            log_s = tensors[own + "log_s"]
            upper = np.triu(tensors[own + "u"], 1) + np.diag(
                tensors[own + "sign_s"] * np.exp(log_s)
            )
            x = np.einsum("oi,nihw->nohw", tensors[own + "p"] @ lower @ upper, x)
            log_det = log_det + x.shape[2] * x.shape[3] * log_s.sum()
            x, change = coupling(tensors, f"{prefix}{place}._shift_and_log_scale.", x)
            log_det = log_det + change
            place += 1
    return x, log_det


def coupling(tensors, own, x):
    kept, changed = np.split(x, [x.shape[1] // 2], 1)
    hidden = kept
    for conv, norm in (("net.0", "net.1"), ("net.3", "net.4")):
        hidden = convolve(hidden, tensors[f"{own}{conv}.weight"], tensors[f"{own}{conv}.bias"])
        hidden = np.maximum(batch_norm(tensors, own + norm, hidden), 0)
    ring = ((0, 0), (0, 0), (1, 1), (1, 1))
    edge = np.pad(np.zeros_like(hidden[:, :1]), ring, constant_values=1.0)
    padded = np.concatenate([np.pad(hidden, ring), edge], 1)
    output = convolve(padded, tensors[own + "conv2d_3.weight"], tensors[own + "conv2d_3.bias"], 0)
    shift, raw = np.split(output * np.exp(3 * tensors[own + "logs"]), 2, 1)
    log_scale = tensors[own + "scale"] * np.tanh(raw)
    changed = changed * np.exp(log_scale) + shift
    return np.concatenate([kept, changed], 1), log_scale.sum((1, 2, 3))


def batch_norm(tensors, scope, x):
    weight, bias, mean, var = (
        tensors[f"{scope}.{name}"][:, None, None]
        for name in ("weight", "bias", "running_mean", "running_var")
    )
    return (x - mean) / np.sqrt(var + 1e-5) * weight + bias


def dncnn(tensors, noisy, *, prefix=""):
    tensors = {name: value.astype(np.float64) for name, value in tensors.items()}
    own = f"{prefix}dncnn."
    hidden = np.maximum(convolve(noisy, tensors[own + "0.weight"], tensors[own + "0.bias"]), 0)
    number = 2
    while f"{own}{number + 1}.running_mean" in tensors:
        hidden = convolve(hidden, tensors[f"{own}{number}.weight"])
        hidden = np.maximum(batch_norm(tensors, f"{own}{number + 1}", hidden), 0)
        number += 3
    return noisy - convolve(hidden, tensors[f"{own}{number}.weight"])


def unet(tensors, noisy, *, prefix=""):
    tensors = {name: value.astype(np.float64) for name, value in tensors.items()}

    def parts(name):
        return tensors[f"{prefix}_block{name}.weight"], tensors[f"{prefix}_block{name}.bias"]

    def apply(names, x):
        for name in names.split():
            if name in UNET_STEPS_UP:
                x = step_up(x, *parts(name))
            else:
                x = np.maximum(convolve(x, *parts(name)), 0)
        return x

    skipped = [noisy, pool(apply("1.0 1.2", noisy))]
    for _ in range(4):
        skipped.append(pool(apply("2.0", skipped[-1])))
    x = apply("3.0 3.2", skipped.pop())
    for names in ("4.0 4.2 4.4", *["5.0 5.2 5.4"] * 3, "6.0 6.2"):
        x = apply(names, np.concatenate([x, skipped.pop()], 1))
    x = convolve(x, *parts("6.4"))
    return np.where(x > 0, x, 0.1 * x)


def convolve(x, weight, bias=None, padding: int | None = None):
    """Zero-padded cross-correlation, by default to the same size."""
    size = weight.shape[-1]
    ring = size // 2 if padding is None else padding
    x = np.pad(x, ((0, 0), (0, 0), (ring, ring), (ring, ring)))
    height, width = (side - size + 1 for side in x.shape[2:])
    out = sum(
        np.einsum("oc,nchw->nohw", weight[:, :, i, j], x[:, :, i : i + height, j : j + width])
        for i in range(size)
        for j in range(size)
    )
    return out if bias is None else out + bias[:, None, None]


def step_up(x, weight, bias):
    """A transposed convolution of stride 2, padding 1 and output padding 1."""
    number, _, height, width = x.shape
    out = np.zeros((number, weight.shape[1], 2 * height + 2, 2 * width + 2))
    for i in range(3):
        for j in range(3):
            spread = np.einsum("co,nchw->nohw", weight[:, :, i, j], x)
            out[:, :, i : i + 2 * height : 2, j : j + 2 * width : 2] += spread
    return out[:, :, 1:-1, 1:-1] + bias[:, None, None]


def pool(x):
    number, channels, height, width = x.shape
    return x.reshape(number, channels, height // 2, 2, width // 2, 2).max((3, 5))
