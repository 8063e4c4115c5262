"""The generator's equations written out with NumPy in double precision, from the stored numbers."""

import numpy as np


def convolved(images, layer):
    """A convolution, zero outside the image: one shifted product for each tap."""
    kernel, bias = np.float64(layer["kernel"]), np.float64(layer["bias"])
    side = len(kernel)
    around = side // 2
    padded = np.pad(images, [(0, 0), (around, around), (around, around), (0, 0)])
    total = np.zeros((*images.shape[:3], len(bias))) + bias
    for row in range(side):
        for column in range(side):
            seen = padded[:, row : row + images.shape[1], column : column + images.shape[2]]
            total += seen @ kernel[row, column]
    return total


def exponent(clean, params, statistics):
    """a(x) or b(x): a convolution, ReLU and a normalisation, three times; and the statistics.

    Without running statistics it takes those of the batch.
    """
    found = {}
    for name in ("first", "second", "last"):
        hidden = np.maximum(convolved(clean, params[name]), 0)
        mean, variance = hidden.mean((0, 1, 2)), hidden.var((0, 1, 2))
        found[f"{name}_norm"] = {"mean": mean, "var": variance}
        if statistics is not None:
            own = statistics[f"{name}_norm"]
            mean, variance = np.float64(own["mean"]), np.float64(own["var"])
        normal = (hidden - mean) / np.sqrt(variance + 1e-5)
        norm = params[f"{name}_norm"]
        clean = normal * np.float64(norm["scale"]) + np.float64(norm["bias"])
    return clean, found


def factor(clean, variables, *, train=False):
    """Eq. 11 without its latent, and the batch's statistics."""
    clean = np.float64(clean)
    own = {}
    for net in ("a", "b"):
        params = variables["params"]["fusion"][net]
        statistics = None if train else variables["batch_stats"]["fusion"][net]
        own[net] = exponent(clean, params, statistics)
    (a, of_a), (b, of_b) = own["a"], own["b"]
    return np.sqrt(np.exp(a) * clean + np.exp(b)), {"a": of_a, "b": of_b}


def matrix(params, constants):
    """P L U of a 1x1 convolution."""
    lower, upper = (
        np.eye(4),
        np.diag(constants["sign"] * np.exp(np.float64(params["log_diagonal"]))),
    )
    lower[np.tril_indices(4, -1)] = params["lower"]
    upper[np.triu_indices(4, 1)] = params["upper"]
    return np.float64(constants["permutation"]) @ lower @ upper


def noise(latent, clean, sigma, variables, config, *, train=False):
    """The whole generator: fusion, then for each block actnorm, 1x1 convolution and coupling."""
    sigma = np.float64(sigma)
    sigma = sigma[:, None, None, None] if sigma.ndim == 1 else sigma
    z = np.float64(latent) * (sigma if config.units == "image" else 1)
    z = z * factor(clean, variables, train=train)[0]
    for place in range(config.blocks):
        own = variables["params"][f"block_{place}"]
        constants = variables["constants"][f"block_{place}"]["conv1x1"]
        norm = own["actnorm"]
        z = z * np.exp(np.float64(norm["log_scale"])) + np.float64(norm["shift"])
        z = z @ matrix(own["conv1x1"], constants)
        kept, changed = z[..., :2], z[..., 2:]
        made = {}
        for net in ("s", "t"):
            hidden = np.maximum(convolved(kept, own["coupling"][f"{net}_0"]), 0)
            hidden = np.maximum(convolved(hidden, own["coupling"][f"{net}_1"]), 0)
            made[net] = convolved(hidden, own["coupling"][f"{net}_2"])
        z = np.concatenate([kept, changed * np.exp(np.tanh(made["s"])) + made["t"]], -1)
    return z * (sigma if config.units == "level" else 1)
