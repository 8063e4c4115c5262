"""The public names exist, and each says what it returns, what it takes and where it comes from."""

import dataclasses
import importlib
import inspect
import re

import pytest

pytestmark = pytest.mark.fast

MODEL = ["Config", "init", "init_from_data", "distribution", "log_prob", "nll_and_update", "sample"]
PUBLIC = {
    "jaxnoise": ["load"],
    "jaxnoise.loaded": ["Loaded"],
    "jaxnoise.tiles": ["Part", "bands", "spans", "rows_at_a_time", "check_image", "filled_up"],
    "jaxnoise.protocols": [
        "ABILITIES",
        "Denoiser",
        "Density",
        "Fitted",
        "ImageDenoiser",
        "ImageSampler",
        "Sampler",
        "TrainedDenoiser",
        "TrainedDensity",
        "what_it_lacks",
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
    "jaxnoise.models.denoiser": [
        "Config",
        "init",
        "denoise",
        "denoise_and_update",
        "denoise_bands",
        "denoise_image",
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
    "jaxnoise.losses": [
        "contrastive",
        "info_nce",
        "squared_error",
        "noise2noise_error",
        "two_shot_mse",
        "half_sum_per_image",
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
    ],
    "jaxnoise.noise.shot_read": ["sample_image"],
    "jaxnoise.io": ["save_model", "load_model", "read_image", "write_image"],
    "jaxnoise.io.mat": ["MatReader", "read_mat"],
    "jaxnoise.interop": ["noise_flow_tf", "noise2noiseflow_torch", "denoiser_torch"],
    "jaxnoise.raw": [
        "align",
        "pack",
        "unpack",
        "mosaic_to_packed",
        "packed_to_mosaic",
        "to_fraction",
        "from_fraction",
        "add_noise",
    ],
    "jaxnoise.cli": ["main"],
    "jaxnoise.errors": ["UsageError", "DataError"],
    "jaxnoise.batch": ["NoiseBatch", "mean_valid", "only_valid", "whole_cells"],
}

# Of these every name computes a published equation, so every name says which.
WITH_SOURCE = {
    "jaxnoise.bijectors": {"SignalDependent", "Gain", "AffineCoupling", "Conv1x1", "ActNorm"},
    "jaxnoise.models.noiseflow": {"log_prob"},
    "jaxnoise.models.denoiser": {"denoise", "denoise_and_update", "denoise_bands", "denoise_image"},
    "jaxnoise.models.noise2noiseflow": {"joint_loss", "joint_terms", "log_prob", "recorrupt"},
    "jaxnoise.noise.nlf": {"log_prob"},
    "jaxnoise.distances": {"mmd2", "mmd2_exact", "emd", "bhattacharyya", "median_bandwidth"},
    "jaxnoise.losses": {
        "contrastive",
        "info_nce",
        "squared_error",
        "noise2noise_error",
        "two_shot_mse",
        "half_sum_per_image",
    },
    "jaxnoise.metrics": {"marginal_kl", "ks", "psnr", "ssim"},
}

SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Source|Sources|Yields):", re.MULTILINE)
ARGUMENT = re.compile(r"^ {4}\*{0,2}(\w+)(?:, (\w+))*(?: \([^)]*\))?:", re.MULTILINE)


def sections(docstring: str) -> dict[str, str]:
    """The parts of a docstring by heading; the text before the first heading is under ""."""
    pieces = SECTION.split(inspect.cleandoc(docstring))
    return {"": pieces[0], **dict(zip(pieces[1::2], pieces[2::2], strict=True))}


def documented(section: str) -> set[str]:
    """Names described in an Args or Attributes section; `a, b: text` describes two."""
    entries = (match.group(0).split("(")[0] for match in ARGUMENT.finditer(section))
    return {name for entry in entries for name in re.findall(r"\w+", entry)}


def complaints(name: str, thing: object) -> list[str]:
    """What the docstrings of a function, or of a class and its methods, leave out."""
    if inspect.isclass(thing):
        return complaints_of_class(name, thing)
    return complaints_of_function(name, thing)


def complaints_of_class(name: str, thing: type) -> list[str]:
    """What the docstrings of a class and of its own public methods leave out."""
    found = first_sentence(name, thing.__doc__)
    if dataclasses.is_dataclass(thing):
        parts = sections(thing.__doc__ or "")
        described = documented(parts.get("Attributes", "") + parts.get("Args", ""))
        fields = {field.name for field in dataclasses.fields(thing)}
        # Fields that a class inherits are described where they are defined.
        own = fields & set(inspect.get_annotations(thing))
        found += [f"{name}: field {field} is not described" for field in own - described]
        found += [f"{name}: describes {field}, which it has not" for field in described - fields]
    # The default of a field may be a function, which describes itself where it is defined.
    is_dataclass = dataclasses.is_dataclass(thing)
    own_fields = {one.name for one in dataclasses.fields(thing)} if is_dataclass else set()
    for key, member in vars(thing).items():
        if key in own_fields:
            continue
        if key == "__init__" and not dataclasses.is_dataclass(thing):
            found += complaints_of_function(f"{name}.{key}", member, returns=False)
        elif not key.startswith("_") and inspect.isfunction(inspect.unwrap(member)):
            # A NamedTuple or dataclass carries functions made by the standard library.
            if inspect.unwrap(member).__module__ == thing.__module__:
                found += complaints_of_function(f"{name}.{key}", member)
    return found


def complaints_of_function(name: str, function: object, *, returns: bool = True) -> list[str]:
    """What the docstring of one function leaves out or invents."""
    docstring = inspect.getdoc(function)
    found = first_sentence(name, docstring)
    parts = sections(docstring or "")
    taken = {
        parameter
        for parameter in inspect.signature(function).parameters
        if parameter not in ("self", "cls") and not parameter.startswith("_")
    }
    described = documented(parts.get("Args", ""))
    found += [f"{name}: argument {argument} is not described" for argument in taken - described]
    found += [f"{name}: describes {argument}, no argument" for argument in described - taken]
    nothing = inspect.signature(function).return_annotation in (None, "None")
    if returns and taken and not nothing and "Returns" not in parts:
        found.append(f"{name}: says not what it returns")
    return found


def first_sentence(name: str, docstring: str | None) -> list[str]:
    """A complaint when there is no docstring, or one that does not open with a sentence."""
    if not docstring:
        return [f"{name}: no docstring"]
    opening = inspect.cleandoc(docstring).split("\n\n")[0]
    return [] if re.search(r"[.:?]$", opening) else [f"{name}: does not open with a sentence"]


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
