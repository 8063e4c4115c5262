"""The finished cells of a table, in a file that is whole whenever the program ends."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness.proxy.real import NUMBERS
from train.engine.files import replace_file


class Cells:
    """Cells by name, each kept as soon as it is finished.

    Args:
        path: of the file; what it holds is not computed again.
        settings: that the cells depend on, as JSON can hold them.

    Raises:
        SystemExit: the file is of other settings.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]):
        self.path, self.settings = path, json.loads(json.dumps(settings))
        self.found: dict[str, Any] = {}
        if path.exists():
            held = json.loads(path.read_text())
            differing = [
                name
                for name in {**held["settings"], **self.settings}
                if held["settings"].get(name) != self.settings.get(name)
            ]
            if differing:
                raise SystemExit(
                    f"{path} has cells of other {differing[0]}: choose another --folder for these."
                )
            self.found = held["cells"]

    def keep(self, name: str, make: Callable[[], Any]) -> Any:
        """A cell, made and kept unless it is there.

        Args:
            name: of the cell.
            make: computes it, as JSON can hold it.
        """
        if name not in self.found:
            self.found[name] = json.loads(json.dumps(make()))
            self.path.parent.mkdir(parents=True, exist_ok=True)
            held = {"settings": self.settings, "cells": self.found}
            replace_file(self.path, json.dumps(held, indent=2) + "\n")
        return self.found[name]


def rows_of(cells: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The rows of a table.

    Args:
        cells: by name; those with "sets" count, each with its "row" and "seed".

    Returns:
        By row and set each number's mean, and its lowest and highest over the seeds. Where a seed
        has several cells, such as of several scenes, their mean is the number of that seed.
    """
    grouped: dict[str, dict[Any, list[dict]]] = {}
    for cell in cells.values():
        if "sets" in cell:
            grouped.setdefault(cell["row"], {}).setdefault(cell["seed"], []).append(cell["sets"])
    rows: dict[str, dict[str, Any]] = {}
    for row, by_seed in grouped.items():
        first = next(iter(by_seed.values()))[0]
        rows[row] = {"seeds": [seed for seed in by_seed if seed is not None]}
        for name in first:
            rows[row][name] = {key: _range(by_seed, name, key) for key in NUMBERS}
    return rows


def _range(by_seed: Mapping[Any, list[dict]], name: str, key: str) -> dict[str, float]:
    of_seeds = [np.mean([sets[name][key] for sets in cells]) for cells in by_seed.values()]
    return {
        "mean": float(np.mean(of_seeds)),
        "lowest": float(min(of_seeds)),
        "highest": float(max(of_seeds)),
    }


def shown(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """A table of means, with the range of the PSNR over seeds.

    Args:
        rows: of `rows_of`.
    """
    lines = []
    sets = dict.fromkeys(name for row in rows.values() for name in row if name != "seeds")
    for name in sets:
        lines.append(f"{name:34s}{'PSNR':>8s}{'(range)':>16s}{'SSIM':>8s}{'no offset':>11s}")
        for title, row in rows.items():
            if name not in row:
                continue
            numbers, span = row[name], row[name]["psnr"]
            lines.append(
                f"  {title:32s}{span['mean']:8.2f}{span['lowest']:9.2f}{span['highest']:7.2f}"
                f"{numbers['ssim']['mean']:8.4f}{numbers['psnr_without_offset']['mean']:11.2f}"
            )
    return "\n".join(lines)
