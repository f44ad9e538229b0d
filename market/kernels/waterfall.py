"""Phase 5: who pays for an account that is worth less than nothing.

Insurance fund, then auto-deleveraging (only while the account still has positions), then socialised loss, then the
venue's open deficit. Gross bad debt is booked before anybody pays, and the four parts sum to it to the quantum.
"""

from __future__ import annotations

import numpy as np

from market.kernels.arithmetic import multiply_divide, part
from market.kernels.book import cancel_account
from market.kernels.jit import kernel
from market.kernels.ledger import settle_trade, transfer
from market.kernels.liquidation import has_positions, sell_outside
from market.kernels.margin import equities, notional_of, settlement_profit, unrealised
from market.kernels.records import (
    ADL_ELIGIBLE,
    BUY,
    CLAIM_COUNT,
    DEFICIT,
    EVENT_COUNT,
    FORCED_ADL,
    INSURANCE_FUND,
    LIQUIDATABLE,
    LOSS_COUNT,
    SELL,
)
from market.kernels.trading import touch


@kernel
def adl_score(profit, cost, notional, net_equity):
    """Queue position for auto-deleveraging: profit share x effective leverage, profit share / leverage for losers.

    `profit`, `cost` in quote quanta, `notional`, `net_equity` in USD quanta, net_equity > 0.
    """
    profit_share = profit / max(abs(cost), 1)
    leverage = notional / net_equity
    return profit_share * leverage if profit > 0 else profit_share / max(leverage, 1e-12)


@kernel
def score_queue(book, scores, instruments, assets, positions, cash, accounts):
    """Fill `scores[n_accounts]`: ADL score of every eligible solvent holder of the instrument, -inf for all others."""
    for account in range(accounts.shape[0]):
        scores[account] = -np.inf
        lots = positions[account, book].lots
        if lots == 0 or not accounts[account].flags & ADL_ELIGIBLE or accounts[account].claim:
            continue
        _, net_equity = equities(account, instruments, assets, positions, cash)
        if net_equity > 0:
            profit = unrealised(account, book, instruments, positions)
            notional = notional_of(book, lots, instruments, assets)
            scores[account] = adl_score(profit, positions[account, book].cost, notional, net_equity)


@kernel
def _deleverage_position(
    account, book, owed, tick, round_, claim_tick, queue, n_queue, events, instruments, assets, positions, cash,
    counters, touched, touched_mark,
):  # fmt: skip
    """Close one position against the queue at the bankruptcy price; return (lots left, loss passed on).

    The fill value is the mark's less each counterparty's share of `owed`, cumulatively rounded, so that the shares sum
    to `owed` exactly when every lot finds a counterparty. Whoever would become insolvent is skipped.
    """
    lots = positions[account, book].lots
    side = SELL if lots > 0 else BUY
    left = abs(lots)
    due = owed
    instrument = instruments[book]
    quote = assets[instrument.quote]
    for at in range(n_queue):
        other = queue[at]
        held = positions[other, book].lots
        if left == 0 or counters[EVENT_COUNT] >= len(events):
            break
        if other == account or held == 0 or (held > 0) == (lots > 0):
            continue
        traded = min(left, abs(held))
        paid = multiply_divide(due, traded, left)
        _, net_equity = equities(other, instruments, assets, positions, cash)
        if net_equity < multiply_divide(paid, quote.price * quote.multiplier, quote.divisor) + 1:
            continue
        value = traded * instrument.mark * instrument.tick_value
        if side == SELL:
            settle_trade(book, other, account, traded, value + paid, instruments, positions, cash)
        else:
            settle_trade(book, account, other, traded, value - paid, instruments, positions, cash)
        touch(other, touched, touched_mark, counters)
        event = events[counters[EVENT_COUNT]]
        counters[EVENT_COUNT] += 1
        event.tick, event.round, event.claim_tick = tick, round_, claim_tick
        event.account, event.keeper = account, other
        event.book, event.side, event.kind = book, side, FORCED_ADL
        event.lots, event.value, event.loss = traded, value + paid if side == SELL else value - paid, paid
        event.mark = instrument.mark
        event.touch_before = instrument.mark
        event.touch_after = instrument.mark
        event.mark_move = 0.0
        left -= traded
        due -= paid
    touch(account, touched, touched_mark, counters)
    return left, owed - due


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
    _, net_equity = equities(account, instruments, assets, positions, cash)
    if net_equity >= 0:
        return 0
    if has_positions(account, positions):
        fund = 0
        for quote in range(assets.shape[0]):
            if assets[quote].is_settlement:
                fund += max(cash[INSURANCE_FUND, quote], 0)
        return 2 if -net_equity > fund else 0
    for asset in range(assets.shape[0]):
        if not assets[asset].is_settlement and cash[account, asset] > 0:
            return 0
    return 1


@kernel
def deleverage(
    claim, tick, round_, queues, lengths, policy, events, losses, orders, free, levels, occupied, instruments, counters,
    positions, accounts, cash, assets, touched, touched_mark,
):  # fmt: skip
    """Auto-deleverage a bankrupt account: collateral goes outside, the fund pays what it has, the queue the rest.

    `queues[n_instruments, n_accounts]` hold account rows in ADL order and `lengths[n_instruments]` how many. What finds
    no counterparty stays open and is tried again next tick.
    """
    account = claim.account
    cancel_account(account, orders, free, levels, occupied, instruments, counters, positions, accounts)
    quote = 0
    for book in range(instruments.shape[0]):
        if positions[account, book].lots != 0:
            quote = instruments[book].quote
            break
    for asset in range(assets.shape[0]):
        if not assets[asset].is_settlement and cash[account, asset] > 0:
            sell_outside(account, asset, quote, policy, assets, cash)
    owed = owed_by(account, quote, instruments, positions, cash)
    fund = fund_pays(account, quote, owed, cash)
    owed -= fund
    total = 0.0
    for book in range(instruments.shape[0]):
        if positions[account, book].lots != 0 and instruments[book].quote == quote:
            total += float(notional_of(book, positions[account, book].lots, instruments, assets))
    passed = 0
    due = owed
    for book in range(instruments.shape[0]):
        if positions[account, book].lots == 0 or instruments[book].quote != quote:
            continue
        own = float(notional_of(book, positions[account, book].lots, instruments, assets))
        share = due if own >= total else min(due, int(due * (own / total)))
        total -= own
        due -= share
        _, loss = _deleverage_position(
            account, book, share, tick, round_, claim.tick, queues[book], lengths[book], events, instruments, assets,
            positions, cash, counters, touched, touched_mark,
        )  # fmt: skip
        passed += loss
    if fund + passed > 0:
        loss = losses[counters[LOSS_COUNT]]
        counters[LOSS_COUNT] += 1
        loss.tick, loss.account, loss.asset = tick, account, quote
        loss.bad_debt = fund + passed
        loss.fund = fund
        loss.adl = passed
        loss.socialised = 0
        loss.uncovered = 0


@kernel
def settle_losses(claims, tick, policies, losses, verdicts, counters, instruments, assets, positions, cash, accounts):
    """Absorb every closed-out claim; write 2 into `verdicts` for claims that must be deleveraged; return how many."""
    to_deleverage = 0
    for at in range(counters[CLAIM_COUNT]):
        verdicts[at] = needs_waterfall(claims[at], instruments, assets, positions, cash)
        if verdicts[at] == 1:
            for quote in range(assets.shape[0]):
                if assets[quote].is_settlement:
                    absorb(claims[at].account, tick, quote, policies[0], losses, accounts, cash, counters)
        elif verdicts[at] == 2:
            to_deleverage += 1
    return to_deleverage
