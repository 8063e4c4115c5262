"""What public functions ask of arrays: shapes and types, which are known under jit as well.

Nothing here looks at a value, so that no device is waited for. What has a shape and a dtype will
do: arrays of NumPy and JAX, arguments of jit, grad and vmap, `jax.ShapeDtypeStruct`.
"""

from typing import Any

import numpy as np

from jaxnoise.errors import UsageError

Shape = tuple[int, ...]


def shape_of(value: Any) -> Shape:
    """The shape of an array, a number or a list.

    Args:
        value: an array or what becomes one.

    Returns:
        Its shape.
    """
    if isinstance(value, list | tuple):  # which may hold arguments of jit
        return (len(value), *(shape_of(value[0]) if value else ()))
    shape = getattr(value, "shape", None)
    return np.shape(value) if shape is None else tuple(shape)


def type_of(value: Any) -> Any:
    """The dtype of an array, a number or a list.

    Args:
        value: an array or what becomes one.

    Returns:
        Its dtype, a NumPy one but for the keys of JAX.
    """
    if isinstance(value, list | tuple) and value:
        return np.result_type(*(type_of(one) for one in value))
    kind = getattr(value, "dtype", None)
    return np.asarray(value).dtype if kind is None else kind


def is_float(value: Any) -> bool:
    """Whether a value holds floating-point numbers, bfloat16 and the like included.

    Args:
        value: an array or what becomes one.

    Returns:
        False for integers, truth values and complex numbers.
    """
    kind = type_of(value)
    return getattr(kind, "kind", "") == "f" or str(kind).startswith(("bfloat", "float"))


def is_real(value: Any) -> bool:
    """Whether a value holds real numbers, integers included and truth values not.

    Args:
        value: an array or what becomes one.

    Returns:
        False for truth values, complex numbers, text and keys.
    """
    kind = type_of(value)
    return (
        is_float(value) or getattr(kind, "kind", "") in ("i", "u") or str(kind) in ("int4", "uint4")
    )


def native(values: Any) -> Any:
    """An array of NumPy in this machine's byte order, which is the only one that JAX takes.

    Args:
        values: anything.

    Returns:
        The same numbers; what is no such array, or has the byte order, as it is.
    """
    if not isinstance(values, np.ndarray | np.generic) or values.dtype.isnative:
        return values
    return values.astype(values.dtype.newbyteorder("="))


def as_floats(name: str, *arrays: Any) -> list[Any]:
    """Arrays of JAX, floating-point ones of one type: float32, or the widest among them.

    From NumPy they come as the numbers that they are: JAX would wrap 64-bit integers around, and
    refuse the byte order of other machines.

    Args:
        name: what they are called in a sentence.
        arrays: of real numbers, any shape.

    Returns:
        Arrays of the same shapes.

    Raises:
        UsageError: one holds truth values, complex numbers or what is no number.
    """
    # Here, since cameras are simulated and raw images read without waiting for JAX.
    import jax
    import jax.numpy as jnp

    for array in arrays:
        if not is_real(array):
            raise UsageError(
                f"{name} of shape {shape_of(array)} and type {type_of(array)} cannot be compared: "
                "give real numbers."
            )
    arrays = tuple(native(array) for array in arrays)
    known = [jax.dtypes.canonicalize_dtype(type_of(array)) for array in arrays]
    kind = jnp.result_type(jnp.float32, *known)
    return [jnp.asarray(array, kind) for array in arrays]


def check_fractions(**images: Any) -> None:
    """Raises when images are not floating-point numbers, as fractions of full scale are.

    Args:
        images: by their names.

    Raises:
        UsageError: one has another type.
    """
    for name, image in images.items():
        if not is_float(image):
            raise UsageError(
                f"{name} of shape {shape_of(image)} is {type_of(image)}: give floats, fractions of "
                "full scale (jaxnoise.raw.to_fraction makes them)."
            )


def check_batch(
    channels: int | None = None,
    *,
    camera: Any = None,
    iso: Any = None,
    valid: Any = None,
    least: int = 0,
    **images: Any,
) -> None:
    """Raises when batches of images and what belongs to them do not fit one another.

    Args:
        channels: that the images must have; None: any number that they agree on.
        camera: one index for each image, shape (N,); None where a function does not use it.
        iso: ISO numbers, likewise.
        valid: shape (N, H, W, 1), booleans; None: all pixels count.
        least: the fewest images.
        images: by their names, each of shape (N, H, W, C), floats.

    Raises:
        UsageError: says what has which shape or type, and which one it must have.
    """
    check_fractions(**images)
    (first, shape), *others = ((name, shape_of(image)) for name, image in images.items())
    wanted = f"(N, H, W, {channels or 'C'})"
    if len(shape) != 4 or 0 in shape[1:] or shape[-1] != (channels or shape[-1]):
        single = ", and a single image as image[None]" if len(shape) == 3 else ""
        raise UsageError(f"{first} has shape {shape}: give a batch of shape {wanted}{single}.")
    for name, other in others:
        if other != shape:
            raise UsageError(f"{name} has shape {other} and {first} {shape}: give both the same.")
    if shape[0] < least:
        raise UsageError(f"{first} has shape {shape}: give at least {least} image(s).")
    _check_byte_order(**images)
    for name, values in (("camera", camera), ("iso", iso)):
        if values is not None:
            _check_condition(name, values, shape[0])
    check_mask(valid, shape)


def _check_byte_order(**arrays: Any) -> None:
    for name, values in arrays.items():
        if native(values) is not values:
            raise UsageError(
                f"{name} of shape {shape_of(values)} has the byte order of other machines, which "
                "JAX does not take: give values.astype(values.dtype.newbyteorder('='))."
            )


def _check_condition(name: str, values: Any, images: int) -> None:
    if shape_of(values) != (images,):
        raise UsageError(
            f"{name} has shape {shape_of(values)}: give one number for each of {images} image(s), "
            f"shape ({images},)."
        )
    if not is_real(values):
        raise UsageError(f"{name} of shape {(images,)} is {type_of(values)}: give numbers.")
    _check_byte_order(**{name: values})


def check_mask(valid: Any, shape: Shape) -> None:
    """Raises when a mask is not one flag for each pixel of a batch of images.

    Args:
        valid: shape (..., H, W, 1), booleans; None: all pixels count.
        shape: of the images, (..., H, W, C).

    Raises:
        UsageError: another shape or type.
    """
    if valid is None:
        return
    wanted = (*shape[:-1], 1)
    if shape_of(valid) != wanted or str(type_of(valid)) != "bool":
        raise UsageError(
            f"valid has shape {shape_of(valid)} and type {type_of(valid)}: give one flag a pixel, "
            f"as booleans of shape {wanted}."
        )


def check_same(**arrays: Any) -> None:
    """Raises unless all arrays have one shape.

    Args:
        arrays: by their names.

    Raises:
        UsageError: two differ.
    """
    (first, array), *others = arrays.items()
    for name, other in others:
        if shape_of(other) != shape_of(array):
            raise UsageError(
                f"{name} has shape {shape_of(other)} and {first} {shape_of(array)}: give both the "
                "same."
            )


def check_numbers(**values: Any) -> None:
    """Raises unless each value is one real number.

    Args:
        values: by their names, each of shape ().

    Raises:
        UsageError: another shape or type.
    """
    for name, value in values.items():
        if shape_of(value) != () or not is_real(value):
            raise UsageError(
                f"{name} has shape {shape_of(value)} and type {type_of(value)}: give one number."
            )


def check_key(key: Any) -> None:
    """Raises unless a value is one key of JAX.

    Args:
        key: a `jax.random.key`, or one of the old kind, an array of shape (k,) of uint32.

    Raises:
        UsageError: it is anything else, several keys included.
    """
    kind, shape = str(getattr(key, "dtype", type(key).__name__)), shape_of(key)
    if not (kind.startswith("key<") and shape == () or kind == "uint32" and len(shape) == 1):
        raise UsageError(
            f"key has shape {shape} and type {kind}: give one key, such as jax.random.key(0)."
        )


def check_event(
    layer: str,
    images: Any,
    *,
    channels: int | None = None,
    event: Shape | None = None,
    batches: tuple[Shape, ...] = (),
    valid: Any = None,
) -> None:
    """Raises when images do not fit a layer: one value would stand for many without a word.

    Args:
        layer: its name.
        images: that it is applied to, shape (..., H, W, C), floats.
        channels: that its parameters are for; None: any number.
        event: (H, W, C) that its parameters are for; None: any.
        batches: the shapes of its parameters per image, () for one that all images share.
        valid: its mask, shape (..., H, W, 1); None: all pixels count.

    Raises:
        UsageError: says which shapes do not fit.
    """
    shape = shape_of(images)
    if len(shape) < 3 or not is_float(images):
        raise UsageError(
            f"{layer} got shape {shape} and type {type_of(images)}: give floats of shape "
            "(..., H, W, C)."
        )
    if event is not None and shape[-3:] != event:
        raise UsageError(
            f"{layer} for images (H, W, C) = {event} got shape {shape}: give images of that size."
        )
    if channels is not None and shape[-1] != channels:
        raise UsageError(
            f"{layer} over {channels} channel(s) got shape {shape}: give (..., H, W, {channels})."
        )
    if valid is not None:
        mask = shape_of(valid)
        if mask[-3:] != (*shape[-3:-1], 1) or str(type_of(valid)) != "bool":
            raise UsageError(
                f"{layer} has a mask of shape {mask} and type {type_of(valid)} and got shape "
                f"{shape}: give one flag a pixel, as booleans of shape (..., H, W, 1)."
            )
        batches = (*batches, mask[:-3])
    try:
        np.broadcast_shapes(shape[:-3], *batches)
    except ValueError:
        raise UsageError(
            f"{layer} with parameters for images {' and '.join(map(str, batches))} got shape "
            f"{shape}: give as many images, or parameters that all images share."
        ) from None
