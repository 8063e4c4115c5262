"""From an architecture string such as `S-Ax4-G-Ax4-CAM` to a chain of bijectors, by one table."""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jaxtyping import Array, Bool, Float, Num

from jaxnoise.batch import whole_cells
from jaxnoise.bijectors import (
    _distrax,
    causal_conv,
    conv1x1,
    coupling,
    gain,
    noise_curve,
    signal_dependent,
    squeeze,
)
from jaxnoise.bijectors.layer_kind import (
    MOMENTS,
    NETWORKS,
    Images,
    Layer,
    LayerKind,
    Networks,
    Own,
    Settings,
    Token,
)
from jaxnoise.bijectors.signal_and_gain import SHARED
from jaxnoise.bijectors.squeeze import Squeeze
from jaxnoise.errors import UsageError

__all__ = [
    "KINDS",
    "MOMENTS",
    "NETWORKS",
    "SHARED",
    "Layer",
    "build_chain",
    "counted",
    "layer_builder",
    "kind_of",
    "latent_shape",
    "layers_of",
    "own_variables",
    "parameter_groups",
    "parse",
    "side_factor",
    "tokens",
]

KINDS: dict[str, LayerKind] = {
    entry.name: entry
    for entry in (
        signal_dependent.KIND,
        gain.KIND,
        coupling.KIND,
        conv1x1.KIND,
        squeeze.KIND,
        causal_conv.KIND,
        noise_curve.KIND,
    )
}
"""Every kind of layer. A new one is its file and one entry here."""


MAX_LAYERS = 128
"""Layers of a chain where nothing else is said: the time to compile grows with their number."""
MAX_SIDE_FACTOR = 16
"""Side of the cells that squeezes make of pixels; channels grow by its square."""


def tokens() -> dict[str, str]:
    """What each token of an architecture string stands for.

    Returns:
        Meanings by symbol; a letter N or R in a symbol is a number.
    """
    return {token.symbol: token.meaning for token in _tokens()}


def _tokens() -> Iterator[Token]:
    for entry in KINDS.values():
        yield from entry.tokens


def kind_of(layer: Layer) -> LayerKind:
    """The entry of the table for a layer.

    Args:
        layer: from `parse`.

    Returns:
        Its kind.
    """
    return KINDS[layer.kind]


def parse(arch: str, channels: int, *, most: int | None = MAX_LAYERS) -> tuple[Layer, ...]:
    """The layers that an architecture string names, the data side first.

    Args:
        arch: the symbols of `tokens` joined by "-", the layer that touches the data first; CAM, a
            property of the gain, stands anywhere.
        channels: channels C >= 2 of the images.
        most: layers that the chain may have; None for one that was checked.

    Returns:
        The layers in the order in which noise passes through them on its way to the latent.

    Raises:
        UsageError: for an unknown token, a repeated S, G or CAM, CAM without G, fewer than 2
            channels, or more layers or squeezes than can be worked with.

    Source: Noise Flow, Table 2.
    """
    given, shown = arch.split("-", -1 if most is None else most + 1), _shown(arch)
    for token in _tokens():
        if token.once and given.count(token.symbol) > 1:
            raise UsageError(
                f"Architecture {shown} names {token.symbol} twice: once is all it takes."
            )
    for token in _tokens():
        if token.needs and token.symbol in given and token.needs not in given:
            raise UsageError(
                f"Architecture {shown} has {token.symbol}, {token.meaning}, but no "
                f"{token.needs}: add {token.needs}."
            )
    if channels < 2:
        raise UsageError(f"A noise flow needs at least 2 channels, not {channels}.")
    layers: list[Layer] = []
    factor = 1
    for word in given:
        for kind, radius in _named(word, shown):
            layers.append(Layer(kind, f"{len(layers):02d}_{kind}", channels, radius))
            channels *= KINDS[kind].zoom ** 2
            factor *= KINDS[kind].zoom
        if most is not None and len(layers) > most:
            raise UsageError(
                f"Architecture {shown} has more than {most} layers, and the time to compile grows "
                "with their number: use fewer, or raise max_layers of the model's Config in code."
            )
        if factor > MAX_SIDE_FACTOR:
            raise UsageError(
                f"Architecture {shown} squeezes more than can be worked with: use squeezes of at "
                f"most {MAX_SIDE_FACTOR} x {MAX_SIDE_FACTOR} pixels in all."
            )
    if not layers:
        raise UsageError(f"Architecture {shown} has no layer: name at least one.")
    return tuple(layers)


def layers_of(settings: Settings) -> tuple[Layer, ...]:
    """The layers of a configuration, which has checked how many they are.

    Args:
        settings: the model's configuration.

    Returns:
        As `parse`.

    Raises:
        UsageError: as `parse`.
    """
    return parse(settings.arch, settings.channels, most=None)


def _shown(text: str) -> str:
    """A text as it is quoted in a sentence."""
    return repr(text if len(text) <= 80 else f"{text[:60]}...")


def _named(word: str, shown: str) -> list[tuple[str, int]]:
    """The kinds that one token names, each with its radius."""
    for token in _tokens():
        if match := re.fullmatch(token.pattern, word):
            number = int(match[1]) if match.re.groups else 0
            if token.repeats:
                return [(kind, 0) for kind in token.layers] * number
            return [(kind, number) for kind in token.layers]
    known = ", ".join(f"{name} ({meaning})" for name, meaning in tokens().items())
    raise UsageError(
        f"Architecture {shown} has the unknown token {_shown(word)}: known are {known}."
    )


def side_factor(arch: str, channels: int) -> int:
    """What the height and width of images must divide by for an architecture.

    Args:
        arch: as for `parse`.
        channels: channels of the images.

    Returns:
        2 to the number of squeezes; 1 without any.

    Raises:
        UsageError: as `parse`.
    """
    return math.prod(kind_of(layer).zoom for layer in parse(arch, channels, most=None))


def latent_shape(settings: Settings, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of the latent of images.

    Args:
        settings: the model's configuration.
        shape: of the images, (N, H, W, C).

    Returns:
        (N, H / factor, W / factor, C factor^2), rounded down, with the `side_factor`.
    """
    factor = side_factor(settings.arch, settings.channels)
    number, height, width, channels = shape
    return number, height // factor, width // factor, channels * factor**2


def clean_at(clean: Float[Array, "n h w c"], channels: int) -> Float[Array, "n h2 w2 d"]:
    """The clean image squeezed until it has so many channels."""
    while clean.shape[-1] < channels:
        clean, _ = Squeeze().inverse_and_log_det(clean)
    return clean


def counted(settings: Settings, valid: Bool[Array, "n h w 1"]) -> Bool[Array, "n h w 1"]:
    """The pixels that count in a likelihood: all of which squeezes make valid latent pixels.

    Args:
        settings: the model's configuration.
        valid: shape (N, H, W, 1), True where a pixel counts.

    Returns:
        Same shape: without squeezes the same, with them True in cells of valid pixels alone.
    """
    return whole_cells(valid, side_factor(settings.arch, settings.channels))


def valid_at(
    settings: Settings, valid: Bool[Array, "n h w 1"] | None, channels: int
) -> Bool[Array, "n h2 w2 1"] | None:
    """The pixels that count at the resolution at which images have so many channels."""
    if valid is None:
        return None
    side = math.isqrt(channels // settings.channels)
    return counted(settings, valid)[:, ::side, ::side]


def own_variables(variables: Mapping[str, Mapping[str, Any]], layer: Layer) -> Own:
    """What a layer stores among the variables of its chain.

    Args:
        variables: `params`, `constants` and `batch_stats`, each by layer.
        layer: from `parse`.

    Returns:
        The layer's part of each collection that has one.
    """
    place = kind_of(layer).place(layer)
    return {name: stored[place] for name, stored in variables.items() if place in stored}


def layer_builder(
    variables: Mapping[str, Mapping[str, Any]],
    settings: Settings,
    networks: Networks,
    *,
    clean: Float[Array, "n h w c"],
    camera: Num[Array, "*n"],
    iso: Num[Array, "*n"],
    valid: Bool[Array, "n h w 1"] | None = None,
) -> Callable[[Layer], Any]:
    """A function from a layer to its bijector, for one batch of conditions.

    Args:
        variables: of the chain.
        settings: the model's configuration.
        networks: inside of the layers.
        clean: shape (N, H, W, C), fraction of full scale.
        camera: shape (N,), index into the known cameras.
        iso: shape (N,), ISO numbers.
        valid: shape (N, H, W, 1), True where a pixel counts in log-determinants; None: all do.

    Returns:
        The function; its bijectors act on events (H, W, C), forward from latent to noise.
    """

    def build(layer: Layer) -> Any:
        shown = valid_at(settings, valid, layer.channels)
        images = Images(clean_at(clean, layer.channels), camera, iso, shown)
        own = own_variables(variables, layer)
        return kind_of(layer).build(layer, own, images, settings, networks)

    return build


def build_chain(settings: Settings, build: Callable[[Layer], Any]) -> _distrax.Chain:
    """The whole chain as one bijector.

    Args:
        settings: the model's configuration.
        build: from `layer_builder`.

    Returns:
        A `distrax.Chain` over events (H, W, C), forward from latent to noise.
    """
    return _distrax.Chain([build(layer) for layer in layers_of(settings)])


def parameter_groups(params: Mapping[str, Any]) -> dict[str, Any]:
    """Says of every parameter whether it starts at the data's moments or belongs to a network.

    Args:
        params: nested dictionaries with the names of layers among their keys.

    Returns:
        The same structure of `MOMENTS` and `NETWORKS`; what is in no layer counts as `MOMENTS`.
    """
    return _groups(params, MOMENTS)


def _groups(node: Any, group: str) -> Any:
    if not isinstance(node, Mapping):
        return group
    found = {}
    for name, child in node.items():
        named = re.fullmatch(r"\d+_(.*)", name)
        entry = KINDS.get(named[1]) if named else None
        found[name] = _groups(child, entry.group if entry else group)
    return found
