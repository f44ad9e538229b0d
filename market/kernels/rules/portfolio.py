"""Portfolio margin of one account: worst loss over a scenario table, expiry by expiry, plus add-ons.

Per scenario and expiry the signed value of the options is discounted by its sign and compared with the value now;
linear instruments add their gains; the sum is damped by the scenario's weight. Sources: Derive PMRM_2
(derivexyz/v2-core@7736900d, PMRMLib_2.sol); Deribit, OKX, Binance and SPAN style matrices are the same with no
discounts and no basis rows. Loss is at least zero.

Arguments shared by the kernels here:

* `lots[n_books]` of one account (int64 in the engine, any number elsewhere);
* `unit[n_scenarios + 3, n_books]` from `scenario_units`, USD quanta per lot;
* `books`, `groups`, `scenarios`: records of `risk_records`; `rule`: a row of RISK_RULE;
* `held[2, n_books]` int64 and `work[WORK_ROWS, size]` float64 scratch, of any content, size at least the largest of
  n_books, n_groups + n_underlyings and the number of strikes (`market.portfolio.scratch` makes both).
"""

from __future__ import annotations

from market.kernels.jit import inline, kernel
from market.kernels.rules.risk_records import LINEAR

# Rows of `work`. Columns 0 .. n_groups - 1 are expiries, the rest underlyings, except LOTS (books) and NET (strikes).
_VALUE, _NOW, _PNL, _WORST, _LOTS, _NET, _BASIS = range(7)


@kernel
def hold(lots, books, n_groups, held, work):
    """Note the books with lots, where their value is summed, and the lots as floats; returns how many they are."""
    count = 0
    for book in range(lots.shape[0]):
        if lots[book] != 0:
            held[0, count] = book
            linear = books[book].kind == LINEAR
            held[1, count] = n_groups + books[book].underlying if linear else books[book].group
            work[_LOTS, count] = lots[book]
            count += 1
    return count


@inline
def _sum_row(row, target, count, slots, unit, held, work):
    """work[target, slot] = sum of lots x unit[row] over the held books of the slot."""
    for slot in range(slots):
        work[target, slot] = 0.0
    for at in range(count):
        work[target, held[1, at]] += work[_LOTS, at] * unit[row, held[0, at]]


@inline
def _scenario(scenario, count, n_groups, slots, unit, groups, scenarios, held, work):
    """work[PNL, n_groups + underlying] = profit of the underlying under the scenario."""
    _sum_row(scenario, _VALUE, count, slots, unit, held, work)
    shock = scenarios[scenario]
    weight = shock.weight
    for slot in range(n_groups, slots):
        work[_PNL, slot] = weight * work[_VALUE, slot]
    for row in range(n_groups):
        value = work[_VALUE, row]
        if value == 0.0 and work[_NOW, row] == 0.0:
            continue
        group = groups[row]
        change = value * (group.long_discount if value >= 0.0 else group.short_discount) - work[_NOW, row]
        if shock.adverse != 0 and change > 0.0:
            change = -change
        work[_PNL, n_groups + group.underlying] += weight * change


@inline
def _basis(count, n_groups, slots, n_scenarios, unit, groups, held, work):
    """work[BASIS, n_groups + underlying] = contingency (at most zero) for forwards that move by themselves."""
    for slot in range(n_groups, slots):
        work[_BASIS, slot] = 0.0
    _sum_row(n_scenarios, _VALUE, count, slots, unit, held, work)
    _sum_row(n_scenarios + 1, _PNL, count, slots, unit, held, work)
    for row in range(n_groups):
        group = groups[row]
        change = min(work[_VALUE, row], work[_PNL, row]) - work[_NOW, row]
        if change < 0.0:
            work[_BASIS, n_groups + group.underlying] += group.basis_factor * change


@kernel
def portfolio_pnl(lots, unit, books, groups, scenarios, n_underlyings, held, work, pnl):
    """Fill `pnl[n_scenarios]` with the profit under each scenario, USD quanta."""
    n_groups = groups.shape[0]
    n_scenarios = scenarios.shape[0]
    slots = n_groups + n_underlyings
    count = hold(lots, books, n_groups, held, work)
    _sum_row(n_scenarios + 2, _NOW, count, slots, unit, held, work)
    for scenario in range(n_scenarios):
        _scenario(scenario, count, n_groups, slots, unit, groups, scenarios, held, work)
        total = 0.0
        for slot in range(n_groups, slots):
            total += work[_PNL, slot]
        pnl[scenario] = total


@kernel
def portfolio_value(lots, unit, n_scenarios):
    """USD quanta that the options of the account are worth now (the linear instruments' last row is zero)."""
    total = 0.0
    for book in range(lots.shape[0]):
        total += lots[book] * unit[n_scenarios + 2, book]
    return total


@kernel
def basis_contingency(lots, unit, books, groups, n_scenarios, n_underlyings, held, work):
    """Loss that counts for forwards that move by themselves, at least zero, USD quanta."""
    n_groups = groups.shape[0]
    slots = n_groups + n_underlyings
    count = hold(lots, books, n_groups, held, work)
    _sum_row(n_scenarios + 2, _NOW, count, slots, unit, held, work)
    _basis(count, n_groups, slots, n_scenarios, unit, groups, held, work)
    total = 0.0
    for slot in range(n_groups, slots):
        total -= work[_BASIS, slot]
    return total


@kernel
def portfolio_loss(lots, unit, books, groups, scenarios, rule, n_underlyings, held, work):
    """Worst loss over the scenarios and the basis contingency, at least zero, USD quanta.

    Between underlyings `rule.offset` chooses: at 1 all stand in the same scenario and offset one another in full, at 0
    each stands in its own worst one; in between, in proportion.
    """
    n_groups = groups.shape[0]
    n_scenarios = scenarios.shape[0]
    slots = n_groups + n_underlyings
    count = hold(lots, books, n_groups, held, work)
    if count == 0:
        return 0.0
    _sum_row(n_scenarios + 2, _NOW, count, slots, unit, held, work)
    _basis(count, n_groups, slots, n_scenarios, unit, groups, held, work)
    together = 0.0
    for slot in range(n_groups, slots):
        work[_WORST, slot] = work[_BASIS, slot]
        together += work[_BASIS, slot]
    for scenario in range(n_scenarios):
        _scenario(scenario, count, n_groups, slots, unit, groups, scenarios, held, work)
        total = 0.0
        for slot in range(n_groups, slots):
            total += work[_PNL, slot]
            work[_WORST, slot] = min(work[_WORST, slot], work[_PNL, slot])
        together = min(together, total)
    apart = 0.0
    for slot in range(n_groups, slots):
        apart += work[_WORST, slot]
    return -(rule.offset * together + (1.0 - rule.offset) * apart)


@kernel
def gross_charges(lots, books):
    """Sum of |lots| x gross charge, USD quanta."""
    total = 0.0
    for book in range(lots.shape[0]):
        total += abs(lots[book]) * books[book].gross_charge
    return total


@kernel
def short_charges(lots, books, n_strikes, work):
    """Short charge of the lots net short per strike, calls and puts of a strike netted, USD quanta.

    The same netting as `contingencies.net_short`, in money: the calls and puts of one strike share a charge per lot.
    """
    for strike in range(n_strikes):
        work[_NET, strike] = 0.0
    for book in range(lots.shape[0]):
        if lots[book] != 0 and books[book].kind != LINEAR:
            work[_NET, books[book].strike_of] += lots[book] * books[book].short_charge
    total = 0.0
    for strike in range(n_strikes):
        total += max(0.0, -work[_NET, strike])
    return total


@kernel
def portfolio_requirement(lots, unit, books, groups, scenarios, rule, n_underlyings, n_strikes, held, work):
    """Requirement of one account: factor x worst loss + gross charges + short charges, USD quanta."""
    loss = portfolio_loss(lots, unit, books, groups, scenarios, rule, n_underlyings, held, work)
    return rule.factor * loss + gross_charges(lots, books) + short_charges(lots, books, n_strikes, work)


@kernel
def portfolio_requirements(positions, unit, books, groups, scenarios, rule, n_underlyings, n_strikes, held, work, out):
    """Fill `out[n_accounts, 2]` with requirement and option value of every row of `positions` (POSITION records)."""
    for account in range(positions.shape[0]):
        lots = positions[account]["lots"]
        out[account, 0] = portfolio_requirement(
            lots, unit, books, groups, scenarios, rule, n_underlyings, n_strikes, held, work
        )
        out[account, 1] = portfolio_value(lots, unit, scenarios.shape[0])
