"""What a kind of layer is to a chain: its token, and how it is built, started, fitted, described.

A file of a bijector that architecture strings can name ends with a `LayerKind`, and
`jaxnoise.bijectors.chain.KINDS` lists it; nothing else needs to know of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

from jaxtyping import Array, Bool, Float, Num

from jaxnoise.curve import VARIANCE_FLOOR

MOMENTS = "moments"
"""The group of parameters that start at the data's moments."""
NETWORKS = "networks"
"""The group of parameters that belong to a network, which learns from scratch."""

Conditioner = Callable[[Array], tuple[Array, Array]]
"""From the kept channels of a coupling to shift and log scale of the others."""
Own = dict[str, Any]
"""What a layer stores: `params` and, where it has them, `constants` and `batch_stats`."""


@dataclass(frozen=True)
class Layer:
    """One layer of a chain.

    Attributes:
        kind: its key in `jaxnoise.bijectors.chain.KINDS`.
        name: its key among the parameters, the place in the chain and the kind.
        channels: channels on its data side.
        radius: the number in its token, such as the radius of a causal convolution, else 0.
    """

    kind: str
    name: str
    channels: int
    radius: int = 0


@runtime_checkable
class Settings(Protocol):
    """What layers read of a model's configuration. Hashable, so that it can be static under jit."""

    @property
    def arch(self) -> str:
        """The architecture string."""
        ...

    @property
    def channels(self) -> int:
        """Channels of the images."""
        ...

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the known cameras."""
        ...

    @property
    def isos(self) -> tuple[int, ...]:
        """Known ISO numbers in ascending order."""
        ...

    @property
    def parameterisation(self) -> str:
        """Of signal and gain, "paper" or "reference"."""
        ...

    @property
    def knots(self) -> int:
        """Knots of a noise curve."""
        ...

    @property
    def taps(self) -> str:
        """Of causal convolutions, "shared" or "conditional"."""
        ...


@runtime_checkable
class Networks(Protocol):
    """The networks inside of layers, which come from outside. Hashable, as `Settings`."""

    def init(self, key: Array, layer: Layer) -> Own:
        """Fresh variables of a layer's network."""
        ...

    def conditioner(self, layer: Layer, own: Own) -> Conditioner:
        """A layer's network as a function of the kept channels."""
        ...


class Images(NamedTuple):
    """What a layer is conditioned on.

    Attributes:
        clean: at the layer's resolution, shape (N, H, W, C), fraction of full scale.
        camera: shape (N,), index into the cameras.
        iso: shape (N,), ISO numbers.
        valid: at the layer's resolution, shape (N, H, W, 1), True where a pixel counts; None: all
            do.
    """

    clean: Float[Array, "n h w c"]
    camera: Num[Array, "*n"]
    iso: Num[Array, "*n"]
    valid: Bool[Array, "n h w 1"] | None = None


class Left(NamedTuple):
    """What a layer is fitted to.

    Attributes:
        noise: what the layers before have left of it, at the layer's resolution, shape (N, H, W,
            C); the factors per image of layers further on are divided out.
        clean: at the same resolution, shape (N, H, W, C), fraction of full scale.
        row: of the table over cameras and ISO numbers, flattened, that is nearest to each image,
            shape (N,).
        valid: at the same resolution, shape (N, H, W, 1), True where a pixel counts; None: all do.
            The others hold 0.
        variance_floor: smallest variance of the noise that the fit states, in its squared unit.
    """

    noise: Float[Array, "n h w c"]
    clean: Float[Array, "n h w c"]
    row: Num[Array, " n"]
    valid: Bool[Array, "n h w 1"] | None = None
    variance_floor: float = VARIANCE_FLOOR


@dataclass(frozen=True)
class Token:
    """How an architecture string names layers.

    Attributes:
        symbol: as it is shown, a letter N or R standing for a number.
        meaning: in a few words.
        pattern: a regular expression of the whole token; its group, if any, is the number.
        layers: the kinds that it stands for, the data side first.
        repeats: whether the number says how often, and is not the radius.
        once: whether it may stand in an architecture only once.
        needs: the token of which it is a property, or nothing.
    """

    symbol: str
    meaning: str
    pattern: str
    layers: tuple[str, ...]
    repeats: bool = False
    once: bool = False
    needs: str = ""


def nothing_stored(key: Array, layer: Layer, settings: Settings, networks: Networks) -> Own:
    """The fresh variables of a layer that stores none."""
    del key, layer, settings, networks
    return {}


def kept_as_it_is(own: Own, layer: Layer, left: Left, settings: Settings) -> Own:
    """The fitted variables of a layer that does not start from data."""
    del layer, left, settings
    return own


def sees_its_pixel(layer: Layer) -> tuple[int, int]:
    """The reach of a layer that looks at no neighbour."""
    del layer
    return 0, 0


@dataclass(frozen=True)
class LayerKind:
    """One kind of layer. `own` is what a layer stores, `params` within it what is trained.

    Attributes:
        name: its key in the table, and the end of its layers' names.
        tokens: what names it in an architecture string.
        build: from (layer, own, images, settings, networks) to a `distrax.Bijector` over events (H,
            W, C), forward from latent to noise.
        init: from (key, layer, settings, networks) to fresh `own`.
        fit: from (own, layer, left, settings) to `own` that matches the data, on the host.
        describe: from (layers of the kind, their params on the host, settings) to the numbers that
            have a meaning, by name; params are in the order of the layers.
        reach: from a layer to the rows above and below a pixel that it sees on its way to noise.
        zoom: how many pixels along a side one pixel of the latent side holds; channels grow by its
            square.
        goes_on: whether it continues from the noise of rows above, by `forward_below`.
        group: of its parameters, `MOMENTS` or `NETWORKS`.
        in_blocks: how a chain that is worked on in blocks of pixels does it: "network", "matrix",
            "factor", or "" where that is not possible.
        shared: where it stores its parameters together with other kinds, or nothing.
        fit_shared: from (own, left, settings) to `own`: fits what is shared, before any layer, to
            the noise as it is.
        log_factor: from (own, images, settings) to the logarithm of a factor per image, shape ()
            or (N,), that is known before the layer's turn and no business of those before it.
    """

    name: str
    tokens: tuple[Token, ...]
    build: Callable[[Layer, Own, Images, Settings, Networks], Any]
    init: Callable[[Array, Layer, Settings, Networks], Own] = nothing_stored
    fit: Callable[[Own, Layer, Left, Settings], Own] = kept_as_it_is
    describe: Callable[[Sequence[Layer], Sequence[dict], Settings], dict[str, Any]] | None = None
    reach: Callable[[Layer], tuple[int, int]] = sees_its_pixel
    zoom: int = 1
    goes_on: bool = False
    group: str = MOMENTS
    in_blocks: str = ""
    shared: str = ""
    fit_shared: Callable[[Own, Left, Settings], Own] | None = None
    log_factor: Callable[[Own, Images, Settings], Array] | None = None

    def place(self, layer: Layer) -> str:
        """The key under which a layer of this kind stores its parameters.

        Args:
            layer: of this kind.

        Returns:
            The layer's name, or where the kind stores them together with others.
        """
        return self.shared or layer.name
