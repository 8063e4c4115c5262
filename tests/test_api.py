"""The public names exist, and each says what it returns, what it takes and where it comes from."""

import importlib
import inspect
import re

import pytest

from tests.docstrings import complaints

pytestmark = pytest.mark.fast

MODEL = ["Config", "init", "init_from_data", "distribution", "log_prob", "nll_and_update", "sample"]
PUBLIC = {
    "jaxnoise": ["load"],
    "jaxnoise.loaded": ["Loaded"],
    "jaxnoise.tasks": ["TASKS", "Task", "task"],
    "jaxnoise.tiles": ["Part", "bands", "spans", "rows_at_a_time", "check_image", "filled_up"],
    "jaxnoise.abilities": ["ABILITIES", "Ability", "what_it_lacks"],
    "jaxnoise.image_protocols": ["ImageDenoiser", "ImageSampler", "SigmaImageSampler"],
    "jaxnoise.protocols": [
        "Denoiser",
        "Density",
        "Backbone",
        "Encoder",
        "Fitted",
        "Restorer",
        "Sampler",
        "SigmaSampler",
        "TrainedDenoiser",
        "TrainedDensity",
        "TrainedRestorer",
        "TrainedSigmaSampler",
    ],
    "jaxnoise.bijectors.chain": [
        "KINDS",
        "build_chain",
        "counted",
        "kind_of",
        "latent_shape",
        "layer_builder",
        "own_variables",
        "parameter_groups",
        "parse",
        "side_factor",
        "tokens",
    ],
    "jaxnoise.bijectors.chain_start": ["describe_chain", "fit_chain", "init_chain"],
    "jaxnoise.bijectors.layer_kind": ["Layer", "LayerKind", "Token", "Networks", "Settings"],
    "jaxnoise.bijectors": [
        "SignalDependent",
        "NoiseCurve",
        "Gain",
        "AffineCoupling",
        "Conv1x1",
        "ActNorm",
        "Squeeze",
        "CausalConv",
    ],
    "jaxnoise.models": ["get", "names", "require"],
    "jaxnoise.models.noiseflow": [*MODEL, "describe", "sample_bands", "sample_image"],
    "jaxnoise.models.cono": [
        "Config",
        "Terms",
        "Weights",
        "init",
        "noise_mmd2",
        "objective",
        "sample",
        "sample_and_update",
        "sample_bands",
        "sample_image",
        "to_latent",
        "to_noise",
    ],
    "jaxnoise.models.denoiser": [
        "Config",
        "init",
        "denoise",
        "denoise_and_update",
        "denoise_bands",
        "denoise_image",
        "features",
        "last_layer",
    ],
    "jaxnoise.models.rcl": [
        "Config",
        "DISTANCES",
        "FORMS",
        "Terms",
        "backbone_of",
        "differences",
        "gaps",
        "init",
        "last_layer_labels",
        "objective",
        "restore",
        "restore_and_update",
        "with_fresh_head",
        "with_fresh_last",
        "raw_consistency",
        "raw_residual",
        "residual_distances",
        "residual_loss",
    ],
    "jaxnoise.models.noise2noiseflow": [
        "Config",
        "init",
        "joint_loss",
        "joint_terms",
        "log_prob",
        "sample",
        "sample_bands",
        "sample_image",
        "denoise",
        "denoise_bands",
        "denoise_image",
        "recorrupt",
        "Terms",
    ],
    "jaxnoise.noise": ["awgn", "nlf", "autoregressive", "poisson", "poisson_gaussian"],
    "jaxnoise.noise.awgn": ["Config", "fit", "log_prob", "sample"],
    "jaxnoise.noise.nlf": ["Config", "fit", "log_prob", "sample"],
    "jaxnoise.noise.autoregressive": ["Config", "fit", "log_prob", "sample"],
    "jaxnoise.noise.poisson": ["Config", "fit", "sample"],
    "jaxnoise.noise.poisson_gaussian": ["Config", "fit", "sample"],
    "jaxnoise.distances": [
        "bhattacharyya",
        "emd",
        "median_bandwidth",
        "mmd2",
        "mmd2_error_bound",
        "mmd2_exact",
        "mmd2_nodes",
        "pairwise_bhattacharyya",
        "pairwise_emd",
        "pairwise_mmd2",
        "pairwise_mmd2_exact",
        "pairwise_sliced_emd",
        "pairwise_sliced_mmd2",
        "random_directions",
        "sliced_emd",
        "sliced_mmd2",
    ],
    "jaxnoise.nets.encoders": ["Pyramid", "ResNet50", "Vgg16"],
    "jaxnoise.losses": [
        "alignment",
        "contrastive",
        "info_nce",
        "perceptual",
        "squared_error",
        "absolute_error",
        "noise2noise_error",
        "two_shot_mse",
        "half_sum_per_image",
        "filled_in",
        "grid_mask",
        "mosaic2mosaic_error",
        "noise2self_error",
        "packed_mosaic",
    ],
    "jaxnoise.metrics": [
        "nll_per_dim",
        "mean_nll_per_dim",
        "valid_dimensions",
        "marginal_kl",
        "ks",
        "psnr",
        "ssim",
        "SSIM_PRESETS",
        "IntensityCurve",
        "bright_over_dark",
        "channel_correlation",
        "intensity_slope",
        "lag_one",
        "square_by_intensity",
    ],
    "jaxnoise.noise.shot_read": ["sample_image"],
    "jaxnoise.noise.at_sigma": ["KINDS", "sample"],
    "jaxnoise.noise.random_levels": ["PRESETS", "draw"],
    "jaxnoise.io": [
        "NoiseProfile",
        "load_model",
        "read_image",
        "read_profile",
        "save_model",
        "write_image",
        "write_profile",
    ],
    "jaxnoise.io.noise_profile": ["NoiseProfile", "read_profile", "variance", "write_profile"],
    "jaxnoise.io.mat": ["MatReader", "read_mat"],
    "jaxnoise.interop": [
        "noise_flow_tf",
        "noise2noiseflow_torch",
        "denoiser_torch",
        "open_encoder",
    ],
    "jaxnoise.raw": [
        "align",
        "pack",
        "unpack",
        "mosaic_to_packed",
        "packed_to_mosaic",
        "mosaic_rgb",
        "demosaic",
        "to_fraction",
        "from_fraction",
        "add_noise",
    ],
    "jaxnoise.raw.demosaicing": ["demosaic_bands"],
    "jaxnoise.raw.rendering": ["packed_to_rgb"],
    "jaxnoise.cli": ["main"],
    "jaxnoise.errors": ["UsageError", "DataError"],
    "jaxnoise.sigma": ["checked_level", "over_images"],
    "jaxnoise.batch": ["NoiseBatch", "mean_valid", "only_valid", "whole_cells"],
}

# Of these every name computes a published equation, so every name says which.
WITH_SOURCE = {
    "jaxnoise.bijectors": {"SignalDependent", "Gain", "AffineCoupling", "Conv1x1", "ActNorm"},
    "jaxnoise.models.noiseflow": {"log_prob"},
    "jaxnoise.models.cono": {"init", "noise_mmd2", "objective", "sample", "to_latent", "to_noise"},
    "jaxnoise.models.denoiser": {"denoise", "denoise_and_update", "denoise_bands", "denoise_image"},
    "jaxnoise.models.noise2noiseflow": {"joint_loss", "joint_terms", "log_prob", "recorrupt"},
    "jaxnoise.models.rcl": {
        "differences",
        "gaps",
        "init",
        "objective",
        "restore",
        "restore_and_update",
        "raw_consistency",
        "raw_residual",
        "residual_distances",
        "residual_loss",
    },
    "jaxnoise.noise.nlf": {"log_prob"},
    "jaxnoise.noise.at_sigma": {"sample"},
    "jaxnoise.noise.random_levels": {"draw"},
    "jaxnoise.distances": {"mmd2", "mmd2_exact", "emd", "bhattacharyya", "median_bandwidth"},
    "jaxnoise.nets.encoders": {"Pyramid", "ResNet50", "Vgg16"},
    "jaxnoise.losses": {
        "alignment",
        "contrastive",
        "info_nce",
        "perceptual",
        "squared_error",
        "noise2noise_error",
        "two_shot_mse",
        "half_sum_per_image",
        "filled_in",
        "grid_mask",
        "mosaic2mosaic_error",
        "noise2self_error",
    },
    "jaxnoise.metrics": {"marginal_kl", "ks", "psnr", "ssim"},
    "jaxnoise.raw": {"demosaic"},
}


@pytest.mark.parametrize("module", PUBLIC)
def test_public_names_exist(module):
    missing = [
        name for name in PUBLIC[module] if not hasattr(importlib.import_module(module), name)
    ]
    assert missing == []


@pytest.mark.parametrize("module", PUBLIC)
def test_public_names_are_documented(module):
    loaded = importlib.import_module(module)
    assert loaded.__doc__
    found = []
    for name in sorted({*PUBLIC[module], *getattr(loaded, "__all__", [])}):
        thing = getattr(loaded, name)
        # Methods of a protocol are stated in a sentence: its docstring and its types say the rest.
        if callable(thing) and not getattr(thing, "_is_protocol", False):
            found += complaints(f"{module}.{name}", thing)
    assert found == []


@pytest.mark.parametrize("module", WITH_SOURCE)
def test_equations_name_their_source(module):
    loaded = importlib.import_module(module)
    without = []
    for name in sorted(WITH_SOURCE[module]):
        thing = getattr(loaded, name)
        members = vars(thing).values() if inspect.isclass(thing) else ()
        texts = [str(getattr(member, "__doc__", "")) for member in (thing, *members)]
        if not any(re.search(r"^\s*Sources?: \S", text, re.MULTILINE) for text in texts):
            without.append(name)
    assert without == []


def complete(clean, *, iso: int = 100):
    """Noise of an image.

    Args:
        clean: shape (H, W).
        iso: the ISO number.

    Returns:
        Shape (H, W).
    """


def without_argument(clean, iso):
    """Noise of an image.

    Args:
        clean: shape (H, W).

    Returns:
        Shape (H, W).
    """


def invented_argument(clean):
    """Noise of an image.

    Args:
        clean, noisy: shape (H, W).

    Returns:
        Shape (H, W).
    """


def without_returns(clean):
    """Noise of an image.

    Args:
        clean: shape (H, W).
    """


def test_the_walk_finds_what_is_left_out():
    assert complaints("f", complete) == []
    assert complaints("f", without_argument) == ["f: argument iso is not described"]
    assert complaints("f", invented_argument) == ["f: describes noisy, no argument"]
    assert complaints("f", without_returns) == ["f: says not what it returns"]
    assert "f: no docstring" in complaints("f", lambda clean: clean)
