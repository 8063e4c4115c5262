"""Cells that stay, and the table that they make."""

import json

import pytest

from benchmarks.harness import cells as subject
from benchmarks.harness.cells import Cells, rows_of

pytestmark = pytest.mark.fast


def test_what_is_finished_is_not_made_again(tmp_path):
    path, made = tmp_path / "new" / "table.json", []

    def make():
        made.append(1)
        return {"scenes": (1, 2)}

    first = Cells(path, {"rates": (1e-3,)}).keep("one", make)
    again = Cells(path, {"rates": (1e-3,)}).keep("one", make)
    assert first == again == {"scenes": [1, 2]}
    assert len(made) == 1


def test_a_cell_that_fails_leaves_those_before_it(tmp_path):
    cells = Cells(tmp_path / "table.json", {})
    cells.keep("one", lambda: 1)
    with pytest.raises(ZeroDivisionError):
        cells.keep("two", lambda: 1 / 0)
    assert Cells(tmp_path / "table.json", {}).found == {"one": 1}
    assert json.loads((tmp_path / "table.json").read_text())["cells"] == {"one": 1}


def test_a_cell_may_need_another(tmp_path):
    cells = Cells(tmp_path / "table.json", {})
    assert cells.keep("outer", lambda: 1 + cells.keep("inner", lambda: 1)) == 2
    assert Cells(tmp_path / "table.json", {}).found == {"inner": 1, "outer": 2}


@pytest.mark.parametrize("settings", [{"steps": 2}, {"steps": 1, "draws": 4}, {}])
def test_cells_of_other_settings_are_refused(tmp_path, settings):
    Cells(tmp_path / "table.json", {"steps": 1}).keep("one", lambda: 1)
    with pytest.raises(SystemExit, match="has cells of other .*: choose another --folder"):
        Cells(tmp_path / "table.json", settings)


def of(row, seed, psnr):
    numbers = {"psnr": psnr, "ssim": psnr / 100, "psnr_without_offset": psnr + 1}
    return {"row": row, "seed": seed, "sets": {"real": numbers}}


def test_a_row_is_the_mean_and_range_over_seeds_of_the_mean_over_scenes():
    cells = {
        "noisy": of("noisy", None, 30.0),
        "rate of a": {"rate": 1e-3},
        "a": of("few", 0, 34.0),
        "b": of("few", 0, 36.0),
        "c": of("few", 1, 31.0),
        "d": of("few", 1, 35.0),
    }
    rows = rows_of(cells)
    assert list(rows) == ["noisy", "few"]
    assert rows["few"]["seeds"] == [0, 1] and rows["noisy"]["seeds"] == []
    assert rows["few"]["real"]["psnr"] == {"mean": 34.0, "lowest": 33.0, "highest": 35.0}
    assert rows["few"]["real"]["psnr_without_offset"]["mean"] == 35.0
    assert rows["noisy"]["real"]["ssim"] == {"mean": 0.3, "lowest": 0.3, "highest": 0.3}


def test_cells_of_a_row_may_be_of_different_sets():
    numbers = {"psnr": 30.0, "ssim": 0.5}
    cells = {
        "a": {"row": "one", "seed": 0, "sets": {"10": numbers}},
        "b": {"row": "one", "seed": 1, "sets": {"10": {"psnr": 32.0, "ssim": 0.5}}},
        "c": {"row": "one", "seed": 0, "sets": {"30": {"psnr": 40.0, "ssim": 0.9}}},
    }
    rows = rows_of(cells)
    assert rows["one"]["10"]["psnr"] == {"mean": 31.0, "lowest": 30.0, "highest": 32.0}
    assert rows["one"]["30"]["psnr"]["mean"] == 40.0
    assert "no offset" not in subject.shown(rows)


def test_the_table_shows_every_row_under_its_set():
    lines = subject.shown(rows_of({"a": of("AWGN in RAW", 0, 34.0)})).splitlines()
    assert lines[0].startswith("real")
    assert lines[1].split() == ["AWGN", "in", "RAW", "34.00", "34.00", "34.00", "0.3400", "35.00"]
