"""What a run refuses to start from."""

from types import SimpleNamespace

import pytest

from jaxnoise.errors import DataError
from train.steps.checks import require_clean

pytestmark = pytest.mark.fast

SPLITS = ("train", "validation", "test")


def data(*clean_splits: str, **sizes: int) -> SimpleNamespace:
    return SimpleNamespace(
        name="pairs", clean_splits=clean_splits, sizes={**dict.fromkeys(SPLITS, 4), **sizes}
    )


def test_training_without_clean_images_is_refused_and_told_where_pairs_are_enough():
    sentence = (
        "pairs has no clean images in its training split: train.noise2noiseflow learns from noisy "
        "pairs."
    )
    with pytest.raises(DataError) as caught:
        require_clean(data("validation", "test"), SPLITS)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("split", ["validation", "test"])
def test_judging_without_clean_images_is_refused(split: str):
    kept = [name for name in SPLITS if name != split]
    with pytest.raises(DataError, match=f"pairs has no clean images in its {split} split: .*name"):
        require_clean(data(*kept), SPLITS)
    require_clean(data(*kept), kept)


def test_a_split_without_patches_needs_no_clean_images():
    require_clean(data("test", train=0, validation=0), SPLITS)
    require_clean(data(*SPLITS), SPLITS)
