"""What each of RCL's tables compares."""

from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.harness.rcl.starts import FRESH, MOSAICS, PHOTOGRAPHS, Start, supervised
from benchmarks.harness.rcl.study import Study
from benchmarks.harness.rcl.sweep import sweep
from benchmarks.harness.rcl.trainings import Labels

RANDOM, ORACLE = "random layers", "oracle: all labels of the task"
FEW = (10, 30, 100)
REAL_IMAGES = 6
"""Of twenty: the 30 % of the labels of Table 5."""
AT_FEW = ("noise2noise", "noise2self", "consistency", "rcl-emd")
"""Ways to begin that are compared at ten labels."""


def denoising(study: Study) -> None:
    """Table 1: a last layer for denoising over fixed layers."""
    labels, column = Labels("denoise", frozen=True), "denoise"
    study.keep(RANDOM, column, FRESH, labels)
    for start in PHOTOGRAPHS.values():
        study.keep(start.title, column, start, labels)
    study.keep(ORACLE, column, supervised("denoise"), labels)


def super_resolution(study: Study) -> None:
    """Table 2: the same layers for twice the resolution, of clean and of noisy images."""
    for task in ("sr", "jdensr"):
        labels = Labels(task, frozen=True)
        study.keep(RANDOM, task, FRESH, labels)
        for start in (*PHOTOGRAPHS.values(), supervised("denoise")):
            study.keep(start.title, task, start, labels)
        study.keep(ORACLE, task, supervised(task), labels)


def few_labels(study: Study) -> None:
    """Table 3: all layers trained on few labels, after fresh weights and after pre-training."""
    emd = PHOTOGRAPHS["rcl-emd"]
    for count in (*FEW, None):
        column = f"{count or 'all'} labels"
        labels = Labels(options={"label_count": count} if count else None)
        for start in (FRESH, emd):
            study.keep(start.title, column, start, labels)
    ten = {"label_count": FEW[0]}
    for name in AT_FEW:
        start = PHOTOGRAPHS[name]
        study.keep(start.title, f"{FEW[0]} labels", start, Labels(options=ten))
        for seed in study.plan.seeds:
            _before(study, start, seed, Labels(options=ten))
    noisy = Labels(options={**ten, "labels": "other-shot"})
    for start in (FRESH, emd):
        study.keep(f"{start.title}, other shots as labels", f"{FEW[0]} labels", start, noisy)


def _before(study: Study, start: Start, seed: int, labels: Labels) -> None:
    """What a start makes of the test before it has seen a label."""

    def make() -> dict[str, Any]:
        found = study.trained(start, labels, seed).row("before")
        return {"row": start.title, "seed": seed, "sets": {"0 labels": found}}

    study.cells.keep(f"{start.title}, 0 labels, seed {seed}", make)


def mosaics(study: Study) -> None:
    """Table 4: a last layer for tasks of raw over fixed layers."""
    jdd = supervised("jdd")
    for task in ("jdd", "jdemsr", "jddsr"):
        labels = Labels(task, frozen=True)
        study.keep(RANDOM, task, FRESH, labels)
        for start in (*MOSAICS.values(), *(() if task == "jdd" else (jdd,))):
            study.keep(start.title, task, start, labels)
        study.keep(ORACLE, task, supervised(task), labels)


def real_photographs(study: Study) -> None:
    """Table 5: real noisy photographs, with the labels of all training images or of some."""
    start = PHOTOGRAPHS["rcl-emd"]
    for options in (None, {"label_images": REAL_IMAGES}):
        column = f"labels of {REAL_IMAGES} images" if options else "labels of all images"
        for one in (FRESH, start):
            study.keep(one.title, column, one, Labels(options=options))


TABLES: Mapping[str, Callable[[Study], None]] = {
    "1": denoising,
    "2": super_resolution,
    "3": few_labels,
    "4": mosaics,
    "5": real_photographs,
    "sweep": sweep,
}
REAL = "5"
"""The table that is about real photographs."""
PAPER: Mapping[str, Mapping[str, Mapping[str, tuple[float, float]]]] = {
    "1": {
        "N2N": {"MIT": (28.66, 0.8614), "Stanford": (34.14, 0.8699), "VOC": (30.91, 0.8272)},
        "N2S": {"MIT": (28.16, 0.8373), "Stanford": (34.04, 0.8640), "VOC": (30.71, 0.8256)},
        "RCL-BD": {"MIT": (28.83, 0.8871), "Stanford": (34.75, 0.8618), "VOC": (31.29, 0.8274)},
        "RCL-EMD": {"MIT": (29.54, 0.8908), "Stanford": (35.43, 0.8783), "VOC": (31.39, 0.8330)},
        "RCL-MMD": {"MIT": (28.68, 0.8864), "Stanford": (34.87, 0.8687), "VOC": (31.53, 0.8316)},
        "Oracle": {"MIT": (31.26, 0.9187), "Stanford": (38.25, 0.9422), "VOC": (33.65, 0.9038)},
    },
    "2": {
        "N2N": {"SR": (31.61, 0.8730), "JDenSR": (27.90, 0.7860)},
        "N2S": {"SR": (31.11, 0.8699), "JDenSR": (27.80, 0.7831)},
        "SL (Den)": {"SR": (34.18, 0.9118), "JDenSR": (32.89, 0.8353)},
        "RCL-BD": {"SR": (38.89, 0.9654), "JDenSR": (32.10, 0.8046)},
        "RCL-EMD": {"SR": (39.01, 0.9658), "JDenSR": (32.63, 0.8214)},
        "RCL-MMD": {"SR": (38.31, 0.9634), "JDenSR": (31.95, 0.8068)},
        "Oracle": {"SR": (38.93, 0.9603), "JDenSR": (35.98, 0.9175)},
    },
    "3": {
        "SL": {
            "10": (20.74, 0.7299),
            "100": (27.19, 0.8734),
            "1000": (31.31, 0.9184),
            "10000": (33.41, 0.9437),
        },
        "RCL + SL": {
            "0": (22.62, 0.7989),
            "10": (28.20, 0.8834),
            "100": (30.24, 0.9028),
            "1000": (32.09, 0.9280),
            "10000": (33.85, 0.9514),
        },
    },
    "4": {
        "SL (JDD)": {"JDemSR": (32.55, 0.8727), "JDDSR": (30.70, 0.8323)},
        "M2M": {"JDD": (26.62, 0.7463), "JDemSR": (27.21, 0.8219), "JDDSR": (26.07, 0.7292)},
        "RCL": {"JDD": (27.37, 0.7514), "JDemSR": (28.00, 0.8160), "JDDSR": (26.87, 0.7331)},
        "Oracle": {"JDD": (33.60, 0.8979), "JDemSR": (36.63, 0.9431), "JDDSR": (31.56, 0.8490)},
    },
    "5": {
        "SL, all labels": {"SIDD": (37.21, 0.936)},
        "RCL + SL, 30 %": {"SIDD": (37.64, 0.944)},
    },
}
"""PSNR and SSIM of the paper's tables, on other images and at its own sizes."""
