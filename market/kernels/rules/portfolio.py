"""Portfolio margin of one account: worst loss over a scenario table, expiry by expiry, plus add-ons.

Per scenario and expiry the signed value of the options is discounted by its sign and compared with the value now;
linear instruments add their gains; the sum is damped by the scenario's weight. Sources: Derive PMRM_2
(derivexyz/v2-core@7736900d, PMRMLib_2.sol); Deribit, OKX, Binance and SPAN style matrices are the same with no
discounts and no basis rows. Loss is at least zero.

Arguments shared by the kernels here:

* `lots[n_books]` of one account (int64 in the engine, any number elsewhere);
* `unit[n_scenarios + 3, n_books]` from `scenario_units`, USD quanta per lot, in column-major order: the loops run along
  the scenarios of one instrument;
* `books`, `groups`: RISK_BOOK and RISK_GROUP records; `rule`: a row of RISK_RULE;
* `terms[2, n_scenarios]`: weight and adverse (0 or 1) of every scenario;
* `touched[n_groups + n_underlyings]` int64 and `work` float64 scratch, of any content (`scenarios.scratch`).
"""

from __future__ import annotations

from market.kernels.jit import kernel
from market.kernels.rules.risk_records import LINEAR

# Rows of `work`: expiries 0 .. n_groups - 1, then underlyings, then one for sums by strike.
_WEIGHT, _ADVERSE = 0, 1


@kernel
def _spread(lots, unit, books, n_groups, touched, work):
    """work[slot] = sum of lots x unit over the books of the slot (an expiry or, for LINEAR, an underlying)."""
    rows = unit.shape[0]
    touched[:] = 0
    for book in range(lots.shape[0]):
        if lots[book] == 0:
            continue
        size = float(lots[book])
        linear = books[book].kind == LINEAR
        slot = n_groups + books[book].underlying if linear else books[book].group
        if touched[slot] == 0:
            touched[slot] = 1
            for row in range(rows):
                work[slot, row] = size * unit[row, book]
        else:
            for row in range(rows):
                work[slot, row] += size * unit[row, book]


@kernel
def _fold(group, slot, into, terms, touched, work):
    """Add one expiry's changes, discounted by sign, to its underlying's row, and its basis loss to the row's end."""
    n_scenarios = terms.shape[1]
    if touched[into] == 0:
        touched[into] = 1
        for row in range(n_scenarios + 3):
            work[into, row] = 0.0
    now = work[slot, n_scenarios + 2]
    long, short = group.long_discount, group.short_discount
    for row in range(n_scenarios):
        value = work[slot, row]
        change = long * max(value, 0.0) + short * min(value, 0.0) - now
        # An adverse scenario turns a gain round: change - 2 x change.
        work[into, row] += change - 2.0 * terms[_ADVERSE, row] * max(change, 0.0)
    basis = min(work[slot, n_scenarios], work[slot, n_scenarios + 1]) - now
    work[into, n_scenarios] += group.basis_factor * min(basis, 0.0)


@kernel
def _gather(lots, unit, books, groups, terms, touched, work):
    """Row n_groups + underlying of `work`: its unweighted profit per scenario, then its basis contingency (<= 0)."""
    n_groups = groups.shape[0]
    _spread(lots, unit, books, n_groups, touched, work)
    for row in range(n_groups):
        if touched[row] != 0:
            _fold(groups[row], row, n_groups + groups[row].underlying, terms, touched, work)


@kernel
def portfolio_pnl(lots, unit, books, groups, terms, touched, work, pnl):
    """Fill `pnl[n_scenarios]` with the profit under each scenario, USD quanta."""
    _gather(lots, unit, books, groups, terms, touched, work)
    pnl[:] = 0.0
    for slot in range(groups.shape[0], touched.shape[0]):
        if touched[slot] != 0:
            for row in range(terms.shape[1]):
                pnl[row] += terms[_WEIGHT, row] * work[slot, row]


@kernel
def basis_contingency(lots, unit, books, groups, terms, touched, work):
    """Loss that counts for forwards that move by themselves, at least zero, USD quanta."""
    _gather(lots, unit, books, groups, terms, touched, work)
    total = 0.0
    for slot in range(groups.shape[0], touched.shape[0]):
        if touched[slot] != 0:
            total -= work[slot, terms.shape[1]]
    return total


@kernel
def portfolio_loss(lots, unit, books, groups, terms, rule, touched, work):
    """Worst loss over the scenarios and the basis contingency, at least zero, USD quanta.

    Between underlyings `rule.offset` chooses: at 1 all stand in the same scenario and offset one another in full, at 0
    each stands in its own worst one; in between, in proportion.
    """
    _gather(lots, unit, books, groups, terms, touched, work)
    n_groups, n_scenarios = groups.shape[0], terms.shape[1]
    apart = 0.0
    first = -1
    several = False
    for slot in range(n_groups, touched.shape[0]):
        if touched[slot] == 0:
            continue
        worst = work[slot, n_scenarios]
        for row in range(n_scenarios):
            worst = min(worst, terms[_WEIGHT, row] * work[slot, row])
        apart += worst
        if first >= 0:
            several = True
            for row in range(n_scenarios + 1):
                work[first, row] += work[slot, row]
        else:
            first = slot
    if not several or rule.offset == 0.0:
        return -apart
    together = work[first, n_scenarios]
    for row in range(n_scenarios):
        together = min(together, terms[_WEIGHT, row] * work[first, row])
    return -(rule.offset * together + (1.0 - rule.offset) * apart)


@kernel
def portfolio_value(lots, unit, n_scenarios):
    """USD quanta that the options of the account are worth now (the linear instruments' last row is zero)."""
    total = 0.0
    for book in range(lots.shape[0]):
        total += lots[book] * unit[n_scenarios + 2, book]
    return total


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
    net = work.shape[0] - 1
    for strike in range(n_strikes):
        work[net, strike] = 0.0
    for book in range(lots.shape[0]):
        if lots[book] != 0 and books[book].kind != LINEAR:
            work[net, books[book].strike_of] += lots[book] * books[book].short_charge
    total = 0.0
    for strike in range(n_strikes):
        total += max(0.0, -work[net, strike])
    return total


@kernel
def portfolio_requirement(lots, unit, books, groups, terms, rule, n_strikes, touched, work):
    """Requirement of one account: factor x worst loss + gross charges + short charges, USD quanta."""
    loss = portfolio_loss(lots, unit, books, groups, terms, rule, touched, work)
    return rule.factor * loss + gross_charges(lots, books) + short_charges(lots, books, n_strikes, work)


@kernel
def portfolio_requirements(positions, unit, books, groups, terms, rule, n_strikes, touched, work, out):
    """Fill `out[n_accounts, 2]` with requirement and option value of every row of `positions` (POSITION records)."""
    for account in range(positions.shape[0]):
        lots = positions[account]["lots"]
        out[account, 0] = portfolio_requirement(lots, unit, books, groups, terms, rule, n_strikes, touched, work)
        out[account, 1] = portfolio_value(lots, unit, terms.shape[1])
