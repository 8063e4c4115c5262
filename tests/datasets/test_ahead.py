"""Work ahead of its use: in order, not too far ahead, and stopped by what goes wrong."""

import threading

import pytest

from datasets.ahead import ahead

pytestmark = pytest.mark.fast


@pytest.mark.parametrize("workers", [1, 3])
def test_values_come_in_the_order_of_the_items(workers: int):
    def square(item: int) -> int:
        # Later items are done first where several work at once.
        threading.Event().wait(0.002 * (item % 3 == 0))
        return item**2

    assert list(ahead(square, range(20), workers=workers)) == [(i, i**2) for i in range(20)]
    assert list(ahead(square, [], workers=workers)) == []


def test_few_items_are_taken_before_their_values_are_asked_for():
    taken = []
    results = ahead(lambda item: item, (taken.append(i) or i for i in range(100)), workers=2)
    next(results)
    assert len(taken) <= 3
    results.close()
    assert len(taken) <= 3


class Stop(BaseException):
    """A request to stop."""


@pytest.mark.parametrize("error", [ValueError, Stop])
def test_errors_and_requests_to_stop_come_through(error: type[BaseException]):
    done = []

    def work(item: int) -> int:
        if item == 3:
            raise error
        done.append(item)
        return item

    seen = []
    with pytest.raises(error):
        for item, _ in ahead(work, range(100), workers=2):
            seen.append(item)
    assert seen == [0, 1, 2] and max(done) <= 6
