"""The data sets by name: who builds each, what it is and what its batches may hold."""

import importlib
from dataclasses import dataclass
from types import ModuleType

from jaxnoise.errors import UsageError
from jaxnoise.noise.camera import SIMULATIONS

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Entry:
    """One data set.

    Attributes:
        name: what it is opened by.
        module: dotted name of the module of its TFDS builder, which takes a while to import.
        fields: all that its batches may hold; what those of a split do hold, `NoiseData.fields`
            says.
        variant: which of the builder's configurations; "" where it has one only.
        source: what the folder given with --source holds; None where it reads none.
        needs_source: whether it cannot do without that folder.
        simulated: whether its noise is drawn by a simulation, so that there is a seed to it.
        families: architectures of noise flows, in any one of which the simulated noise lies, to
            less than 1e-5 nats per dimension; () where no such one is known.
        independent_draws: whether noisy2 is a second draw of the noise over the same clean patch
            and independent of the first.
        whole_images: whether its records are images of any size, of which `datasets.crops` takes
            views.
        any_images: whether its files are images of the user's own making.
    """

    name: str
    module: str
    fields: tuple[str, ...]
    variant: str = ""
    source: str | None = None
    needs_source: bool = True
    simulated: bool = False
    families: tuple[str, ...] = ()
    independent_draws: bool = False
    whole_images: bool = False
    any_images: bool = False

    def load(self) -> ModuleType:
        """The builder's module, with make_config, fingerprint, facts and builder."""
        return importlib.import_module(self.module)


# A causal filter sees its own output, so that it inverts the moving average only up to its reach;
# it mixes channels as well.
FAMILIES = {"exact": ("N-K3",), "exact-white": ("N-W", "N-K1")}


def _simulated(variant: str) -> Entry:
    return Entry(
        f"camera_sim/{variant}",
        "datasets.camera_sim.camera_sim_dataset_builder",
        ("clean", "noisy", "noisy2", "camera", "iso", "image", "scene", "valid")
        + (("truth",) if SIMULATIONS[variant].has_truth else ()),
        variant=variant,
        needs_source=False,
        simulated=True,
        families=FAMILIES.get(variant, ()),
        independent_draws=True,
    )


def _real(
    name: str,
    source: str,
    *optional: str,
    variant: str = "",
    base: str | None = None,
    any_images: bool = False,
) -> Entry:
    base = base or name
    return Entry(
        name,
        f"datasets.{base}.{base}_dataset_builder",
        ("noisy", "clean", "camera", "iso", "image", "valid", *optional),
        variant=variant,
        source=source,
        any_images=any_images,
    )


def _whole(name: str, source: str, *, variant: str = "", needs_source: bool = True) -> Entry:
    return Entry(
        name,
        "datasets.images.images_dataset_builder",
        # An index may name clean and noisy ones.
        ("clean", "noisy", "image", "scene"),
        variant=variant,
        source=source,
        needs_source=needs_source,
        whole_images=True,
        any_images=True,
    )


_MEDIUM, _BLOCKS = "SIDD-Medium Raw", "SIDD's validation blocks"
ENTRIES: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        *map(_simulated, SIMULATIONS),
        _real("pairs", "your images", "noisy2", "scene", any_images=True),
        _real("sidd_raw", _MEDIUM, "scene", "noise_profile"),
        _real(
            "sidd_raw/published",
            _MEDIUM,
            "scene",
            "noise_profile",
            variant="published",
            base="sidd_raw",
        ),
        _real("sidd_full", "SIDD-Full Raw", "noisy2", "scene", "noise_profile"),
        _real("sidd_val", _BLOCKS),
        _real("sidd_val/all", _BLOCKS, variant="all", base="sidd_val"),
        _whole("images", "images", needs_source=False),
        _whole("images/noisy", "noisy images", variant="noisy"),
    )
}
NAMES = tuple(ENTRIES)


def get(name: str) -> Entry:
    """Entry of a data set.

    Raises:
        UsageError: if there is none of that name.
    """
    if name not in ENTRIES:
        raise UsageError(f"there is no dataset '{name}': choose one of {', '.join(NAMES)}.")
    return ENTRIES[name]
