"""Whole files of every format that jaxnoise reads, and files that declare more than they hold."""

import importlib.util
import io
import json
import struct
import sys
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import numpy as np

from benchmarks.harness.spoil import Sample, pickled

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Format:
    """A format and its samples.

    Attributes:
        samples: whole files.
        bombs: files that declare much and hold little, by name of the file.
        checksums: whether a changed file must be refused or mean the same.
    """

    samples: list[Sample]
    bombs: list[Sample] = field(default_factory=list)
    checksums: bool = False


def formats(folder: Path) -> dict[str, Format]:
    """All formats whose packages are installed, by name.

    Args:
        folder: for files that only libraries can write; empty.
    """
    found = {"PNG": _png(), "TIFF": _tiff(), "NPZ": _npz(), "JPEG": _jpeg(), "WebP": _webp()}
    found |= {"model folder": _model(folder)}
    if all(map(importlib.util.find_spec, ("scipy", "h5py"))):
        found |= {"MAT 5": _mat5(), "MAT 7.3": _mat73()}
    return found | {"TensorFlow checkpoint": _bundle(folder), "PyTorch file": _torch()}


def _pixels(shape: tuple[int, ...], dtype: type = np.uint16) -> np.ndarray:
    generator = np.random.default_rng(7)
    if dtype is np.float32:
        return generator.random(shape, np.float32)
    return generator.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def _one(content: bytes) -> Sample:
    return Sample({"file": content}, "file")


def _png() -> Format:
    from imagecodecs import png_encode

    def declared(width: int, height: int, length: int | None = None) -> Sample:
        parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0))]
        parts += [(b"IDAT", zlib.compress(bytes(1000)))]
        content = b"\x89PNG\r\n\x1a\n"
        for kind, body in parts:
            size = struct.pack(">I", len(body) if length is None else length)
            content += size + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        return _one(content)

    whole = [_pixels((24, 20, 3), np.uint8), _pixels((24, 20, 3)), _pixels((24, 20))]
    bombs = [declared(2**31 - 1, 2**31 - 1), declared(12_000, 12_000), declared(4, 4, 2**31 - 1)]
    return Format([_one(bytes(png_encode(image))) for image in whole], bombs, checksums=True)


def _tiff() -> Format:
    import tifffile

    def written(image: np.ndarray, **settings) -> bytes:
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, image, **settings)
        return buffer.getvalue()

    colour = {"photometric": "rgb"}
    grey = {"photometric": "minisblack"}
    whole = [
        written(_pixels((24, 20, 3), np.uint8), **colour),
        written(_pixels((24, 20, 3)), **colour, compression="zlib", predictor=True),
        written(_pixels((24, 20, 3)), **colour, compression="lzw"),
        written(_pixels((40, 40)), **grey, tile=(16, 16)),
        written(_pixels((24, 20, 4), np.float32), **grey, planarconfig="contig"),
    ]
    names = ("ImageWidth", "ImageLength", "RowsPerStrip")
    bombs = [
        _with_tags(whole[kind], dict.fromkeys(names[:count], value))
        for kind in (0, 1, 2)
        for count, value in ((1, 60_000), (3, 12_000), (3, 65_535))
    ]
    bombs += [
        _with_tags(whole[3], {"TileWidth": 16_384, "TileLength": 16_384}),
        _with_tags(whole[0], {"SamplesPerPixel": 65_535}),
        _with_tags(whole[1], {"StripByteCounts": 2**31 - 1}),
    ]
    return Format([_one(content) for content in whole], [_one(content) for content in bombs])


def _with_tags(content: bytes, values: dict[str, int]) -> bytes:
    import tifffile

    with tifffile.TiffFile(io.BytesIO(content)) as file:
        page = file.pages[0]
        assert isinstance(page, tifffile.TiffPage)
        for name, value in values.items():
            if (tag := page.tags.get(name)) is not None:
                layout = "<H" if int(tag.dtype) == 3 else "<I"
                place, packed = tag.valueoffset, struct.pack(layout, value)
                content = content[:place] + packed + content[place + len(packed) :]
    return content


def _npz() -> Format:
    def saved(image: np.ndarray, *, compressed: bool) -> bytes:
        buffer = io.BytesIO()
        if compressed:
            np.savez_compressed(buffer, image=image)
        else:
            np.savez(buffer, image=image)
        return buffer.getvalue()

    def zipped(content: bytes) -> Sample:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("image.npy", content)
        return _one(buffer.getvalue())

    def header(dtype: str, *shape: int) -> bytes:
        buffer = io.BytesIO()
        described = {"descr": dtype, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(buffer, described)
        return buffer.getvalue()

    whole = [
        saved(_pixels((24, 20, 3), np.float32), compressed=False),
        saved(_pixels((24, 20, 4)), compressed=True),
    ]
    bombs = [
        zipped(header("<f4", 2**40, 2**20) + bytes(10)),
        zipped(header("<u2", 12_000, 12_000) + bytes(10)),
        zipped(header("<u2", 4, 4) + bytes(300 * 2**20)),
        zipped(header("|O", 1) + pickled()),
        zipped(b"\x93NUMPY\x02\0" + struct.pack("<I", 2**32 - 1)),
    ]
    return Format([_one(content) for content in whole], bombs, checksums=True)


def _jpeg() -> Format:
    from imagecodecs import jpeg8_encode

    images = [_pixels((24, 20, 3), np.uint8), _pixels((24, 20), np.uint8)]
    return Format([_one(bytes(jpeg8_encode(image))) for image in images])


def _webp() -> Format:
    from imagecodecs import webp_encode

    image = _pixels((24, 20, 3), np.uint8)
    files = [webp_encode(image, lossless=lossless) for lossless in (False, True)]
    return Format([_one(bytes(content)) for content in files])


def _model(folder: Path) -> Format:
    import jax

    from jaxnoise import models
    from jaxnoise.io import save_model

    model = models.get("noiseflow")
    config = model.Config(arch="S-W-K1", cameras=("a", "b"), isos=(100, 400))
    # Any values will do, and computing none keeps JAX from starting before the readers fork.
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), config))
    variables = jax.tree.map(lambda leaf: np.ones(leaf.shape, leaf.dtype), shapes)
    saved = save_model(folder / "model", "noiseflow", config, variables)
    whole = {path.name: path.read_bytes() for path in saved.iterdir()}
    tensors = whole["model.safetensors"]
    huge = b'{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,64]}}'
    bombs = [
        {"model.safetensors": struct.pack("<Q", 2**62) + tensors[8:]},
        {"model.safetensors": struct.pack("<Q", len(huge)) + huge + bytes(64)},
        {"config.json": b"[" * 500_000},
        {"config.json": b'{"format": ' + b"9" * 100_000 + b"}"},
        {"config.json": json.dumps({"format": 1, "tensors": {"a": [2**62] * 1000}}).encode()},
    ]
    return Format([Sample(whole)], [Sample(whole | changed) for changed in bombs], checksums=True)


def _mat5() -> Format:
    from scipy.io import savemat

    def saved(**settings) -> bytes:
        buffer = io.BytesIO()
        savemat(buffer, {"x": _pixels((24, 20), np.float32)}, **settings)
        return buffer.getvalue()

    whole = saved()
    # The dimensions of the first array follow the file's header, its own tag and its flags.
    bombs = [
        whole[:160] + struct.pack("<ii", rows, columns) + whole[168:]
        for rows, columns in ((2**31 - 1, 2**31 - 1), (12_000, 12_000), (-1, 20))
    ]
    bombs += [whole[:132] + struct.pack("<I", 2**32 - 8) + whole[136:]]
    samples = [_one(whole), _one(saved(do_compression=True))]
    return Format(samples, [_one(content) for content in bombs])


def _mat73() -> Format:
    import h5py

    def saved(shape: tuple[int, ...], content: np.ndarray | None, **settings) -> bytes:
        buffer = io.BytesIO()
        with h5py.File(buffer, "w", userblock_size=512) as file:
            made = file.create_dataset("x", shape, "<f4", **settings)
            made.attrs["MATLAB_class"] = np.bytes_("single")
            if content is not None:
                made[...] = content
        header = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
        return header.ljust(512, b"\0") + buffer.getvalue()[512:]

    image = _pixels((24, 20), np.float32)
    whole = [saved(image.shape, image), saved(image.shape, image, chunks=(8, 8), compression=4)]
    bombs = [
        saved((10**6, 10**6), None, chunks=(16, 16)),
        saved((8000, 8000), None, chunks=(8000, 8000), compression=4),
    ]
    return Format([_one(c) for c in whole], [_one(content) for content in bombs])


def _bundle(folder: Path) -> Format:
    bundle = _writer("bundle")
    arrays = {"a/kernel": _pixels((3, 3, 2, 4), np.float32), "b": _pixels((5,), np.float32)}
    (folder / "bundle").mkdir()
    bundle.write(folder / "bundle" / "model.ckpt", arrays)
    whole = {path.name: path.read_bytes() for path in (folder / "bundle").iterdir()}
    index = bundle.entry(arrays["b"], 0)

    def declared(size: int, shape: tuple[int, ...]) -> Sample:
        described = b"".join(bundle.message(2, bundle.number(1, length)) for length in shape)
        start = bundle.number(1, 1) + bundle.message(2, described)
        entry = start + bundle.number(5, size) + index[-5:]
        items = [(b"", bundle.header()), (b"a/kernel", entry), (b"b", index)]
        return Sample(whole | {"model.ckpt.index": bundle.table(items)})

    bombs = [
        declared(2**40, (2**20, 2**18)),
        declared(4, (2**62, 2**62)),
        declared(20, (5,) * 1000),
        # Two checkpoints, and a third one outside of the folder called the newest.
        Sample(
            {f"{copy}.{name}": content for copy in "ab" for name, content in whole.items()}
            | {"checkpoint": b'model_checkpoint_path: "../../model.ckpt"\n'}
        ),
    ]
    return Format([Sample(whole)], bombs, checksums=True)


def _torch() -> Format:
    torch_file = _writer("torch_file")
    whole = {"epoch": 3, "state_dict": torch_file.StateDict(a=_pixels((4, 3), np.float32))}
    entries = torch_file.entries(whole)
    deflated = zipfile.ZIP_DEFLATED

    def declared(*shape: int, strides: tuple[int, ...], length: int | None = None) -> Sample:
        storage = np.zeros(4, np.float32)
        lie = torch_file.View(storage, shape, strides, length=length)
        return _one(torch_file.archive(torch_file.entries({"a": lie})))

    # Lists of ten times the one before each; a list that holds itself; tuples in tuples.
    laughs = b"".join(b"](" + b"h%c" % turn * 10 + b"eq%c" % (turn + 1) for turn in range(20))
    pickles = [b"(]q\0" + laughs + b"t", b"]q\0h\0a", b")" + b"\x85" * 10**6, b"]" * 2**22]
    bombs = [
        declared(2**40, 2**40, strides=(0, 0)),
        declared(2**31, strides=(1,), length=2**31),
        declared(0, 2**62, strides=(1, 1)),
        _one(torch_file.archive({**entries, "data/9": bytes(300 * 2**20)}, method=deflated)),
        _one(torch_file.archive({**entries, "data.pkl": pickled()})),
        *(_one(torch_file.pickled(instructions)) for instructions in pickles),
    ]
    return Format([_one(torch_file.archive(entries))], bombs, checksums=True)


def _writer(name: str) -> ModuleType:
    """A writer of a format that only the tests write."""
    path = ROOT / "tests" / "jaxnoise" / "interop" / f"{name}.py"
    found = importlib.util.spec_from_file_location(name, path)
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module  # its dataclasses look themselves up there
    found.loader.exec_module(module)
    return module
