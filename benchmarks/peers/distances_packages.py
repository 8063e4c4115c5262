"""The distances in packages for statistics and optimal transport."""

from functools import partial

import numpy as np

from benchmarks.harness.distances.problem import Call, Problem, jax_call


def pairs(distance, problem: Problem) -> np.ndarray:
    """A function of one pair for all of them."""
    return np.array([[distance(x, y) for y in problem.ys] for x in problem.xs])


def sklearn_mmd2(problem: Problem, task: str) -> Call:
    """Means of whole kernel matrices, each within a set computed once."""
    from sklearn.metrics.pairwise import rbf_kernel  # pyright: ignore[reportMissingImports]

    def mean(x: np.ndarray, y: np.ndarray) -> float:
        return rbf_kernel(x[:, None], y[:, None], gamma=1 / problem.width**2).mean(dtype=np.float64)

    def call() -> np.ndarray:
        own = [np.array([mean(one, one) for one in side]) for side in (problem.xs, problem.ys)]
        return own[0][:, None] + own[1] - 2 * pairs(mean, problem)

    return call


def scipy_emd(problem: Problem, task: str) -> Call:
    """Pair by pair."""
    from scipy.stats import wasserstein_distance

    return partial(pairs, wasserstein_distance, problem)


def pot_pairs(problem: Problem, task: str) -> Call:
    """Pair by pair, by the function for one pair."""
    import ot  # pyright: ignore[reportMissingImports]

    return partial(pairs, partial(ot.emd2_1d, metric="euclidean", dense=False), problem)


def pot_batched(problem: Problem, task: str) -> Call:
    """A row of pairs at a time, by the function for many pairs, every tensor sorted once."""
    import ot  # pyright: ignore[reportMissingImports]

    def call() -> np.ndarray:
        xs, ys = (np.sort(side, axis=1).T.copy() for side in (problem.xs, problem.ys))
        rows = []
        for x in xs.T:
            repeated = np.repeat(x[:, None], ys.shape[1], axis=1)
            rows.append(ot.wasserstein_1d(repeated, ys, p=1, require_sort=False))
        return np.array(rows)

    return call


def ott_emd(problem: Problem, task: str) -> Call:
    """Every pair sorts its two tensors."""
    import jax
    from ott.geometry import costs, pointcloud  # pyright: ignore[reportMissingImports]
    from ott.problems.linear import linear_problem  # pyright: ignore[reportMissingImports]
    from ott.solvers.linear import univariate  # pyright: ignore[reportMissingImports]

    def distance(x, y):
        cloud = pointcloud.PointCloud(x[:, None], y[:, None], cost_fn=costs.PNormP(1))
        return univariate.uniform_solver(linear_problem.LinearProblem(cloud)).ot_costs[0]

    def distances(xs, ys):
        return jax.lax.map(lambda x: jax.vmap(partial(distance, x))(ys), xs)

    return jax_call(distances, problem, task)
