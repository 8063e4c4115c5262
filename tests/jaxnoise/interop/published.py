"""Noise Flow as its published code computes it: numpy, float64, the code's own names.

Written from a description of that code, and on its own: it shares nothing with jaxnoise.
"""

import numpy as np

ISOS = (100, 400, 800, 1600, 3200)


def random_tensors(arch: str, *, seed: int = 0, width: int = 4) -> dict[str, np.ndarray]:
    """Float32 tensors of an architecture such as "sdn5|unc|gain4|unc", none at its start value."""
    random = np.random.default_rng(seed)
    normal = lambda scale, *shape: (scale * random.normal(size=shape)).astype(np.float32)  # noqa: E731
    tensors: dict[str, np.ndarray] = {}
    couplings = 0
    for place, token in enumerate(arch.split("|")):
        tensors[f"level0/bijector{place}/rescaling_scale0"] = np.asarray(normal(0.1) + 0.5)
        if token == "unc":
            own = f"level0/bijector{place}/Conv2d_1x1_{place}"
            own = own + "/{}_matpar_lu_conv2d_1x1_" + f"{place}_0"
            tensors[own.format("P")] = np.eye(4, dtype=np.float32)[random.permutation(4)]
            tensors[own.format("sign_S")] = random.choice([-1, 1], 4).astype(np.float32)
            tensors[own.format("log_S")] = normal(0.3, 4)
            tensors[own.format("L_vec")] = normal(0.4, 6)
            tensors[own.format("U_vec")] = normal(0.4, 6)
            scope = scope_of(couplings)
            for name, shape in (
                ("l_1", (3, 3, 2, width)),
                ("l_2", (1, 1, width, width)),
                ("l_last", (3, 3, width + 1, 4)),
            ):
                tensors[f"{scope}/{name}/W"] = normal(0.4, *shape)
                tensors[f"{scope}/{name}/b"] = normal(0.2, 1, 1, 1, shape[-1])
            tensors[f"{scope}/l_last/logs"] = normal(0.1, 1, 4)
            for name in ("bn_nvp_conv_1", "bn_nvp_conv_2"):
                tensors[f"{scope}/{name}/mean"] = normal(0.2, width)
                tensors[f"{scope}/{name}/var"] = np.exp(normal(0.3, width))
            couplings += 1
    if "sdn" in arch:
        tensors["model/sdn_gain/beta1"] = np.array([-4.3], np.float32)
        tensors["model/sdn_gain/beta2"] = np.array([-0.3], np.float32)
        tensors["model/sdn_gain/gain_val"] = np.array([1.2], np.float32)
        tensors["model/sdn_gain/gain_params"] = normal(0.3, 5) - 3
    if "sdn5" in arch:
        tensors["model/sdn_gain/cam_params"] = normal(0.2, 3, 5)
    return tensors


def scope_of(coupling: int) -> str:
    return "model/real_nvp_conv_template" + (f"_{coupling}" if coupling else "")


def normalise(tensors, arch, noise, clean, camera: int, iso: int):
    """Latent and log-determinant of each image; one camera and ISO for all, as in that code."""
    tensors = {name: value.astype(np.float64) for name, value in tensors.items()}
    x, log_det = np.asarray(noise, np.float64), np.zeros(len(noise))
    couplings = 0
    for place, token in enumerate(arch.split("|")):
        if token.startswith("sdn"):
            scale = signal_scale(tensors, np.asarray(clean, np.float64), camera, iso)
            x, change = x / scale, -np.log(scale).sum((1, 2, 3))
        elif token == "gain4":
            gain = tensors["model/sdn_gain/gain_val"][0]
            x, change = x / gain, -np.log(gain) * x[0].size
        else:
            x, change = conv1x1(tensors, place, x)
            log_det = log_det + change
            x, change = coupling(tensors, place, scope_of(couplings), x)
            couplings += 1
        log_det = log_det + change
    return x, log_det


def nll(latent, log_det):
    """Nats per image."""
    return 0.5 * (np.log(2 * np.pi) + latent**2).sum((1, 2, 3)) - log_det


def signal_scale(tensors, clean, camera, iso):
    own = {name.split("/")[-1]: v for name, v in tensors.items() if "sdn_gain" in name}
    factors = np.exp(own["cam_params"][:, camera]) if "cam_params" in own else np.ones(3)
    beta1 = np.exp(own["beta1"][0] * factors[0])
    beta2 = np.exp(own["beta2"][0] * factors[1])
    gain = np.exp(own["gain_params"][ISOS.index(iso)] * factors[2]) * iso
    return np.sqrt(beta1 * clean / gain + beta2)


def conv1x1(tensors, place, x):
    name = f"level0/bijector{place}/Conv2d_1x1_{place}/{{}}_matpar_lu_conv2d_1x1_{place}_0"
    a, b, c, d, e, f = tensors[name.format("L_vec")]
    lower = np.array([[1, 0, 0, 0], [d, 1, 0, 0], [f, e, 1, 0], [c, b, a, 1]])
    a, b, c, d, e, f = tensors[name.format("U_vec")]
    upper = np.array([[0, a, b, c], [0, 0, e, f], [0, 0, 0, d], [0, 0, 0, 0]])
    log_diagonal = tensors[name.format("log_S")]
    upper = upper + np.diag(tensors[name.format("sign_S")] * np.exp(log_diagonal))
    matrix = tensors[name.format("P")] @ lower @ upper
    return x @ matrix, x.shape[1] * x.shape[2] * log_diagonal.sum()


def coupling(tensors, place, scope, x):
    kept, changed = x[..., :2], x[..., 2:]
    hidden = kept
    for layer in (1, 2):
        hidden = convolve(hidden, tensors[f"{scope}/l_{layer}/W"], edge=None)
        hidden = hidden + tensors[f"{scope}/l_{layer}/b"]
        mean, var = (tensors[f"{scope}/bn_nvp_conv_{layer}/{part}"] for part in ("mean", "var"))
        hidden = np.maximum((hidden - mean) / np.sqrt(var + 1e-4), 0)
    output = convolve(hidden, tensors[f"{scope}/l_last/W"], edge=1.0)
    output = output + tensors[f"{scope}/l_last/b"]
    output = output * np.exp(3 * tensors[f"{scope}/l_last/logs"])
    scale = tensors[f"level0/bijector{place}/rescaling_scale0"]
    log_scale = scale * np.tanh(output[..., 2:])
    changed = changed * np.exp(log_scale) + output[..., :2]
    return np.concatenate([kept, changed], -1), log_scale.sum((1, 2, 3))


def convolve(x, kernel, *, edge):
    """Zero-padded convolution; with an edge, a further channel holds it in the padding."""
    size = len(kernel)
    ring = size // 2
    _, height, width, _ = x.shape
    padding = [(0, 0), (ring, ring), (ring, ring), (0, 0)]
    if edge is not None:
        mark = np.pad(np.zeros((*x.shape[:-1], 1)), padding, constant_values=edge)
        x = np.concatenate([np.pad(x, padding), mark], -1)
    else:
        x = np.pad(x, padding)
    return sum(
        x[:, i : i + height, j : j + width] @ kernel[i, j] for i in range(size) for j in range(size)
    )
