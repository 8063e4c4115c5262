"""How far are the distances, and their gradients, from their definitions in float64?

Nine distributions, the second sample left as it is, scaled, shifted, or moved far from zero with
the first; ranges of 0.03 to 100 bandwidths; float32 and float64; next to them the double sum, and
the double sum as one first writes it. The truth is a double sum in float64, by NumPy.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.harness.distances import oracles
from benchmarks.harness.distances.cases import CHANGES, DISTRIBUTIONS, pair
from benchmarks.harness.distances.worst import COLUMNS, Worst, worst
from benchmarks.harness.record import write_record

SPANS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
SEVERAL = (0.3, 1.0, 3.0, 10.0, 30.0)
FORMS = ("mmd2 float32", "mmd2 float64", "mmd2_exact float32", "dense float32")
KINDS = ("float32", "float64")
TIMED_SETS, CALLS = 64, 5

Compared = Callable[..., tuple[float, tuple[np.ndarray, np.ndarray]]]


def main() -> int:
    """Measure, print tables, write the record and the figure; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--samples", type=int, default=4096, help="values of each sample")
    parser.add_argument("--spans", type=float, nargs="+", default=SPANS, help="range / bandwidth")
    parser.add_argument("--quick", action="store_true", help="512 values, nothing timed")
    parser.add_argument("--no-record", action="store_true", help="leave record and figure alone")
    options = parser.parse_args()
    samples = 512 if options.quick else options.samples
    cases = [(name, change) for name in DISTRIBUTIONS for change in CHANGES]
    mmd2 = measure_mmd2(cases, (*options.spans, SEVERAL), samples, timed=not options.quick)
    others = measure_others(cases, samples)
    print_mmd2(mmd2, samples)
    print_others(others)
    if not options.no_record:
        from benchmarks.harness.distances.figures import FIGURES, accuracy_figure
        from train.report.style import save_png

        settings = {"samples": samples, "distributions": list(DISTRIBUTIONS)}
        settings |= {"changes": list(CHANGES), "timed_sets": TIMED_SETS}
        results = {"settings": settings, "mmd2": mmd2, "others": others}
        print(f"\nwritten to {write_record('distances_accuracy', results)}")
        FIGURES.mkdir(parents=True, exist_ok=True)
        save_png(accuracy_figure(mmd2), FIGURES / "distances_accuracy.png")
    return 0


def measure_mmd2(
    cases: list[tuple[str, str]],
    spans: Iterable[float | tuple[float, ...]],
    samples: int,
    *,
    timed: bool,
) -> list[dict[str, Any]]:
    """One row per range / bandwidth: nodes, bound, worst errors of every form, and times.

    Args:
        cases: names of distribution and change.
        spans: range of the values / bandwidth; several mean the mean of the kernels.
        samples: values of each sample.
        timed: whether to time as well.

    Returns:
        The rows, plain numbers and strings.
    """
    from tqdm import tqdm

    spans = tuple(spans)
    rows = []
    progress = tqdm(total=len(spans) * len(cases), desc="squared MMD", unit="case")
    for span in spans:
        # The double sum of several kernels takes long.
        count = samples // 4 if isinstance(span, tuple) else samples
        errors = {form: Worst() for form in FORMS}
        nodes_used = {kind: set() for kind in KINDS}
        bound = dict.fromkeys(KINDS, 0.0)
        for case in cases:
            x, y = pair(*case, count)
            data_range = float(np.ptp(np.concatenate([x, y]).astype(np.float64)))
            widths = (data_range / np.atleast_1d(span)).astype(np.float32)
            truth = oracles.mmd2(x, y, widths)
            nodes = {}
            for kind in KINDS:
                nodes[kind], largest = nodes_and_bound(x, y, data_range, widths, kind)
                nodes_used[kind].add(nodes[kind])
                bound[kind] = max(bound[kind], largest)
            for form in FORMS:
                values = computed(form, x, y, widths, nodes[form.split()[1]])
                errors[form].add(", ".join(case), values, truth, 1 / count)
            progress.update()
        row = {"range_over_bandwidth": span, "samples": count, "bound": bound}
        row["nodes"] = {kind: sorted(used) for kind, used in nodes_used.items()}
        row["errors"] = {form: worst.numbers() for form, worst in errors.items()}
        if timed and not isinstance(span, tuple):
            row["milliseconds"] = times(samples, span)
        rows.append(row)
    progress.close()
    return rows


def nodes_and_bound(
    x: np.ndarray, y: np.ndarray, data_range: float, widths: np.ndarray, kind: str
) -> tuple[int, float]:
    """Nodes that `mmd2` takes for these data in a type, and the bound on what they leave out."""
    import jax

    from jaxnoise.distances import mmd2_error_bound, mmd2_nodes

    with jax.enable_x64(kind == "float64"):
        nodes = mmd2_nodes(x.astype(kind), y.astype(kind), bandwidth=widths.astype(kind))
    return nodes, mmd2_error_bound(data_range, bandwidth=widths, nodes=nodes, dtype=kind)


def computed(
    form: str, x: np.ndarray, y: np.ndarray, widths: np.ndarray, nodes: int
) -> dict[str, Any]:
    """Both statistics and the gradient of the biased one, by one form, as NumPy's float64."""
    import jax

    name, kind = form.split()
    with jax.enable_x64(kind == "float64"):
        arguments = [np.asarray(part, kind) for part in (x, y, widths)]
        value, gradients = with_gradient(name, "biased", nodes)(*arguments)
        unbiased = None
        if name != "dense":
            unbiased = float(with_gradient(name, "unbiased", nodes)(*arguments)[0])
        gradients = tuple(np.asarray(gradient, np.float64) for gradient in gradients)
    return {"biased": float(value), "unbiased": unbiased, "gradients": gradients}


_programs: dict[tuple, Any] = {}


def with_gradient(name: str, estimator: str, nodes: int) -> Any:
    """A jitted function of (x, y, widths): the value, and its gradients with respect to x and y."""
    import jax

    from benchmarks.peers.distances_dense import dense_mmd2
    from jaxnoise.distances import mmd2, mmd2_exact

    key = (name, estimator, nodes if name == "mmd2" else 0)
    if key not in _programs:

        def distance(x, y, widths):
            if name == "dense":
                return jax.vmap(partial(dense_mmd2, x, y))(widths).mean()
            if name == "mmd2_exact":
                return mmd2_exact(x, y, bandwidth=widths, estimator=estimator)
            return mmd2(x, y, bandwidth=widths, estimator=estimator, nodes=nodes)

        _programs[key] = jax.jit(jax.value_and_grad(distance, argnums=(0, 1)))
    return _programs[key]


def times(samples: int, span: float) -> dict[str, float]:
    """Milliseconds of all pairs of normal sets, value and gradient of their sum, float32.

    The double sums are timed on one pair and multiplied by the number of pairs.
    """
    import jax
    import jax.numpy as jnp

    from jaxnoise.distances import mmd2_nodes, pairwise_mmd2

    xs, ys = np.random.default_rng(0).standard_normal((2, TIMED_SETS, samples), np.float32)
    width = np.asarray(np.ptp(np.stack([xs, ys])) / span, np.float32)
    nodes = mmd2_nodes(xs, ys, bandwidth=width)

    @jax.jit
    def ours(xs, ys):
        def total(xs, ys):
            return pairwise_mmd2(xs, ys, bandwidth=width, nodes=nodes).sum()

        return jax.value_and_grad(total, argnums=(0, 1))(xs, ys)

    found = {"mmd2 float32": milliseconds(partial(ours, jnp.asarray(xs), jnp.asarray(ys)))}
    one = [jnp.asarray(part) for part in (xs[0], ys[0], width[None])]
    for name in ("mmd2_exact", "dense"):
        call = partial(with_gradient(name, "biased", nodes), *one)
        found[f"{name} float32"] = TIMED_SETS**2 * milliseconds(call)
    return found


def milliseconds(call: Callable[[], Any]) -> float:
    """Median time of a few calls, the first left out."""
    import jax

    seconds = []
    for _ in range(CALLS + 1):
        started = time.perf_counter()
        jax.block_until_ready(call())
        seconds.append(time.perf_counter() - started)
    return 1e3 * float(np.median(seconds[1:]))


def measure_others(cases: list[tuple[str, str]], samples: int) -> dict[str, Any]:
    """Largest errors of EMD and Bhattacharyya distance over the cases, in both types."""
    import jax

    from jaxnoise.distances import bhattacharyya, emd

    found: dict[str, dict[str, tuple[float, str]]] = {}
    for kind in KINDS:
        with jax.enable_x64(kind == "float64"):
            value_and_gradient = jax.jit(jax.value_and_grad(emd, argnums=(0, 1)))
            for case in cases:
                x, y = (side.astype(kind) for side in pair(*case, samples))
                value, gradients = value_and_gradient(x, y)
                errors = {"EMD": abs(float(value) / oracles.emd(x, y) - 1)}
                errors["gradient of EMD"] = emd_gradient_error(x, y, gradients)
                true = oracles.bhattacharyya(x, y, ddof=1)
                # Equal moments make it 0; below 1e-6 the error is a part of 1e-6.
                error = abs(float(bhattacharyya(x, y)) - true) / max(true, 1e-6)
                errors["Bhattacharyya"] = error
                for name, error in errors.items():
                    worst = found.setdefault(f"{name} {kind}", {})
                    if error >= worst.get("worst", (-1.0, ""))[0]:
                        worst["worst"] = float(error), ", ".join(case)
    return {
        name: dict(zip(("worst", "case"), w["worst"], strict=True)) for name, w in found.items()
    }


def emd_gradient_error(x: np.ndarray, y: np.ndarray, gradients: Any) -> float:
    """Largest error of the gradient's sums over equal values, in units of 1 / n.

    Which of several equal values moves first is not determined; their sum is.
    """
    x_order, y_order = np.argsort(x, kind="stable"), np.argsort(y, kind="stable")
    sign = np.sign(x[x_order] - y[y_order])
    worst = 0.0
    for samples, order, true, given in ((x, x_order, sign, 0), (y, y_order, -sign, 1)):
        _, group = np.unique(samples[order], return_inverse=True)
        ours = np.asarray(gradients[given], np.float64)[order] * samples.size
        sums = [np.bincount(group, weights=part) for part in (ours, true)]
        worst = max(worst, float(np.max(np.abs(sums[0] - sums[1]))))
    return worst


def print_mmd2(rows: list[dict[str, Any]], samples: int) -> None:
    """A table of the worst errors of the squared MMD."""
    print(f"\nLargest relative errors of MMD^2: above 1/{samples} | below | of the gradient")
    print(
        f"{'range/width':>11} {'nodes 32, 64':>12} {'bounds':>14}",
        *(f"{form:^26}" for form in FORMS),
    )
    for row in rows:
        span, nodes = row["range_over_bandwidth"], row["nodes"]
        label = f"{min(span):g} to {max(span):g}" if isinstance(span, tuple) else f"{span:g}"
        counts = ["-".join(map(str, sorted({used[0], used[-1]}))) for used in nodes.values()]
        bounds = [f"{bound:.0e}" for bound in row["bound"].values()]
        print(f"{label:>11} {', '.join(counts):>12} {', '.join(bounds):>14}", end="")
        for form in FORMS:
            errors = row["errors"][form]
            print("  ", *(f"{worst(errors, kinds):>7}" for kinds in COLUMNS), end="")
        print()
    print("\nWhere they are largest, and the smallest biased value:")
    for form in FORMS:
        print(f"  {form}: {min(row['errors'][form]['smallest_value'] for row in rows):.2e}")
        for column in COLUMNS:
            found = [
                (errors[kind]["worst"], kind, errors[kind]["case"], row["range_over_bandwidth"])
                for row in rows
                for errors in [row["errors"][form]]
                for kind in column
                if kind in errors
            ]
            if found:
                error, kind, case, span = max(found, key=lambda one: one[0])
                print(f"    {error:.1e} {kind.replace('_', ', ')}: {case}, range/width {span}")


def print_others(others: dict[str, Any]) -> None:
    """A table of the worst errors of the other distances."""
    print("\nOther distances, largest relative error (of the EMD's gradient: in units of 1/n):")
    for name, found in others.items():
        print(f"  {name:<24} {found['worst']:.1e}   ({found['case']})")


if __name__ == "__main__":
    sys.exit(main())
