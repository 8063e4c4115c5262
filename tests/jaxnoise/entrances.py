"""Public functions, arguments that they take, and some that they do not take: those of models."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxnoise import models, noise
from jaxnoise.loaded import Loaded
from jaxnoise.noise import at_sigma, random_levels, shot_read

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
        **of_cono(),
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


def of_cono() -> dict[str, Row]:
    cono = models.get("cono")
    config, two = cono.Config(), np.full(2, 0.1, np.float32)
    levels: list[Fault] = [
        ({"sigma": two[None]}, r"sigma .*\(1, 2\).*\(2,\)"),
        ({"sigma": np.full(2, True)}, r"sigma .*\(2,\).*bool"),
    ]
    stored = {"variables": {}, "config": config, "clean": IMAGES, "sigma": two}
    image = {**stored, "clean": IMAGE, "sigma": 0.1, "key": KEY, "temperature": 1.0}
    pair = {
        "noise_queries": IMAGES,
        "noise_candidates": IMAGES,
        "sigma_queries": two,
        "sigma_candidates": two,
    }
    pairs: list[Fault] = [
        ({"noise_queries": IMAGE}, r"noise_queries .*\(8, 6, 4\)"),
        ({"noise_candidates": INTEGERS}, "noise_candidates .*uint16"),
        ({"bandwidth": CHANNELS}, r"bandwidth .*\(4,\)"),
        ({"sigma_queries": two > 0, "sigma_candidates": two > 0}, r"sigma .*\(2,\).*bool"),
    ]
    images = [
        *single("clean"),
        ({"sigma": two}, r"sigma .*\(2,\).*\(8, 6, 4\)"),
        *KEYS,
        *TEMPERATURES,
    ]
    masks: list[Fault] = [({"negatives": np.ones(2, bool)}, r"\(2,\).*\(2, 2\)")]
    rows = {
        "init": ({"key": KEY, "config": config}, KEYS),
        "sample": (
            {**stored, "key": KEY, "temperature": 1.0},
            [*batches("clean"), *levels, *KEYS, *TEMPERATURES],
        ),
        "sample_and_update": ({**stored, "key": KEY}, [*batches("clean"), *levels, *KEYS]),
        "sample_bands": (image, images, True),
        "sample_image": (image, images, True),
        "to_noise": ({**stored, "latent": IMAGES}, [*batches("clean", "latent"), *levels]),
        "to_latent": ({**stored, "noise": IMAGES}, [*batches("clean", "noise"), *levels]),
        "noise_mmd2": (pair, pairs),
        "objective": (pair, [*pairs, *masks, ({"sigma_queries": two[:1]}, r"\(2,\).*\(1,\)")]),
    }
    name = cono.__name__
    return {f"{name}.{each}": Row(getattr(cono, each), *row) for each, row in rows.items()}


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
    level = {"key": KEY, "clean": IMAGES, "sigma": np.full(2, 0.1, np.float32), "kind": "nlf"}
    any_channels = [fault for fault in batches("clean") if fault[0]["clean"] is not GREY]
    sigmas: list[Fault] = [
        ({"sigma": np.full(3, 0.1)}, r"sigma .*\(3,\).*\(2,\)"),
        ({"sigma": np.full(2, True)}, r"sigma .*bool"),
    ]
    return {
        **rows,
        "jaxnoise.noise.shot_read.sample_image": row,
        "jaxnoise.noise.random_levels.draw": Row(
            random_levels.draw,
            {"random": np.random.default_rng(0), "preset": "normalised", "mean": 0.5},
            [({"mean": CHANNELS}, r"mean .*\(4,\)"), ({"highest": True}, r"highest .*bool")],
            True,
        ),
        "jaxnoise.noise.at_sigma.sample": Row(
            at_sigma.sample, level, [*any_channels, *sigmas, *KEYS]
        ),
    }


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
    cono = models.get("cono")
    of_level = Loaded("cono", cono.Config(), {})
    leveled = [*shapes[:3], ({"sigma": CHANNELS}, r"sigma .*\(4,\).*\(2, 8, 6, 4\)")]
    given = {"clean": IMAGES, **TWO}
    likely = {**given, "noise": IMAGES, "valid": FLAGS}
    noisy = [({"noisy": GREY}, r"\(2, 8, 6, 1\)"), ({"noisy": INTEGERS}, "noisy .*uint16")]
    return {
        "jaxnoise.loaded.Loaded.sample": Row(
            noises.sample, {**given, "key": KEY}, [*shapes, *KEYS]
        ),
        "jaxnoise.loaded.Loaded.sample by a level": Row(
            of_level.sample, {"clean": IMAGES, "sigma": 0.1, "key": KEY}, [*leveled, *KEYS]
        ),
        "jaxnoise.loaded.Loaded.log_prob": Row(noises.log_prob, likely, [*shapes, *MASKS]),
        "jaxnoise.loaded.Loaded.denoise": Row(estimates.denoise, {"noisy": IMAGES}, noisy),
    }


def rows() -> dict[str, Row]:
    """All rows of this file, by the functions' names."""
    return {**of_models(), **of_noise(), **of_loaded()}
