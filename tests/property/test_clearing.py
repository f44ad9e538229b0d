"""Clearing vectors of random networks: what every one of them promises."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.network.clearing import Obligations, Priority, Vector, clear, iterate

CLOSE = 1e-9
ENDS: tuple[Vector, Vector] = ("greatest", "least")

# Coarse values make ties, circles and members that own nothing.
AMOUNT = st.sampled_from([0.0, 0.0, 0.0, 0.25, 0.5, 1.0, 3.0])
RECOVERY = st.sampled_from([1.0, 1.0, 0.8, 0.5, 0.0])


@st.composite
def networks(draw: st.DrawFn) -> Obligations:
    n = draw(st.integers(1, 7))
    debts = np.array(draw(st.lists(AMOUNT, min_size=n * n, max_size=n * n))).reshape(n, n)
    np.fill_diagonal(debts, 0.0)
    assets, external = (draw(st.lists(AMOUNT, min_size=n, max_size=n)) for _ in range(2))
    priority: Priority = draw(st.sampled_from(["equal", "senior"]))
    return Obligations(
        debts,
        assets,
        external_debts=external,
        priority=priority,
        external_recovery=draw(RECOVERY),
        network_recovery=draw(RECOVERY),
    )


@settings(deadline=None, max_examples=150, derandomize=True)
@given(networks())
def test_both_ends_are_clearing_vectors_in_order(network: Obligations) -> None:
    greatest, least = clear(network), clear(network, "least")
    for found in (greatest, least):
        assert np.abs(network.respond(found.payments) - found.payments).max() < CLOSE
        assert found.rounds <= network.n + 1
    assert (least.payments <= greatest.payments + CLOSE).all()
    assert (least.defaults >= greatest.defaults).all()
    for exact, end in zip((greatest, least), ENDS, strict=True):
        assert np.abs(iterate(network, end).payments - exact.payments).max() < CLOSE


@settings(deadline=None, max_examples=150, derandomize=True)
@given(networks())
def test_limited_liability_and_absolute_priority(network: Obligations) -> None:
    for end in ENDS:
        found = clear(network, end)
        failed = found.defaults
        left = network.external_recovery * network.external_assets + network.network_recovery * found.received
        resources = np.where(failed, left, network.external_assets + found.received)
        paid = found.payments + found.external_payments
        assert (paid <= resources + CLOSE).all()
        assert (paid <= network.owed + CLOSE).all()
        # in default all that is left is paid out; otherwise all that is owed
        assert np.abs(paid - np.where(failed, left, network.owed)).max() < CLOSE
        assert (found.equity[~failed] >= -CLOSE).all()
        assert (found.equity[failed] < 0.0).all()
        if network.priority == "senior":
            junior = failed & (found.external_payments < network.external_debts - CLOSE)
            assert np.abs(found.payments[junior]).max(initial=0.0) < CLOSE


@settings(deadline=None, max_examples=60, derandomize=True)
@given(networks())
def test_more_assets_never_pay_less(network: Obligations) -> None:
    richer = Obligations(
        network.liabilities,
        network.external_assets + 0.125,
        external_debts=network.external_debts,
        priority=network.priority,
        external_recovery=network.external_recovery,
        network_recovery=network.network_recovery,
    )
    for end in ENDS:
        gained = clear(richer, end).payments - clear(network, end).payments
        assert gained.min() > -CLOSE


@settings(deadline=None, max_examples=60, derandomize=True)
@given(networks())
def test_without_default_costs_equity_does_not_depend_on_the_vector(network: Obligations) -> None:
    if network.external_recovery == network.network_recovery == 1.0 and network.priority == "equal":
        greatest, least = (clear(network, end).equity for end in ENDS)
        assert np.abs(greatest.clip(0.0) - least.clip(0.0)).max() < CLOSE
