"""Phase 5: who pays for an account that is worth less than nothing.

Insurance fund, then auto-deleveraging (only while the account still has positions), then socialised loss, then the
venue's open deficit. Gross bad debt is booked before anybody pays, and the four parts sum to it to the quantum.
"""

from __future__ import annotations

import numpy as np

from market.kernels.allocation import allocate_pro_rata, allocate_queue
from market.kernels.arithmetic import multiply_divide, part, part_up
from market.kernels.book import cancel_account
from market.kernels.collateral import sell_outside
from market.kernels.handover import hand_over
from market.kernels.jit import kernel
from market.kernels.ledger import transfer
from market.kernels.liquidation import has_positions
from market.kernels.margin import amount_of, net_equity_of, notional_of, settlement_profit, unrealised, value_of
from market.kernels.records import (
    ADL_ELIGIBLE,
    ADL_PRO_RATA,
    BUY,
    BY_SEIZURE,
    CLAIM_COUNT,
    DEFICIT,
    FORCED_ADL,
    INSURANCE_FUND,
    LIQUIDATABLE,
    LOSS_COUNT,
    RANK_BY_PRICE,
    SELL,
)
from market.kernels.trading import touch


@kernel
def effective_leverage(notional, net_equity):
    """Notional per unit of net equity, both in USD quanta; net equity above 0."""
    return notional / max(net_equity, 1)


@kernel
def adl_score(profit, cost, notional, net_equity):
    """Queue position for auto-deleveraging: profit share x effective leverage, profit share / leverage for losers.

    `profit`, `cost` in quote quanta, `notional`, `net_equity` in USD quanta, net_equity > 0. Source: BitMEX, Binance.
    """
    profit_share = profit / max(abs(cost), 1)
    leverage = effective_leverage(notional, net_equity)
    return profit_share * leverage if profit > 0 else profit_share / max(leverage, 1e-12)


@kernel
def price_score(lots, profit, cost, notional, net_equity):
    """Hyperliquid's queue position: mark / entry price, for shorts entry / mark, x effective leverage.

    `cost`, `profit` in quote quanta, `notional`, `net_equity` in USD quanta, net_equity > 0.
    """
    entry = max(abs(cost), 1)
    ratio = (entry + profit) / entry if lots > 0 else entry / max(entry - profit, 1)
    return ratio * effective_leverage(notional, net_equity)


@kernel
def score_queue(book, rank, scores, instruments, assets, positions, cash, accounts):
    """Fill `scores[n_accounts]`: ADL score of every eligible solvent holder of the instrument, -inf for all others."""
    for account in range(accounts.shape[0]):
        scores[account] = -np.inf
        lots = positions[account, book].lots
        if lots == 0 or not accounts[account].flags & ADL_ELIGIBLE or accounts[account].claim:
            continue
        net_equity = net_equity_of(account, instruments, assets, positions, cash)
        if net_equity > 0:
            profit = unrealised(account, book, instruments, positions)
            notional = notional_of(book, lots, instruments, assets)
            cost = positions[account, book].cost
            if rank == RANK_BY_PRICE:
                scores[account] = price_score(lots, profit, cost, notional, net_equity)
            else:
                scores[account] = adl_score(profit, cost, notional, net_equity)


@kernel
def _counterparties(
    account, book, owed, policy, queue, served, takers, capacities, instruments, assets, positions, cash
):
    """Write who may take the account's lots, and how many, in the order of the queue; return how many takers.

    The other side of the instrument, but for those whom closing all they hold at the bankruptcy price would leave
    insolvent. `served[0]` counts the head of the queue that has nothing left to take; when the queue decides, nobody
    beyond those who are needed is looked at.
    """
    lots = positions[account, book].lots
    quote = assets[instruments[book].quote]
    n = 0
    found = 0
    while served[0] < len(queue) and positions[queue[served[0]], book].lots == 0:
        served[0] += 1
    for at in range(served[0], len(queue)):
        if found >= abs(lots) and policy.adl_allocation != ADL_PRO_RATA:
            break
        other = queue[at]
        held = positions[other, book].lots
        if other == account or held == 0 or (held > 0) == (lots > 0):
            continue
        capacity = min(abs(held), abs(lots))
        paid = multiply_divide(owed, capacity, abs(lots)) + 2
        net_equity = net_equity_of(other, instruments, assets, positions, cash)
        if net_equity > value_of(quote, paid):
            takers[n] = other
            capacities[n] = abs(held)
            found += abs(held)
            n += 1
    return n


@kernel
def _deleverage_position(
    account, book, owed, tick, round_, claim_tick, policy, queue, served, takers, capacities, shares, events,
    instruments, assets, positions, cash, counters, touched, touched_mark,
):  # fmt: skip
    """Close one position against its counterparties at the bankruptcy price; return the loss passed on.

    The fill value is the mark's less each counterparty's share of `owed`, cumulatively rounded, so that the shares sum
    to `owed` exactly when every lot finds a counterparty.
    """
    lots = positions[account, book].lots
    side = SELL if lots > 0 else BUY
    left = abs(lots)
    due = owed
    instrument = instruments[book]
    n = _counterparties(
        account, book, owed, policy, queue, served, takers, capacities, instruments, assets, positions, cash
    )
    if policy.adl_allocation == ADL_PRO_RATA:
        allocate_pro_rata(left, capacities[:n], shares)
    else:
        allocate_queue(left, capacities[:n], shares)
    for at in range(n):
        other, traded = takers[at], shares[at]
        if traded == 0:
            continue
        paid = multiply_divide(due, traded, left)
        value = traded * instrument.mark * instrument.tick_value
        value += paid if side == SELL else -paid
        hand_over(
            account, other, book, traded if side == SELL else -traded, value, paid, FORCED_ADL, tick, round_,
            claim_tick, events, instruments, positions, cash, counters,
        )  # fmt: skip
        touch(other, touched, touched_mark, counters)
        left -= traded
        due -= paid
    touch(account, touched, touched_mark, counters)
    return owed - due


@kernel
def owed_by(account, quote, instruments, positions, cash):
    """Quote quanta by which the account's settlement balance, open profit included, is below zero; 0 when it is not."""
    return max(0, -(cash[account, quote] + settlement_profit(account, quote, instruments, positions)))


@kernel
def fund_pays(account, quote, amount, cash):
    """Let the insurance fund pay up to `amount`; return what it paid."""
    paid = min(amount, max(cash[INSURANCE_FUND, quote], 0))
    transfer(cash, quote, INSURANCE_FUND, account, paid)
    return paid


@kernel
def socialise(account, quote, amount, cap, accounts, cash):
    """Take `amount` from customers' positive balances, pro rata, at most `cap` ppm of each; return what was taken."""
    total = 0
    for other in range(accounts.shape[0]):
        if other != account and accounts[other].flags & LIQUIDATABLE and cash[other, quote] > 0:
            total += cash[other, quote]
    if total == 0 or amount == 0:
        return 0
    share = amount / total
    taken = 0
    for other in range(accounts.shape[0]):
        if other != account and accounts[other].flags & LIQUIDATABLE and cash[other, quote] > 0:
            balance = cash[other, quote]
            most = part(balance, cap)
            # Rounded up, so that the last payers meet the rest; never more than is still owed.
            due = min(int(balance * share) + 1, most, amount - taken)
            transfer(cash, quote, other, account, due)
            taken += due
    return taken


@kernel
def absorb(account, tick, quote, policy, losses, accounts, cash, counters):
    """Book the loss of a closed-out account and let the waterfall pay it; its balance ends at zero."""
    short = max(0, -cash[account, quote])
    if short == 0:
        return
    loss = losses[counters[LOSS_COUNT]]
    counters[LOSS_COUNT] += 1
    loss.tick = tick
    loss.account = account
    loss.asset = quote
    loss.bad_debt = short
    loss.adl = 0
    loss.fund = fund_pays(account, quote, short, cash)
    loss.socialised = socialise(account, quote, short - loss.fund, policy.socialised_cap, accounts, cash)
    loss.uncovered = short - loss.fund - loss.socialised
    transfer(cash, quote, DEFICIT, account, loss.uncovered)


@kernel
def needs_waterfall(claim, instruments, assets, positions, cash):
    """0: keepers go on; 1: closed out with a shortfall; 2: bankrupt with positions and more than the fund holds."""
    account = claim.account
    net_equity = net_equity_of(account, instruments, assets, positions, cash)
    if net_equity >= 0:
        return 0
    if has_positions(account, positions):
        fund = 0
        for quote in range(assets.shape[0]):
            if assets[quote].is_settlement:
                fund += value_of(assets[quote], max(cash[INSURANCE_FUND, quote], 0))
        return 2 if -net_equity > fund else 0
    for asset in range(assets.shape[0]):
        if cash[account, asset] > 0:
            return 0
    return 1


@kernel
def _raise_cash(account, quote, policy, instruments, assets, positions, cash):
    """Sell outside, for `quote`, whatever else a bankrupt account owns, unrealised losses in other assets kept back."""
    for asset in range(assets.shape[0]):
        amount = cash[account, asset]
        if assets[asset].is_settlement:
            amount = min(amount, amount + settlement_profit(account, asset, instruments, positions))
        if asset != quote and amount > 0:
            sell_outside(account, asset, quote, amount, policy, assets, cash)


@kernel
def _note_loss(account, tick, quote, fund, adl, losses, counters):
    """Book what the fund and deleveraged counterparties paid for an account."""
    loss = losses[counters[LOSS_COUNT]]
    counters[LOSS_COUNT] += 1
    loss.tick, loss.account, loss.asset = tick, account, quote
    loss.bad_debt = fund + adl
    loss.fund = fund
    loss.adl = adl
    loss.socialised = 0
    loss.uncovered = 0


@kernel
def deleverage(
    claim, tick, round_, queues, lengths, served, policy, takers, capacities, shares, events, losses,
    orders, free, levels, occupied, instruments, counters, positions, accounts, cash, assets, touched, touched_mark,
):  # fmt: skip
    """Auto-deleverage a bankrupt account: collateral goes outside, the fund pays what it has, counterparties the rest.

    `queues[n_instruments, 2, n_accounts]` hold holders of longs and of shorts in ADL order, `lengths[n_instruments, 2]`
    how many, `served` of the same shape how many of them have been used up. What is owed is split over positions by
    notional, so that one common fraction moves every mark. What finds no counterparty stays open and is tried again
    next tick; `takers`, `capacities` and `shares` int64[n_accounts] are working space.
    """
    account = claim.account
    cancel_account(account, orders, free, levels, occupied, instruments, counters, positions, accounts)
    for quote in range(assets.shape[0]):
        if not assets[quote].is_settlement or owed_by(account, quote, instruments, positions, cash) == 0:
            continue
        _raise_cash(account, quote, policy, instruments, assets, positions, cash)
        net_equity = net_equity_of(account, instruments, assets, positions, cash)
        # Open profit in another asset counts: closing it at the mark brings it in.
        owed = min(owed_by(account, quote, instruments, positions, cash), amount_of(assets[quote], max(-net_equity, 0)))
        fund = fund_pays(account, quote, owed, cash)
        due = part_up(owed - fund, policy.adl_severity)
        total = 0
        for book in range(instruments.shape[0]):
            if positions[account, book].lots != 0 and instruments[book].quote == quote:
                total += notional_of(book, positions[account, book].lots, instruments, assets)
        passed = 0
        for book in range(instruments.shape[0]):
            if positions[account, book].lots == 0 or instruments[book].quote != quote:
                continue
            own = notional_of(book, positions[account, book].lots, instruments, assets)
            share = multiply_divide(due, own, max(total, 1))
            total -= own
            due -= share
            other = 1 if positions[account, book].lots > 0 else 0
            passed += _deleverage_position(
                account, book, share, tick, round_, claim.tick, policy, queues[book, other, : lengths[book, other]],
                served[book, other : other + 1], takers, capacities, shares, events, instruments, assets, positions,
                cash, counters, touched, touched_mark,
            )  # fmt: skip
        if fund + passed > 0:
            _note_loss(account, tick, quote, fund, passed, losses, counters)


@kernel
def settle_losses(claims, tick, policies, losses, verdicts, counters, instruments, assets, positions, cash, accounts):
    """Absorb every closed-out claim; write 2 into `verdicts` for claims that must be deleveraged; return how many."""
    to_deleverage = 0
    for at in range(counters[CLAIM_COUNT]):
        verdicts[at] = needs_waterfall(claims[at], instruments, assets, positions, cash)
        if verdicts[at] == 1:
            for quote in range(assets.shape[0]):
                if assets[quote].is_settlement or policies[0].route == BY_SEIZURE:
                    absorb(claims[at].account, tick, quote, policies[0], losses, accounts, cash, counters)
        elif verdicts[at] == 2:
            to_deleverage += 1
    return to_deleverage
