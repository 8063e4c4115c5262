"""Makes before_after.jpg: a photograph, and what a trained model and its camera make of it.

    python3 in_venv.py -m train.noiseflow
    python3 in_venv.py docs/figures/before_after.py

The photograph is one of scikit-image that training did not see, taken back to raw. Beside it is the
same raw image with noise of the model, and with noise of the simulated camera that the model learnt
from; all three are developed alike.
"""

import argparse
from pathlib import Path

import jax
import matplotlib
import numpy as np
from skimage.data import chelsea

import jaxnoise
from jaxnoise.noise.camera import CAMERAS, NEAR_TAPS, draw, generator
from jaxnoise.raw.bayer import mosaic_rgb, pack
from jaxnoise.raw.isp import COLOUR_MATRIX, unprocess

CAMERA, ISO = CAMERAS[-1], 800
RED_GAIN, BLUE_GAIN = 2.0, 1.7
TOP, LEFT, SIDE = 8, 44, 140
"""The part of the packed image that is shown."""


def main() -> None:
    """Draws the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=Path("runs/noiseflow/model"))
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("before_after.jpg"))
    options = parser.parse_args()
    linear = unprocess(chelsea() / 255.0, red_gain=RED_GAIN, blue_gain=BLUE_GAIN)
    height, width = (side // 2 * 2 for side in linear.shape[:2])
    clean = pack(mosaic_rgb(linear[:height, :width])).astype(np.float32)
    model = jaxnoise.load(options.model)
    noise = model.sample(clean, key=jax.random.key(0), camera=CAMERA.name, iso=ISO)
    true_noise, _ = draw(clean, CAMERA, ISO, taps=NEAR_TAPS, random=generator("before_after"))
    show(
        options.output,
        {
            "clean": clean,
            f"noise of the trained model, ISO {ISO}": clean + np.asarray(noise),
            f"noise of the simulated camera, ISO {ISO}": clean + true_noise,
        },
    )
    print(options.output)


def develop(packed: np.ndarray) -> np.ndarray:
    """Packed raw as sRGB at half the sensor's resolution, one pixel for each 2x2 cell."""
    red, first_green, second_green, blue = np.moveaxis(packed.clip(0, 1), -1, 0)
    green = 0.5 * (first_green + second_green)
    camera = np.stack([RED_GAIN * red, green, BLUE_GAIN * blue], axis=-1).clip(0, 1)
    linear = (camera @ COLOUR_MATRIX.T).clip(0, 1)
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return 3 * curved**2 - 2 * curved**3


def show(path: Path, images: dict[str, np.ndarray]) -> None:
    """Writes the images side by side, each pixel of the crop as 2x2 pixels."""
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(
        1, len(images), figsize=(0.02 * SIDE * len(images) + 0.12, 0.02 * SIDE + 0.25), dpi=100
    )
    for panel, (title, packed) in zip(panels, images.items(), strict=True):
        crop = packed[TOP : TOP + SIDE, LEFT : LEFT + SIDE]
        panel.imshow(develop(crop), interpolation="nearest")
        panel.set_title(title, fontsize=9, pad=4)
        panel.axis("off")
    top = 1 - 0.25 / (0.02 * SIDE + 0.25)
    figure.subplots_adjust(left=0, right=1, bottom=0, top=top, wspace=0.02)
    figure.savefig(path, pil_kwargs={"quality": 85})


if __name__ == "__main__":
    main()
