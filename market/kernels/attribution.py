"""Why an account broke: its margin excess at earlier moments, and the part of every price in the fall of it.

An account is put into row 0 of arrays of its own (`positions` [1, n_instruments], `cash` [1, n_assets]), prices into
copies of the engine's records, and the engine's own assessment says what it is worth. A *component* is one thing that
can change while holdings stay: the mark of each instrument, the price of each asset, funding, the margin rules, and
what options are marked with; in that order.
"""

from __future__ import annotations

import numpy as np

from market.kernels.history import AT_TRADING, LOOK_COLUMNS, LOOK_KIND, LOOK_RULES, LOOK_TICK
from market.kernels.jit import kernel
from market.kernels.margin import maintenance_excess, maintenance_of
from market.kernels.records import PERPETUAL

MOST_EXACT = 12
"""Components up to which all their orders are averaged over."""
ROUNDING = 4
"""Quanta per component by which single effects may miss their sum and still count as adding up."""


@kernel
def put(component, look, looks, prices, funding, haircuts, stresses, ladders, instruments, assets, tiers):
    """Set one component to what it was at a look.

    `prices` int64[n_ticks, n_assets], `funding` int64[n_ticks, n_instruments]; by number of the margin rules
    `haircuts` int64[.., 3, n_assets], with how far below and above the price balances and debts count, `stresses`
    int64 and `ladders` TIER.
    """
    n_books, n_assets = instruments.shape[0], assets.shape[0]
    tick = looks[look, LOOK_TICK]
    if component < n_books:
        instruments[component].mark = looks[look, LOOK_COLUMNS + component]
    elif component < n_books + n_assets:
        assets[component - n_books].price = prices[tick, component - n_books]
    elif component == n_books + n_assets:
        for book in range(n_books):
            instruments[book].funding_index = funding[tick, book]
    elif component == n_books + n_assets + 1:
        version = looks[look, LOOK_RULES]
        for asset in range(n_assets):
            assets[asset].haircut = haircuts[version, 0, asset]
            assets[asset].below = haircuts[version, 1, asset]
            assets[asset].above = haircuts[version, 2, asset]
        for book in range(n_books):
            instruments[book].stress = stresses[version, book]
        for row in range(tiers.shape[0]):
            tiers[row] = ladders[version, row]


@kernel
def put_all(look, looks, prices, funding, haircuts, stresses, ladders, instruments, assets, tiers):
    """Set all components but that of options to what they were at a look."""
    for component in range(instruments.shape[0] + assets.shape[0] + 2):
        put(component, look, looks, prices, funding, haircuts, stresses, ladders, instruments, assets, tiers)


@kernel
def hold(row, held, positions, cash):
    """Put what an account held (a row of the history) into a row of these arrays."""
    n_books = positions.shape[1]
    for book in range(n_books):
        positions[row, book].lots = held[3 * book]
        positions[row, book].cost = held[3 * book + 1]
        positions[row, book].funding_index = held[3 * book + 2]
    for asset in range(cash.shape[1]):
        cash[row, asset] = held[3 * n_books + asset]


@kernel
def excesses(rows, instruments, assets, margin, positions, cash, out):
    """Write margin excess and maintenance, USD quanta, of each row of the arrays in `rows` into `out[n, 2]`."""
    for at in range(len(rows)):
        out[at, 0] = maintenance_excess(rows[at], instruments, assets, margin, positions, cash)
        out[at, 1] = maintenance_of(rows[at], instruments, assets, margin, positions, cash)


@kernel
def undo(row, change, positions, cash):
    """Put back what was held before a change; whether lots were others."""
    n_books = positions.shape[1]
    if change.slot >= n_books:
        cash[row, change.slot - n_books] = change.lots
        return False
    position = positions[row, change.slot]
    other = position.lots != change.lots
    position.lots, position.cost, position.funding_index = change.lots, change.cost, change.funding_index
    return other


@kernel
def last_safe(
    at, first, buffer, held, changes, looks, prices, funding, haircuts, stresses, ladders, instruments, assets, margin,
    positions, cash,
):  # fmt: skip
    """(look, excess there) at which the account was last safe before look `at`, from look `first` on.

    Safe: excess >= `buffer` x maintenance, with what it held then. Where it never was, the look with the most excess.
    `changes` CHANGE[n] of this breach, newest first.
    """
    hold(0, held, positions, cash)
    best, most = at, np.int64(-(1 << 62))
    place = 0
    rules = -1
    for look in range(at, first - 1, -1):
        tick = looks[look, LOOK_TICK]
        for book in range(instruments.shape[0]):
            instruments[book].mark = looks[look, LOOK_COLUMNS + book]
            instruments[book].funding_index = funding[tick, book]
        for asset in range(assets.shape[0]):
            assets[asset].price = prices[tick, asset]
        if looks[look, LOOK_RULES] != rules:
            rules = looks[look, LOOK_RULES]
            put_all(look, looks, prices, funding, haircuts, stresses, ladders, instruments, assets, margin[1])
        excess = maintenance_excess(0, instruments, assets, margin, positions, cash)
        if excess > most:
            best, most = look, excess
        if excess >= buffer * maintenance_of(0, instruments, assets, margin, positions, cash):
            return look, excess
        while place < changes.shape[0] and changes[place].look == look:
            undo(0, changes[place], positions, cash)
            place += 1
    return best, most


@kernel
def shapley(values, count, effects):
    """Exact Shapley values of `values[2 ** count]`, rounded; what rounding leaves goes to the largest.

    Bit i of an index says that component i has moved. They sum to values[-1] - values[0].
    """
    weights = np.empty(count)
    for size in range(count):
        weight = 1.0 / count
        for step in range(1, size + 1):
            weight *= step / (count - step)
        weights[size] = weight
    total = values[(1 << count) - 1] - values[0]
    given = 0
    largest = 0
    for player in range(count):
        mine = 0.0
        for mask in range(1 << count):
            if mask >> player & 1:
                continue
            size = 0
            for bit in range(count):
                size += mask >> bit & 1
            mine += weights[size] * (values[mask | 1 << player] - values[mask])
        effects[player] = np.int64(np.rint(mine))
        given += effects[player]
        if abs(effects[player]) > abs(effects[largest]):
            largest = player
    effects[largest] += total - given


@kernel
def _matters(component, start, end, looks, prices, funding, instruments, assets, positions, cash):
    """Whether a component differs between two looks and the account has anything that depends on it."""
    n_books, n_assets = instruments.shape[0], assets.shape[0]
    one, other = looks[start, LOOK_TICK], looks[end, LOOK_TICK]
    if component < n_books:
        at = LOOK_COLUMNS + component
        return positions[0, component].lots != 0 and looks[start, at] != looks[end, at]
    if component < n_books + n_assets:
        asset = component - n_books
        if prices[one, asset] == prices[other, asset]:
            return False
        if cash[0, asset] != 0:
            return True
        for book in range(n_books):
            if positions[0, book].lots != 0 and instruments[book].quote == asset:
                return True
        return False
    if component == n_books + n_assets:
        for book in range(n_books):
            held = positions[0, book].lots != 0 and instruments[book].kind == PERPETUAL
            if held and funding[one, book] != funding[other, book]:
                return True
        return False
    return looks[start, LOOK_RULES] != looks[end, LOOK_RULES]


@kernel
def _in_two_orders(
    players, count, start, end, effects, looks, prices, funding, haircuts, stresses, ladders, instruments, assets,
    margin, positions, cash,
):  # fmt: skip
    """Effects of too many components for all orders: the mean of one order and its reverse."""
    for forwards in (True, False):
        put_all(start, looks, prices, funding, haircuts, stresses, ladders, instruments, assets, margin[1])
        before = maintenance_excess(0, instruments, assets, margin, positions, cash)
        for place in range(count):
            at = place if forwards else count - 1 - place
            put(players[at], end, looks, prices, funding, haircuts, stresses, ladders, instruments, assets, margin[1])
            after = maintenance_excess(0, instruments, assets, margin, positions, cash)
            # Halves are rounded up in the one order and down in the other, so that they sum.
            effects[at] += (after - before + (1 if forwards else 0)) // 2
            before = after


@kernel
def _split(
    start, end, players, effects, values, looks, prices, funding, haircuts, stresses, ladders, instruments, assets,
    margin, positions, cash,
):  # fmt: skip
    """Split the change of excess between two looks, holdings as they are, over components; return how many moved.

    Writes their numbers into `players` and their effects, USD quanta, into `effects`.
    """
    count = 0
    for component in range(instruments.shape[0] + assets.shape[0] + 2):
        if _matters(component, start, end, looks, prices, funding, instruments, assets, positions, cash):
            players[count] = component
            effects[count] = 0
            count += 1
    if count == 0:
        return 0
    put_all(end, looks, prices, funding, haircuts, stresses, ladders, instruments, assets, margin[1])
    last = maintenance_excess(0, instruments, assets, margin, positions, cash)
    put_all(start, looks, prices, funding, haircuts, stresses, ladders, instruments, assets, margin[1])
    base = maintenance_excess(0, instruments, assets, margin, positions, cash)
    total = last - base
    given = 0
    largest = 0
    for place in range(count):
        put(players[place], end, looks, prices, funding, haircuts, stresses, ladders, instruments, assets, margin[1])
        effects[place] = maintenance_excess(0, instruments, assets, margin, positions, cash) - base
        put(players[place], start, looks, prices, funding, haircuts, stresses, ladders, instruments, assets, margin[1])
        given += effects[place]
        if abs(effects[place]) > abs(effects[largest]):
            largest = place
    if abs(total - given) <= ROUNDING * (count + 1):
        effects[largest] += total - given
        return count
    if count > MOST_EXACT:
        effects[:count] = 0
        _in_two_orders(
            players, count, start, end, effects, looks, prices, funding, haircuts, stresses, ladders, instruments,
            assets, margin, positions, cash,
        )  # fmt: skip
        return count
    for mask in range(1 << count):
        for at in range(count):
            look = end if mask >> at & 1 else start
            put(players[at], look, looks, prices, funding, haircuts, stresses, ladders, instruments, assets, margin[1])
        values[mask] = maintenance_excess(0, instruments, assets, margin, positions, cash)
    shapley(values, count, effects)
    return count


@kernel
def _slope(component, instruments, assets, margin, positions, cash):
    """USD quanta per tick of a mark, or of an asset's price, at the prices that are in place."""
    n_books = instruments.shape[0]
    before = maintenance_excess(0, instruments, assets, margin, positions, cash)
    if component < n_books:
        step = max(1, instruments[component].mark // 1000)
        instruments[component].mark += step
        after = maintenance_excess(0, instruments, assets, margin, positions, cash)
        instruments[component].mark -= step
    else:
        asset = component - n_books
        step = max(1, assets[asset].price // 1000)
        assets[asset].price += step
        after = maintenance_excess(0, instruments, assets, margin, positions, cash)
        assets[asset].price -= step
    return (after - before) / step


@kernel
def _segment(
    start, end, row, effects_of, slopes, players, effects, values, looks, prices, funding, haircuts, stresses, ladders,
    instruments, assets, margin, positions, cash,
):  # fmt: skip
    """Write the effects and slopes of all components over one segment into row `row`."""
    n_books, n_assets = instruments.shape[0], assets.shape[0]
    count = _split(
        start, end, players, effects, values, looks, prices, funding, haircuts, stresses, ladders, instruments, assets,
        margin, positions, cash,
    )  # fmt: skip
    for place in range(count):
        effects_of[row, players[place]] = effects[place]
    if start == end:
        return
    put_all(end, looks, prices, funding, haircuts, stresses, ladders, instruments, assets, margin[1])
    for component in range(n_books + n_assets):
        if component < n_books:
            move = looks[end, LOOK_COLUMNS + component] - looks[start, LOOK_COLUMNS + component]
            touches = positions[0, component].lots != 0
        else:
            asset = component - n_books
            move = prices[looks[end, LOOK_TICK], asset] - prices[looks[start, LOOK_TICK], asset]
            touches = cash[0, asset] != 0 and not assets[asset].fixed
        if move != 0:
            slopes[row, component] = effects_of[row, component] / move
        elif touches:
            slopes[row, component] = _slope(component, instruments, assets, margin, positions, cash)


@kernel
def explain(
    at, safe, held, changes, ends, jumps, effects_of, slopes, players, effects, values, looks, prices, funding,
    haircuts, stresses, ladders, instruments, assets, margin, positions, cash,
):  # fmt: skip
    """Split the fall of an account's excess between looks `safe` and `at` into segments of constant holdings.

    Segments are written newest first: `ends[row]` the looks it runs between, `effects_of[row]` int64 by component,
    `slopes[row]` USD quanta per tick of each price, and `jumps[row]` the change of holdings right before the segment:
    its look, its effect in USD quanta at the prices of that moment, whether lots changed, how many slots did. Sums of
    effects and jumps are excess at `at` less excess at `safe`. Returns the number of segments.

    A change noticed when claims are first looked for in a tick came after the prices of that tick; one noticed later
    came before the marks that were made after it.
    """
    hold(0, held, positions, cash)
    n = 0
    end = at
    place = 0
    while True:
        changed_at = changes[place].look if place < changes.shape[0] else -1
        last = changed_at <= safe
        start = safe
        if not last:
            start = changed_at if looks[changed_at, LOOK_KIND] == AT_TRADING else changed_at - 1
        effects_of[n, :] = 0
        slopes[n, :] = 0.0
        _segment(
            start, end, n, effects_of, slopes, players, effects, values, looks, prices, funding, haircuts, stresses,
            ladders, instruments, assets, margin, positions, cash,
        )  # fmt: skip
        ends[n, 0], ends[n, 1] = start, end
        jumps[n, :] = 0
        jumps[n, 0] = -1
        n += 1
        if last:
            return n
        put_all(start, looks, prices, funding, haircuts, stresses, ladders, instruments, assets, margin[1])
        after = maintenance_excess(0, instruments, assets, margin, positions, cash)
        jumps[n - 1, 0] = changed_at
        while place < changes.shape[0] and changes[place].look == changed_at:
            if undo(0, changes[place], positions, cash):
                jumps[n - 1, 2] = 1
            jumps[n - 1, 3] += 1
            place += 1
        jumps[n - 1, 1] = after - maintenance_excess(0, instruments, assets, margin, positions, cash)
        end = start
