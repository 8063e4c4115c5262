"""What is pre-training by residuals worth, beside other ways to begin and beside none?

Tables 1 to 5 of RCL and a sweep of its options, at sizes for two cores. Every training is a command
of its own, every finished cell is kept, and learning rates are chosen on the first seed by
validation images: stop the script and start it again to go on. Each table takes one to two hours.
"""

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.harness.rcl.tables import PAPER, REAL, TABLES

DATA = "JAXNOISE_DATA"
CLEAN = ("clean_mcmaster", "clean_bsds500_train")
NETWORK_OF_REAL = {"denoiser": "dncnn", "depth": 7}
"""Table 5 has a DnCNN, as in the paper; all others a U-Net."""


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    """The command line, with the folders that it leaves to the environment."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--table", choices=tuple(TABLES), required=True)
    data = os.environ.get(DATA)
    found = Path(data) / "data" if data else None
    default = f"; by default those of ${DATA}/data"
    clean = [found / name for name in CLEAN] if found else None
    parser.add_argument(
        "--clean", type=Path, nargs="+", default=clean, help=f"clean photographs{default}"
    )
    parser.add_argument(
        "--real",
        type=Path,
        default=found / "srgb_polyu" if found else None,
        help=f"real pairs with an index.csv, of table {REAL}{default}",
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--pretraining-steps", type=int, default=300)
    parser.add_argument("--steps", type=int, default=400, help="on labels")
    parser.add_argument("--pretraining-rates", type=float, nargs="+", default=[1e-3, 3e-3, 1e-2])
    parser.add_argument("--rates", type=float, nargs="+", default=[1e-3, 3e-3, 1e-2])
    parser.add_argument("--features", type=int, default=12, help="of the network")
    parser.add_argument("--test-patches", type=int, default=400)
    parser.add_argument("--accelerator", default="auto", help="of the trainings")
    parser.add_argument("--folder", type=Path, default=Path("runs/rcl_tables"))
    parser.add_argument("--no-record", action="store_true", help="leave the record alone")
    options = parser.parse_args(arguments)
    if not (options.real if options.table == REAL else options.clean):
        parser.error(f"give --clean and --real, or {DATA}, the folder that has them below data")
    return options


def images_of(options: argparse.Namespace) -> dict[str, Any]:
    """Options of the trainings that name the images and their noise.

    Args:
        options: of the command line.
    """
    if options.table == REAL:
        return {"dataset": "pairs", "source": options.real, "levels": "none"}
    from benchmarks.harness.proxy.clean import find_photographs, write_clean

    folder = options.folder / "clean"
    write_clean(folder, find_photographs(options.clean))
    return {"dataset": "images", "source": folder, "levels": "uniform", "tile": 0}


def main(arguments: list[str] | None = None) -> int:
    """Trains, prints a table and writes `results/rcl_table_<number>.json`.

    Args:
        arguments: by default those of the process.

    Returns:
        The exit code, 0.
    """
    options = parsed(arguments)
    from benchmarks.harness.cells import Cells, rows_of, shown
    from benchmarks.harness.rcl.study import Study
    from benchmarks.harness.rcl.trainings import Plan
    from benchmarks.harness.record import write_record

    network: Mapping[str, Any] = {"features": options.features}
    if options.table == REAL:
        network = {**network, **NETWORK_OF_REAL}
    folder = options.folder / ("real" if options.table == REAL else "simulated")
    names = ("steps", "pretraining_steps", "test_patches", "seeds", "rates", "pretraining_rates")
    settings: dict[str, Any] = {name: getattr(options, name) for name in names}
    plan = Plan(
        folder=folder,
        images=images_of(options),
        network=network,
        accelerator=options.accelerator,
        **settings,
    )
    settings["network"] = dict(network)
    cells = Cells(folder / f"table_{options.table}.json", settings)
    study = Study(plan, cells, Cells(folder / "rates.json", settings))
    TABLES[options.table](study)
    rows, paper = rows_of(cells.found), PAPER.get(options.table, {})
    print(f"Table {options.table}\n{shown(rows)}")
    if paper:
        print("the paper's, on other images:")
    for title, row in paper.items():
        numbers = (f"{name} {p:.2f}/{s:.4f}" for name, (p, s) in row.items())
        print(f"  {title:14s}{'  '.join(numbers)}")
    results = {"settings": settings, "rows": rows, "paper": paper, "cells": cells.found}
    results["rates"] = study.rates.found
    if not options.no_record:
        print(write_record(f"rcl_table_{options.table}", results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
