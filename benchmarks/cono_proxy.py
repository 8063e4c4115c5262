"""Do denoisers that learn from CoNo's noise do better on real photographs than from other noise?

Tables 1 and 2 of CoNo. Table 1: one network, trained on clean photographs with the noise of a
teacher, put in RAW before demosaicing or in RGB, and tested on real noisy photographs. Table 2:
such a network trained further on one scene of real pairs, beside one that starts afresh. Every
training is a command of its own, and every finished cell is kept: stop the script and start it
again to go on. Each table takes about an hour on two cores.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from benchmarks.harness.proxy.teachers import TEACHERS, USUAL

DATA = "JAXNOISE_DATA"
CLEAN = ("clean_mcmaster", "clean_bsds500_train")
REAL = ("srgb_polyu", "srgb_cc15", "srgb_sidd_pairs")
STARTS = ("cono-raw", "awgn-raw", "awgn-rgb")


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    """The command line, with the folders that it leaves to the environment."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--table", type=int, choices=(1, 2), help="one of them alone")
    data = os.environ.get(DATA)
    found = Path(data) / "data" if data else None
    folders = f"; by default those of ${DATA}/data"
    clean = [found / name for name in CLEAN] if found else None
    parser.add_argument(
        "--clean", type=Path, nargs="+", default=clean, help=f"clean photographs{folders}"
    )
    real = [found / name for name in REAL] if found else None
    parser.add_argument(
        "--real", type=Path, nargs="+", default=real, help=f"folders with index.csv{folders}"
    )
    names: dict[str, Any] = {"nargs": "+", "choices": TEACHERS, "metavar": "TEACHER"}
    parser.add_argument("--few", type=Path, help="the one of Table 2; by default the first of them")
    parser.add_argument(
        "--teachers", **names, default=USUAL, help=f"of Table 1: {', '.join(TEACHERS)}"
    )
    parser.add_argument("--starts", **names, default=STARTS, help="teachers of Table 2")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--cono-steps", type=int, default=300)
    parser.add_argument("--draws", type=int, default=4, help="of noise for each photograph")
    parser.add_argument("--steps", type=int, default=6000, help="on synthetic noise")
    parser.add_argument("--further-steps", type=int, default=2000, help="on real noise")
    parser.add_argument("--rates", type=float, nargs="+", default=[5e-4, 1e-3, 2e-3])
    parser.add_argument("--scenes", type=int, default=4, help="of Table 2, each by itself")
    parser.add_argument("--accelerator", default="auto", help="of the trainings")
    parser.add_argument("--folder", type=Path, default=Path("runs/cono_proxy"))
    parser.add_argument("--no-record", action="store_true", help="leave the record alone")
    options = parser.parse_args(arguments)
    if not options.clean or not options.real:
        parser.error(f"give --clean and --real, or {DATA}, the folder that has them below data")
    options.few = options.few or options.real[0]
    return options


def main(arguments: list[str] | None = None) -> int:
    """Trains, prints the tables and writes `results/cono_proxy_1.json` and `..._2.json`.

    Args:
        arguments: by default those of the process.

    Returns:
        The exit code, 0.
    """
    options = parsed(arguments)
    import jax

    from benchmarks.harness.cells import Cells
    from benchmarks.harness.proxy import table_1, table_2
    from benchmarks.harness.proxy.clean import find_photographs, listed
    from benchmarks.harness.proxy.real import SSIM, open_sets
    from benchmarks.harness.proxy.trainings import DENOISER, Plan

    # Pairs and tables are then the same wherever the trainings run, which need the device alone.
    jax.config.update("jax_platforms", "cpu")
    photographs = tuple(find_photographs(options.clean))
    names = ("seeds", "rates")
    numbers = ("cono_steps", "draws", "steps")
    plan = Plan(
        folder=options.folder,
        photographs=photographs,
        accelerator=options.accelerator,
        **{name: tuple(getattr(options, name)) for name in names},
        **{name: getattr(options, name) for name in numbers},
    )
    sets = {one.name: one for one in open_sets([*options.real, options.few])}
    settings: dict[str, Any] = {
        "denoiser": DENOISER,
        "ssim": SSIM,
        "rates": plan.rates,
        **{name: getattr(plan, name) for name in numbers},
        "clean": listed(photographs),
    }
    judged = [sets[folder.name] for folder in options.real]
    of_1 = {**settings, "real": {one.name: one.digest for one in judged}}
    first = Cells(options.folder / "table_1.json", of_1)
    if options.table != 2:
        table_1.fill(plan, first, [TEACHERS[name] for name in options.teachers], judged)
        finish(1, first, table_1.PAPER, options)
    if options.table != 1:
        real = sets[options.few.name]
        scenes = table_2.chosen_scenes(table_2.training_scenes(real), options.scenes)
        few = table_2.Few(real, scenes, options.further_steps, first)
        of_2 = {**settings, "further_steps": few.steps, "few": {real.name: real.digest}}
        second = Cells(options.folder / "table_2.json", {**of_2, "scenes": scenes})
        table_2.fill(plan, second, few, [TEACHERS[name] for name in options.starts])
        finish(2, second, table_2.PAPER, options)
    return 0


def finish(number: int, cells: Any, paper: dict[str, Any], options: argparse.Namespace) -> None:
    """Prints a table and writes its record.

    Args:
        number: of the table.
        cells: all of its cells.
        paper: PSNR and SSIM that the paper states, by row and data set.
        options: of the command line.
    """
    from benchmarks.harness.cells import rows_of, shown
    from benchmarks.harness.record import write_record

    rows = rows_of(cells.found)
    print(f"Table {number}\n{shown(rows)}\nthe paper's, on other images:")
    for title, row in paper.items():
        print(
            f"  {title:14s}" + "  ".join(f"{name} {p:.2f}/{s:.3f}" for name, (p, s) in row.items())
        )
    kept = {
        name: {key: value for key, value in cell.items() if key != "sets"}
        for name, cell in cells.found.items()
    }
    results = {"settings": cells.settings, "rows": rows, "paper": paper, "cells": kept}
    if not options.no_record:
        print(write_record(f"cono_proxy_{number}", results))


if __name__ == "__main__":
    sys.exit(main())
