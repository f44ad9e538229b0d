"""A wick in one of an oracle's sources: a single source passes it on, and what protects is what the study says."""

from __future__ import annotations

import pytest

from experiments.studies.wick import BASE, DESIGNS, Outcome, main, outcome

SMALL = (*BASE, "population.count=800", "hours=0.1")


def measured(design: str) -> Outcome:
    """A small run of one design under a wick of 20 %."""
    return outcome(design, depth=0.2, seeds=(1,), base=SMALL)


@pytest.fixture(scope="module")
def alone() -> Outcome:
    """The venue that leans on one source."""
    return measured("one source, mark = index")


def test_a_single_source_liquidates_healthy_accounts(alone: Outcome) -> None:
    assert alone.index_error == pytest.approx(-0.2, abs=0.01)
    assert alone.mark_error == alone.index_error
    assert alone.liquidated_accounts > 20


@pytest.mark.parametrize(
    "design",
    [
        "median of three sources, mark = index",
        "three sources, prices withheld beyond 2%",
        "one source, mark = median(outside, fair, book)",
        "one source, mark = middle of the book",
    ],
)
def test_median_withholding_outside_price_and_book_protect(design: str) -> None:
    found = measured(design)
    assert found.mark_error > -0.005
    assert found.liquidated_accounts == 0


def test_a_time_weighted_average_shrinks_the_wick_to_its_share_of_the_window(alone: Outcome) -> None:
    """Half of 20 %, for 60 of the 240 to 300 s that the average has seen by then."""
    found = measured("one source, mark = TWAP of the index, 10 min")
    assert -0.5 * 0.2 * 60.0 / 240.0 < found.mark_error < -0.5 * 0.2 * 60.0 / 330.0
    assert found.liquidated_accounts < 0.2 * alone.liquidated_accounts


def test_medians_in_which_the_index_counts_twice_do_not_protect(alone: Outcome) -> None:
    for design in ("median(index, fair, book)", "median(index + carry, fair, last)"):
        found = measured(f"one source, mark = {design}")
        assert found.mark_error < -0.15
        assert found.liquidated_accounts > 0.5 * alone.liquidated_accounts


def test_a_halt_keeps_some_of_the_orders_off_the_book(alone: Outcome) -> None:
    found = measured("one source, mark = index, halt at 5% a minute")
    assert 0 < found.closed_usd < 0.8 * alone.closed_usd


def test_bad_arguments_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(DESIGNS) == 11
    monkeypatch.setattr("sys.argv", ["wick", "--depth", "1.5"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
