"""VGG16 and ResNet50 in numpy and double precision, by torchvision's names of their tensors."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

MEAN, SPREAD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
CONFIGURATION_D = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M"]
CONFIGURATION_D += [512, 512, 512, "M"]
BLOCKS = [("layer1", 3, 64), ("layer2", 4, 128), ("layer3", 6, 256), ("layer4", 3, 512)]


def convolve(images, weight, *, bias=0.0, stride=1):
    """Products of each window with a weight (out, in, rows, columns), zero outside the image."""
    around = weight.shape[2] // 2
    padded = np.pad(images, ((0, 0), (around, around), (around, around), (0, 0)))
    windows = sliding_window_view(padded, weight.shape[2:], (1, 2))[:, ::stride, ::stride]
    return np.tensordot(windows, weight.astype(float), ((3, 4, 5), (1, 2, 3))) + bias


def largest(images, side, *, around, stride=2):
    """The largest value of each window."""
    width = ((0, 0), (around, around), (around, around), (0, 0))
    padded = np.pad(images, width, constant_values=-np.inf)
    return sliding_window_view(padded, (side, side), (1, 2))[:, ::stride, ::stride].max((4, 5))


def vgg16(tensors, images):
    """What the modules 3, 8, 15 and 22 of `features` return."""
    hidden, found, place = (images - MEAN) / SPREAD, [], 0
    for entry in CONFIGURATION_D[:13]:
        if entry == "M":
            hidden, place = largest(hidden, 2, around=0), place + 1
            continue
        own = (tensors[f"features.{place}.{name}"] for name in ("weight", "bias"))
        weight, bias = own
        hidden = np.maximum(convolve(hidden, weight, bias=bias), 0)
        place += 2
        if place - 1 in (3, 8, 15, 22):
            found.append(hidden)
    return found


def resnet50(tensors, images):
    """What the stem and the four layers return."""

    def normalised(hidden, name):
        weight, bias, mean, variance = (
            tensors[f"{name}.{own}"].astype(float)
            for own in ("weight", "bias", "running_mean", "running_var")
        )
        return (hidden - mean) / np.sqrt(variance + 1e-5) * weight + bias

    hidden = convolve((images - MEAN) / SPREAD, tensors["conv1.weight"], stride=2)
    found = [np.maximum(normalised(hidden, "bn1"), 0)]
    hidden = largest(found[0], 3, around=1)
    for layer, blocks, _ in BLOCKS:
        for block in range(blocks):
            scope, stride = f"{layer}.{block}", 2 if block == 0 and layer != "layer1" else 1
            before = hidden
            for place, own in ((1, 1), (2, stride), (3, 1)):
                hidden = convolve(hidden, tensors[f"{scope}.conv{place}.weight"], stride=own)
                hidden = normalised(hidden, f"{scope}.bn{place}")
                hidden = np.maximum(hidden, 0) if place < 3 else hidden
            if block == 0:
                before = convolve(before, tensors[f"{scope}.downsample.0.weight"], stride=stride)
                before = normalised(before, f"{scope}.downsample.1")
            hidden = np.maximum(hidden + before, 0)
        found.append(hidden)
    return found


def random_vgg16(seed=0):
    """Tensors of all its modules, small ones in place of the classifier's."""
    random, tensors, place, inputs = np.random.default_rng(seed), {}, 0, 3
    for entry in CONFIGURATION_D:
        if entry == "M":
            place += 1
            continue
        tensors[f"features.{place}.weight"] = _kernel(random, entry, inputs, 3)
        tensors[f"features.{place}.bias"] = _uniform(random, -0.2, 0.2, entry)
        place, inputs = place + 2, entry
    tensors["classifier.0.weight"] = _uniform(random, -1, 1, 5, 7)
    return tensors


def random_resnet50(seed=0):
    """Tensors of all its modules, small ones in place of the classifier's."""
    random, tensors, inputs = np.random.default_rng(seed), {}, 64

    def add(conv, norm, *sizes):
        tensors[f"{conv}.weight"] = _kernel(random, *sizes)
        for name, low, high in (
            ("weight", 0.5, 1.0),
            ("bias", -0.2, 0.2),
            ("running_mean", -0.2, 0.2),
            ("running_var", 0.5, 1.5),
        ):
            tensors[f"{norm}.{name}"] = _uniform(random, low, high, sizes[0])
        tensors[f"{norm}.num_batches_tracked"] = np.array(7)

    add("conv1", "bn1", 64, 3, 7)
    for layer, blocks, width in BLOCKS:
        for block in range(blocks):
            scope = f"{layer}.{block}"
            add(f"{scope}.conv1", f"{scope}.bn1", width, inputs, 1)
            add(f"{scope}.conv2", f"{scope}.bn2", width, width, 3)
            add(f"{scope}.conv3", f"{scope}.bn3", 4 * width, width, 1)
            if block == 0:
                add(f"{scope}.downsample.0", f"{scope}.downsample.1", 4 * width, inputs, 1)
            inputs = 4 * width
    tensors["fc.weight"] = _uniform(random, -1, 1, 5, 7)
    return tensors


def _kernel(random, outputs, inputs, side):
    limit = (3 / (inputs * side**2)) ** 0.5
    return _uniform(random, -limit, limit, outputs, inputs, side, side)


def _uniform(random, low, high, *shape):
    return (low + (high - low) * random.random(shape, np.float32)).astype(np.float32)
