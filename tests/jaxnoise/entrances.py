"""Public functions, arguments that they take, and some that they do not take: those of models."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxnoise import models, noise
from jaxnoise.loaded import Loaded
from jaxnoise.noise import shot_read

IMAGES = np.linspace(0, 1, 384, dtype=np.float32).reshape(2, 8, 6, 4)
IMAGE, GREY = IMAGES[0], IMAGES[..., :1]
INTEGERS = (1000 * IMAGES).astype(np.uint16)
FLAGS = np.ones((2, 8, 6, 1), bool)
KEY = jax.random.key(0)
SETS = np.linspace(0, 1, 12, dtype=np.float32).reshape(2, 6)
CHANNELS = np.zeros(4, np.float32)

Fault = tuple[dict[str, Any], str]
"""Arguments that do not fit, and what the sentence says of them, a regular expression."""


class Row(NamedTuple):
    """A public function, arguments that it takes, and some that it does not take.

    What is `on_host` does not run under jit.
    """

    function: Callable[..., Any]
    fits: dict[str, Any]
    faults: list[Fault]
    on_host: bool = False


def batches(*names: str) -> list[Fault]:
    faults: list[Fault] = []
    for name in names:
        faults += [
            ({name: IMAGE}, r"\(8, 6, 4\)"),
            ({name: GREY}, rf"{name} .*\(2, 8, 6, 1\)"),
            ({name: INTEGERS}, rf"{name} .*\(2, 8, 6, 4\).*uint16"),
        ]
    return faults


def single(name: str) -> list[Fault]:
    return [
        ({name: IMAGES}, r"\(2, 8, 6, 4\)"),
        ({name: INTEGERS[0]}, rf"{name} .*\(8, 6, 4\).*uint16"),
    ]


MASKS: list[Fault] = [
    ({"valid": np.ones((2, 8, 6, 4), bool)}, r"valid .*\(2, 8, 6, 4\).*\(2, 8, 6, 1\)"),
    ({"valid": FLAGS.astype(np.float32)}, r"valid .*\(2, 8, 6, 1\).*float32"),
]
CONDITIONS: list[Fault] = [
    ({"camera": np.zeros((1, 2))}, r"camera .*\(1, 2\).*\(2,\)"),
    ({"iso": np.full((1, 2), 100.0)}, r"iso .*\(1, 2\).*\(2,\)"),
    ({"iso": np.full(2, True)}, r"iso .*\(2,\).*bool"),
]
KEYS: list[Fault] = [({"key": jax.random.split(KEY)}, r"key .*\(2,\)")]
TEMPERATURES: list[Fault] = [({"temperature": CHANNELS}, r"temperature .*\(4,\)")]

TWO = {"camera": np.zeros(2, np.int32), "iso": np.full(2, 100.0, np.float32)}
KNOWN = {"cameras": ("a", "b"), "isos": (100, 800)}


def of_noise_model(module: Any, config: Any, **variables: Any) -> dict[str, Row]:
    """Rows of the functions that a noise model has; none of them reaches the variables."""
    stored = {"variables": variables, "config": config, "clean": IMAGES, **TWO}
    likely = {**stored, "noise": IMAGES, "valid": FLAGS}
    learnt = {name: value for name, value in likely.items() if name != "variables"}
    drawn = {**stored, "key": KEY, "temperature": 1.0}
    image = {**drawn, "clean": IMAGE, "camera": 0, "iso": 100.0}
    batch = SimpleNamespace(clean=IMAGES, noisy=IMAGES, valid=FLAGS, **TWO)
    started = {"variables": variables, "config": config, "batch": batch}
    densities = [*batches("noise", "clean"), *CONDITIONS, *MASKS]
    samples = [*batches("clean"), *CONDITIONS, *KEYS, *TEMPERATURES]
    images = [
        *single("clean"),
        ({"camera": np.zeros(1, int)}, r"camera .*\(1,\)"),
        *KEYS,
        *TEMPERATURES,
    ]
    askew = {"camera": np.zeros((1, 2)), "iso": TWO["iso"]}
    starts = [
        (
            {"batch": SimpleNamespace(clean=IMAGES, noisy=GREY, valid=None, **TWO)},
            r"(clean|noisy) .*\(2, 8, 6, 1\)",
        ),
        (
            {"batch": SimpleNamespace(clean=IMAGES, noisy=IMAGES, valid=None, **askew)},
            r"camera .*\(1, 2\)",
        ),
    ]
    rows = {
        "init": ({"key": KEY, "config": config}, KEYS),
        "fit": (learnt, densities, True),
        "init_from_data": (started, starts, True),
        "distribution": (stored, [*batches("clean"), *CONDITIONS]),
        "log_prob": (likely, densities),
        "nll_and_update": (likely, densities),
        "sample": (drawn, samples),
        "sample_bands": (image, images, True),
        "sample_image": (image, images, True),
    }
    name = module.__name__
    return {
        f"{name}.{each}": Row(getattr(module, each), *row)
        for each, row in rows.items()
        if hasattr(module, each)
    }


def of_models() -> dict[str, Row]:
    flow, both = models.get("noiseflow"), models.get("noise2noiseflow")
    denoiser = models.get("denoiser")
    flows = flow.Config(arch="S-G-CAM", **KNOWN)
    small = denoiser.Config(features=2, depth=2)
    pair = both.Config(noise_model=flows, denoiser=small)
    noisy = {"variables": {}, "noisy": IMAGES}
    shots = {"noisy1": IMAGES, "noisy2": IMAGES, "valid": FLAGS}
    joint = [*batches("noisy1", "noisy2"), *MASKS]
    weights: list[Fault] = [({"weight": CHANNELS}, r"weight .*\(4,\)")]
    terms = {"noise_nll": None, "denoise": None, "state": None, **shots, "weight": 1.0}
    stored = {"variables": {}, "config": pair}
    rows = {
        **of_noise_model(flow, flows),
        **of_noise_model(both, pair, noise_model={}, denoiser={}),
        "jaxnoise.models.denoiser.init": Row(denoiser.init, {"key": KEY, "config": small}, KEYS),
        "jaxnoise.models.noise2noiseflow.joint_loss": Row(
            both.joint_loss, {**stored, **shots, **TWO}, [*joint, *CONDITIONS]
        ),
        "jaxnoise.models.noise2noiseflow.joint_terms": Row(
            both.joint_terms, terms, [*joint, *weights]
        ),
        "jaxnoise.models.noise2noiseflow.recorrupt": Row(
            both.recorrupt,
            {"key": KEY, "noisy": IMAGES, "std": 0.1},
            [
                ({"noisy": IMAGE}, r"noisy .*\(8, 6, 4\)"),
                ({"noisy": INTEGERS}, "noisy .*uint16"),
                ({"std": CHANNELS}, r"std .*\(4,\)"),
                *KEYS,
            ],
        ),
    }
    for module, config in ((denoiser, small), (both, pair)):
        own = {**noisy, "config": config, "variables": {"denoiser": {}}}
        name = module.__name__
        rows[f"{name}.denoise"] = Row(module.denoise, own, batches("noisy"))
        image = {**own, "noisy": IMAGE}
        for function in (module.denoise_bands, module.denoise_image):
            rows[f"{name}.{function.__name__}"] = Row(function, image, single("noisy"), True)
    update = {**noisy, "config": small}
    rows["jaxnoise.models.denoiser.denoise_and_update"] = Row(
        denoiser.denoise_and_update, update, batches("noisy")
    )
    return rows


def of_noise() -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for name in noise.__all__:
        module = getattr(noise, name)
        own = of_noise_model(module, module.Config(**KNOWN))
        if name != "autoregressive":  # the others mix no channels and take any number of them
            for key, row in own.items():
                faults = [
                    fault
                    for fault in row.faults
                    if "noise" in row.fits or fault[0].get("clean") is not GREY
                ]
                own[key] = row._replace(faults=faults)
        rows |= own
    given = {"random": None, "clean": IMAGE, "shot": 0.1, "read": 0.1}
    variances: list[Fault] = [({"shot": CHANNELS}, r"shot .*\(4,\)")]
    row = Row(shot_read.sample_image, given, [*single("clean"), *variances], True)
    return {**rows, "jaxnoise.noise.shot_read.sample_image": row}


def of_loaded() -> dict[str, Row]:
    flow, denoiser = models.get("noiseflow"), models.get("denoiser")
    noises = Loaded("noiseflow", flow.Config(arch="S-G-CAM", **KNOWN), {})
    estimates = Loaded("denoiser", denoiser.Config(), {})
    shapes = [
        ({"clean": IMAGES[None]}, r"clean .*\(1, 2, 8, 6, 4\)"),
        ({"clean": GREY}, r"\(2, 8, 6, 1\)"),
        ({"clean": INTEGERS}, "clean .*uint16"),
        ({"iso": TWO["iso"][None]}, r"iso .*\(1, 2\)"),
    ]
    given = {"clean": IMAGES, **TWO}
    likely = {**given, "noise": IMAGES, "valid": FLAGS}
    noisy = [({"noisy": GREY}, r"\(2, 8, 6, 1\)"), ({"noisy": INTEGERS}, "noisy .*uint16")]
    return {
        "jaxnoise.loaded.Loaded.sample": Row(
            noises.sample, {**given, "key": KEY}, [*shapes, *KEYS]
        ),
        "jaxnoise.loaded.Loaded.log_prob": Row(noises.log_prob, likely, [*shapes, *MASKS]),
        "jaxnoise.loaded.Loaded.denoise": Row(estimates.denoise, {"noisy": IMAGES}, noisy),
    }


def rows() -> dict[str, Row]:
    """All rows of this file, by the functions' names."""
    return {**of_models(), **of_noise(), **of_loaded()}
