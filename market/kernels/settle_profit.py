"""Open profits become money: what of them counts in part counts in full once a keeper has taken it over."""

from __future__ import annotations

import numpy as np

from market.kernels.arithmetic import part_up
from market.kernels.jit import kernel
from market.kernels.ledger import settle_funding, transfer
from market.kernels.margin import amount_of, partly_counted, value_of
from market.kernels.records import CLEARING, NONE, OPTION, PPM
from market.kernels.rules.staged_reduction import profit_to_take
from market.kernels.trading import touch


@kernel
def settle_profits(
    claim, keeper, policy, instruments, assets, margin, positions, cash, counters, touched, touched_mark
):
    """Turn as much open profit into money as the claim misses to its target, position by position; return (asset of
    the last, NONE where nothing was worth it; the keeper's reward, USD quanta).

    The keeper gets its fee. Mango v4: it pays for the profit and takes the claim on it over, which is money here.
    """
    account = claim.account
    paid_in, reward = NONE, 0
    for book in range(instruments.shape[0]):
        instrument = instruments[book]
        if positions[account, book].lots == 0 or instrument.kind == OPTION or claim.missing <= 0:
            continue
        net = (PPM - policy.settle_fee - instrument.profit_weight) / PPM
        quote = assets[instrument.quote]
        settle_funding(account, book, instruments, positions, cash)
        profit = partly_counted(account, book, policy.target_profile, instruments, assets, margin[1], positions)
        worth = float(value_of(quote, profit))
        balance = float(value_of(quote, cash[account, instrument.quote]))
        weights = 1.0 - quote.initial_haircut / PPM, quote.initial_liability_weight / PPM
        taken = profit_to_take(net, np.inf, worth, -float(claim.missing), balance, weights[0], weights[1])
        amount = min(profit, -amount_of(quote, -int(np.ceil(taken))))
        if amount <= 0:
            continue
        fee = part_up(amount, policy.settle_fee)
        positions[account, book].cost += amount
        transfer(cash, instrument.quote, CLEARING, account, amount)
        transfer(cash, instrument.quote, account, keeper, fee)
        claim.missing -= int(taken * net)
        reward += value_of(quote, fee)
        paid_in = instrument.quote
        touch(account, touched, touched_mark, counters)
        touch(keeper, touched, touched_mark, counters)
    return paid_in, reward
