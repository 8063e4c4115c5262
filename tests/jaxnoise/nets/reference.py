"""The layers of the denoisers in numpy, one multiplication at a time."""

import numpy as np


def convolve(images, kernel, bias=0.0):
    """3x3, zero outside the image: the sum over taps of the shifted images."""
    height, width = images.shape[1:3]
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    result = np.zeros((*images.shape[:3], kernel.shape[3])) + bias
    for row in range(3):
        for column in range(3):
            moved = padded[:, row : row + height, column : column + width]
            result += moved @ kernel[row, column]
    return result


def rectify(images, slope=0.0):
    return np.where(images > 0, images, slope * images)


def normalise(images, mean, variance, scale, bias):
    return (images - mean) / np.sqrt(variance + 1e-5) * scale + bias


def halve(images):
    """The largest of each 2x2 pixels."""
    number, height, width, channels = images.shape
    blocks = images.reshape(number, height // 2, 2, width // 2, 2, channels)
    return blocks.max((2, 4))


def double(images, kernel, bias):
    """Each pixel adds its multiple of the kernel to the 3x3 pixels around twice its place."""
    number, height, width, _ = images.shape
    result = np.zeros((number, 2 * height + 1, 2 * width + 1, kernel.shape[3]))
    for row in range(3):
        for column in range(3):
            # `flax.linen` does not mirror the kernel of a transposed convolution.
            place = np.s_[:, row : row + 2 * height : 2, column : column + 2 * width : 2]
            result[place] += images @ kernel[2 - row, 2 - column]
    return result[:, 1:, 1:] + bias
