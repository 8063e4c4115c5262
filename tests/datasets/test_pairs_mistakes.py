"""Every mistake in a user's folder is one sentence, and nothing is written."""

import io
import os
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import pytest

from datasets.pipeline import open_dataset
from jaxnoise.errors import DataError, UsageError

pytestmark = pytest.mark.fast


def spoil_png(pairs, content: bytes):
    (pairs.path / pairs.rows[2][0]).write_bytes(content)


def spoil_float(pairs, value: float):
    for row in pairs.rows:
        for column in (0, 1):
            row[column] = f"{Path(row[column]).stem}.npz"
            pairs.save(row[column], np.full((8, 8, 3), 0.5 + column / 8, np.float32))
    image = np.full((8, 8, 3), 0.5, np.float32)
    image[1, 2, 0] = value
    pairs.save(pairs.rows[2][0], image)


def spoil_kind(pairs, image: np.ndarray, columns: tuple[int, ...]):
    for column in columns:
        pairs.save(pairs.rows[2][column], image + image.dtype.type(column))


def second_shots(spoil_row: Callable, clean: tuple[str, ...] = ("test",)) -> Callable:
    """Gives the folder second shots, and clean images in some splits, and spoils its third row."""

    def spoil(pairs):
        pairs.add_second_shots(clean=clean)
        spoil_row(pairs, pairs.rows[2])

    return spoil


def copy_shot(pairs, row):
    """The same pixels in a file of other bytes."""
    content = (pairs.path / row[0]).read_bytes()
    again = imagecodecs.png_encode(imagecodecs.png_decode(content), level=1)
    assert again != content
    (pairs.path / row[6]).write_bytes(again)


def link_outside(pairs):
    outside = pairs.path.parent / "outside.png"
    shutil.copy(pairs.path / pairs.rows[0][0], outside)
    (pairs.path / "link.png").symlink_to(outside)
    pairs.rows[0][0] = "link.png"


def bomb() -> bytes:
    """PNG header of 100000x100000 pixels."""
    body = b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))


def pickled() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, image=np.array([{"a": 1}], dtype=object))
    return buffer.getvalue()


MISTAKES = {
    "column missing": (
        lambda p: setattr(p, "header", "noisy,clean,kamera,iso,scene,split"),
        "column camera",
    ),
    "no rows": (lambda p: p.rows.clear(), "no rows"),
    "file missing": (lambda p: (p.path / p.rows[3][1]).unlink(), "3_clean.png"),
    "folder for a file": (lambda p: p.rows[1].__setitem__(0, "."), "cannot read"),
    "path up": (lambda p: p.rows[1].__setitem__(0, "../pairs/1_noisy.png"), "outside"),
    "path absolute": (
        lambda p: p.rows[1].__setitem__(0, str(p.path / "1_noisy.png")),
        "outside",
    ),
    "path of windows": (lambda p: p.rows[1].__setitem__(0, "C:\\1_noisy.png"), "outside"),
    "link outside": (link_outside, "link"),
    "name blank": (lambda p: p.rows[1].__setitem__(0, " "), "line 3 .*noisy blank"),
    "scene blank": (lambda p: p.rows[1].__setitem__(4, ""), "line 3 .*scene blank"),
    "row too short": (lambda p: p.rows[1].pop(), "line 3"),
    "row too long": (lambda p: p.rows[1].__setitem__(4, "a,b"), "line 3"),
    "iso a word": (lambda p: p.rows[1].__setitem__(3, "high"), "line 3 .*'high'"),
    "iso negative": (lambda p: p.rows[1].__setitem__(3, "-100"), "'-100'"),
    "iso zero": (lambda p: p.rows[1].__setitem__(3, "0"), "'0'"),
    "iso endless": (lambda p: p.rows[1].__setitem__(3, "9" * 5000), "ISO"),
    "split unknown": (lambda p: p.rows[1].__setitem__(5, "dev"), "'dev'"),
    "split blank": (lambda p: p.rows[1].__setitem__(5, ""), "split ''"),
    "scene in two splits": (lambda p: p.rows[5].__setitem__(4, "a"), "'a' in test and train"),
    "file in two splits": (
        lambda p: p.rows[5].__setitem__(1, "0_clean.png"),
        "the file 0_clean.png in test and train",
    ),
    "no test": (lambda p: p.rows.pop(), "split test"),
    "no train": (lambda p: p.rows.__delitem__(slice(0, 4)), "split train"),
    "one scene to train": (lambda p: p.rows.__delitem__(slice(1, 5)), "one scene|validate"),
    "two scenes without splits": (
        lambda p: (setattr(p, "header", p.header[:-6]), p.rows.__delitem__(slice(2, 6))),
        "2 scene",
    ),
    "sizes differ": (
        lambda p: spoil_kind(p, np.zeros((17, 20, 3), np.uint8), (0,)),
        "17x20x3.*20x17x3",
    ),
    "types differ": (
        lambda p: spoil_kind(p, np.zeros((20, 17, 3), np.uint16), (0,)),
        "uint16.*uint8",
    ),
    "another pair of another type": (
        lambda p: spoil_kind(p, np.zeros((20, 17, 3), np.uint16), (0, 1)),
        "uint16.*first image uint8",
    ),
    "another pair of other channels": (
        lambda p: spoil_kind(p, np.zeros((20, 17), np.uint8), (0, 1)),
        "1 channel",
    ),
    "smaller than a patch": (
        lambda p: spoil_kind(p, np.zeros((7, 17, 3), np.uint8), (0, 1)),
        "smaller than a patch of 8",
    ),
    "text for an image": (lambda p: spoil_png(p, b"not an image"), "neither PNG"),
    "jpeg": (lambda p: spoil_png(p, b"\xff\xd8\xff\xe0" + bytes(99)), "decoded"),
    "image cut": (
        lambda p: spoil_png(p, (p.path / p.rows[2][0]).read_bytes()[:300]),
        "cannot be decoded",
    ),
    "bomb": (lambda p: spoil_png(p, bomb()), "pixels"),
    "clean blank": (lambda p: p.rows[1].__setitem__(1, ""), "line 3 .*clean blank"),
    "clean column missing": (
        lambda p: setattr(p, "header", "noisy,kleen,camera,iso,scene,split"),
        "column clean",
    ),
    "second shot blank": (second_shots(lambda p, row: row.__setitem__(6, "")), "4 .*noisy2 blank"),
    "second shot missing": (
        second_shots(lambda p, row: (p.path / row[6]).unlink()),
        "2_noisy2.png, which cannot be read",
    ),
    "second shot outside": (
        second_shots(lambda p, row: row.__setitem__(6, "../pairs/2_noisy2.png")),
        "outside",
    ),
    "second shot the first": (
        second_shots(lambda p, row: row.__setitem__(6, f"./{row[0]}")),
        "line 4 .*names 2_noisy.png as noisy and as noisy2",
    ),
    "second shot a copy": (second_shots(copy_shot), "2_noisy.png and 2_noisy2.png are the same"),
    "second shot in two splits": (
        second_shots(lambda p, row: row.__setitem__(6, p.rows[5][6])),
        "the file 5_noisy2.png in test and train",
    ),
    "second shot of another size": (
        second_shots(lambda p, row: p.save(row[6], np.zeros((17, 20, 3), np.uint8))),
        "2_noisy.png is 20x17x3 and 2_noisy2.png is 17x20x3",
    ),
    "second shot of another type": (
        second_shots(lambda p, row: p.save(row[6], np.zeros((20, 17, 3), np.uint16))),
        "2_noisy.png is uint8 and 2_noisy2.png is uint16",
    ),
    "second shot no image": (
        second_shots(lambda p, row: (p.path / row[6]).write_bytes(b"text")),
        "2_noisy2.png .*neither PNG",
    ),
    "clean in a part of a split": (
        second_shots(lambda p, row: row.__setitem__(1, ""), ("train", "test")),
        "clean image in 3 of the 4 rows of the split train",
    ),
    "clean in a part without splits": (
        second_shots(lambda p, row: setattr(p, "header", p.header.replace("split", "other"))),
        "clean image in 1 of the 6 rows:",
    ),
    "noisy a copy of clean": (
        lambda p: shutil.copy(p.path / p.rows[2][1], p.path / p.rows[2][0]),
        "2_noisy.png and 2_clean.png are the same image: give one without noise",
    ),
    "second shot a copy of clean": (
        second_shots(lambda p, row: shutil.copy(p.path / row[1], p.path / row[6]), ("train",)),
        "2_noisy2.png and 2_clean.png are the same image",
    ),
    "column twice": (
        lambda p: (
            setattr(p, "header", "noisy,clean,camera,iso,scene,split,clean")
            or [row.append(row[1]) for row in p.rows]
        ),
        "2 columns called clean",
    ),
    "semicolons": (
        lambda p: setattr(p, "header", "noisy;clean;camera;iso;scene;split"),
        "lacks the column noisy: its first line holds 'noisy;clean;camera;iso;scene;split'",
    ),
    "tabs": (
        lambda p: setattr(p, "header", "noisy\tclean\tcamera\tiso\tscene\tsplit"),
        r"lacks the column noisy: its first line holds 'noisy\\tclean",
    ),
    "capitals": (
        lambda p: setattr(p, "header", "Noisy,Clean,Camera,ISO,Scene,Split"),
        "lacks the column noisy: its first line holds 'Noisy', 'Clean', 'Camera', 'ISO'",
    ),
    "a row twice": (lambda p: p.rows.append(list(p.rows[2])), "two rows with 2_noisy.png and 2_cl"),
    "a shot in too many rows": (
        lambda p: p.rows.extend(
            [p.rows[0][0], f"{number}.png", *p.rows[0][2:]] for number in range(100)
        ),
        "more than 100 rows with 0_noisy.png",
    ),
    "pipe": (
        lambda p: (p.path / p.rows[2][0]).unlink() or os.mkfifo(p.path / p.rows[2][0]),
        "no file but a pipe",
    ),
    "link to a device": (
        lambda p: (
            (p.path / p.rows[2][0]).unlink() or (p.path / p.rows[2][0]).symlink_to("/dev/zero")
        ),
        "a link that leaves its folder",
    ),
    "pickle": (lambda p: spoil_png(p, pickled()), "object"),
    "nan": (lambda p: spoil_float(p, np.nan), "NaN"),
    "infinite": (lambda p: spoil_float(p, np.inf), "infinite"),
    "above the range": (lambda p: spoil_float(p, 1.5), "to 1.5"),
    "below the range": (lambda p: spoil_float(p, -0.25), "-0.25"),
}


def refuse(source: Path, words: str, patch_size: int = 8, kind: type[ValueError] = DataError):
    """Opening fails with one sentence and leaves no file, in the source or beside it."""
    parent = source.parent
    before = sorted(parent.rglob("*"))
    with pytest.raises(kind, match=words) as caught:
        open_dataset(
            "pairs", source=source, data_dir=parent / "deep" / "records", patch_size=patch_size
        )
    assert type(caught.value) is kind
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)
    assert sorted(parent.rglob("*")) == before


@pytest.mark.parametrize("name", MISTAKES)
def test_every_mistake_is_one_sentence_and_nothing_is_written(name: str, pairs):
    spoil, words = MISTAKES[name]
    spoil(pairs)
    refuse(pairs.index(), words)


def test_folders_without_an_index_are_sentences(tmp_path: Path):
    refuse(tmp_path / "nowhere", "no folder")
    empty = tmp_path / "empty"
    empty.mkdir()
    refuse(empty, "is empty")
    (empty / "image.png").write_bytes(b"")
    refuse(empty, "no readable index.csv")
    refuse(empty / "image.png", "no folder")


def test_an_index_that_is_no_text_is_a_sentence(pairs):
    source = pairs.index()
    (source / "index.csv").write_bytes(b"\xff\xfe\x00\x01")
    refuse(source, "UTF-8")
    (source / "index.csv").write_text("")
    refuse(source, "column noisy")
    (source / "index.csv").write_text('noisy,clean,camera,iso,scene\n"a,b\n')
    refuse(source, "CSV")


@pytest.mark.parametrize("size", [0, -8])
def test_a_patch_size_below_one_is_refused(size: int, pairs):
    refuse(pairs.index(), "at least 1", patch_size=size, kind=UsageError)
