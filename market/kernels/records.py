"""The records every kernel reads and writes: one structured dtype per kind of thing, fields read by name.

Units, everywhere in the engine:

* a *price* is an integer number of ticks of its instrument, a *size* an integer number of lots;
* *money* is an integer number of quanta of its asset (USDC: one millionth);
* a *rate* (haircut, margin, fee) is in parts per million (ppm);
* `NONE` (-1) in an index field means "there is none"; a price of 0 means "no price".
"""

from __future__ import annotations

import numpy as np

NONE = -1
PPM = 1_000_000

BUY, SELL = 0, 1
LIMIT, MARKET, CANCEL, IOC = 0, 1, 2, 3
"""Message operations. LIMIT rests what it does not fill; MARKET and IOC discard it; CANCEL names a handle."""

SPOT, PERPETUAL, FUTURE, OPTION = range(4)
"""Instrument kinds. FUTURE is dated, OPTION European; an option has no order book."""

HALTED, CLOSED = 1, 2
"""Why nothing trades on a book: a breaker halted it, or it is closed for good (expired, or an option)."""

# Message flags.
REDUCE_ONLY = 1
"""The order may only shrink the position; its size is cut to the position when it arrives."""
FORCED = 2
"""A liquidation order: it skips the initial-margin gate."""
POST_ONLY = 4
"""A limit order that would trade on arrival is discarded instead."""
NO_IMPACT = 8
"""The aggressive flow of an arbitrageur: left out of the flow that moves the reference price."""

# Account flags.
LIQUIDATABLE = 1
"""Subject to maintenance margin."""
ADL_ELIGIBLE = 2
"""Its winning positions may be deleveraged."""
CROWD = 4
"""Stands for many people: no margin gate, and its own orders may trade with each other."""
SYSTEM = 8
"""Belongs to the venue or the outside world; left out of statistics over customers."""

INDEX_MARK, MID_MARK, LAST_MARK, BASIS_MARK, MEDIAN_MARK = range(5)
LAST_BASIS_MARK, OUTSIDE_MARK, FUNDING_MARK, TWAP_MARK = range(5, 9)
"""Mark rules; see market/marks.py."""

# System accounts: the first rows of every ledger.
CLEARING, TREASURY, INSURANCE_FUND, OUTSIDE, REST_OF_MARKET, CROWD_ACCOUNT, DEFICIT = range(7)
SYSTEM_ACCOUNTS = 7
SYSTEM_NAMES = ("clearing", "treasury", "insurance_fund", "outside", "rest_of_market", "crowd", "deficit")

# Slots of the `counters` array that the book keeps.
FREE_COUNT, SEQUENCE, LIVE_ORDERS, REJECTED = 0, 1, 2, 3
# Slots that trading and liquidation keep.
REFUSED, TOUCHED_COUNT, CLAIM_COUNT, EVENT_COUNT, LOSS_COUNT, BREACH_COUNT = 4, 5, 6, 7, 8, 9
# Slots of the liquidation throttle: whether there is one, and USD quanta that forced orders may still trade.
THROTTLED, THROTTLE_ROOM = 10, 11
# Slots of the history (market/kernels/history.py).
LOOK_COUNT, CHANGE_COUNT, REMARKED, RULES_VERSION = 12, 13, 14, 15
N_COUNTERS = 16

HANDLE_SLOT_BITS = 24
"""An order's handle is `sequence << 24 | slot`; a recycled slot gets a new sequence, so a late cancel hits nobody."""

i4, i8, f8 = "<i4", "<i8", "<f8"

MESSAGE = np.dtype(
    [
        ("lots", i8),  # size, > 0; CANCEL: ignored
        ("target", i8),  # CANCEL: handle of the order, or -(1 + row) for the order of that row of this batch
        ("tag", i8),  # carried to the order and its fills; free for the sender
        ("op", i4),  # LIMIT, MARKET, CANCEL, IOC
        ("book", i4),  # instrument index
        ("side", i4),  # BUY, SELL
        ("price", i4),  # limit price in ticks (LIMIT, IOC)
        ("account", i4),  # ledger row of the sender
        ("flags", i4),
    ]
)

FILL = np.dtype(
    [
        ("lots", i8),
        ("maker_tag", i8),
        ("taker_tag", i8),
        ("book", i4),
        ("price", i4),
        ("maker", i4),  # ledger rows
        ("taker", i4),
        ("side", i4),  # of the taker
        ("message", i4),  # row of the taker's message in its batch
    ]
)

ORDER = np.dtype(  # 64 bytes: one cache line
    [
        ("handle", i8),  # 0 when the slot is free
        ("tag", i8),
        ("lots", i8),  # remaining
        ("price", i4),
        ("account", i4),
        ("book", i4),
        ("side", i4),
        ("next", i4),  # FIFO queue of its price level, slots
        ("prev", i4),
        ("account_next", i4),  # all orders of its account, slots, newest first
        ("account_prev", i4),
        ("unused", i8),
    ]
)

LEVEL = np.dtype([("head", i4), ("tail", i4), ("lots", i8)])
"""One price level: FIFO queue of order slots (NONE when empty) and the lots resting there."""

INSTRUMENT = np.dtype(
    [
        # what it is
        ("kind", i4),  # SPOT, PERPETUAL, FUTURE, OPTION
        ("base", i4),  # asset index: what is traded (spot) or tracked (all others)
        ("quote", i4),  # asset index: what prices, fees and profits are paid in
        ("first_tier", i4),  # rows of the TIER table
        ("n_tiers", i4),
        ("n_levels", i4),  # prices 1 .. n_levels - 2 are valid
        ("level_base", i8),  # row of price 0 in the shared level array (a multiple of 64)
        ("tick_value", i8),  # quote quanta per (tick x lot)
        ("lot_quanta", i8),  # spot: base quanta per lot; all others: 0
        ("maker_fee", i8),  # ppm of traded value, signed: negative is a rebate
        ("taker_fee", i8),
        # its book
        ("best_bid", i4),  # 0 when there is none
        ("best_ask", i4),  # n_levels - 1 when there is none
        ("last", i4),  # last traded price, 0 before the first trade
        # its prices, in ticks
        ("index", i4),
        ("mark", i4),
        ("reference", i4),
        # its circuit breakers (market/kernels/breakers.py)
        ("halted", i4),  # HALTED, CLOSED while nothing trades; else 0
        ("band_low", i4),  # prices that orders may not go beyond; 0 when there is no band
        ("band_high", i4),
        ("forward", i4),  # OPTION: row of the instrument whose mark is its forward
        # its flows
        ("funding_index", i8),  # cumulative funding, quote quanta per long lot
        ("net_flow", i8),  # signed aggressive lots of this tick that move the reference
        ("volume", i8),  # lots traded this tick
        ("forced_flow", i8),  # signed lots of forced orders this tick
        ("basis", f8),  # slow average of book price minus index, ticks
        ("tick_size", f8),  # quote units per tick
        ("average", f8),  # TWAP_MARK: time-weighted average, ticks
        ("funding_rate", f8),  # last rate paid per interval, share of the mark
        ("carry", f8),  # FUNDING_MARK: what of that rate is still to come before the next payment
        # its margin rule beyond tiers (market/margin/requirement.py)
        ("tiers_only", i4),  # 1 when it is rate x notional by tier and nothing below holds
        ("size_law", i4),  # LINEAR_IN_SIZE, ROOT_OF_SIZE, ROOT_PREMIUM: how the rate rises with the position; 0
        ("size_factor", f8),  # of that law, per unit of the base asset
        ("maintenance_size_factor", f8),
        ("lot_size", f8),  # units of the base asset per lot
        ("minimum", i8),  # USD quanta that any position needs at least
        ("crowding", i8),  # ppm: initial rate that open interest asks for; 0 when it does not
        ("stress", i8),  # ppm by which requirements are multiplied now; PPM in calm
        ("profit_weight", i8),  # ppm of an open profit that counts under the initial and target profiles
        ("profit_cap", i8),  # quote quanta of it that count at most
        ("profit_net", i8),  # 1 when both are of what profit exceeds the position's own requirement
        # what expires, and options (market/expiry.py, market/options.py)
        ("expiry", f8),  # seconds from the start of the run; 0: never
        ("strike", f8),  # OPTION: quote units
        ("is_call", i8),
        ("forward_price", f8),  # OPTION: expected settlement price, in its own ticks
        ("deviation", f8),  # OPTION: implied volatility x square root of the years left
        ("long_weight", i8),  # OPTION: ppm of a long position's value that counts as margin equity
        ("short_initial", i8),  # OPTION: USD quanta per lot short, beyond its value
        ("short_maintenance", i8),
        ("exposure", f8),  # OPTION: USD quanta by which one lot's excess can change per unit of relative move
        ("expiry_group", i8),  # OPTION: number of its expiry, from 1, with which it stands together; 0: by itself
        ("unpaired_initial", f8),  # OPTION: multiple of the forward for a call of it without a pair
        ("unpaired_maintenance", f8),
        # market/margin/contingency.py
        ("contingency", i8),  # initial profile: ppm of notional on top; OPTION: USD quanta per lot short
    ]
)

POSITION = np.dtype(
    [
        ("lots", i8),  # signed; spot instruments keep their base in cash and leave this 0
        ("cost", i8),  # signed quote quanta paid for the lots held: unrealised PnL = lots x mark x tick_value - cost
        ("funding_index", i8),  # the instrument's index when funding was last settled
        ("open_bid", i8),  # lots resting on the book
        ("open_ask", i8),
    ]
)

TIER = np.dtype(
    [
        ("floor", i8),  # notional from which the tier holds, USD quanta
        ("initial", i8),  # ppm, marginal
        ("maintenance", i8),  # ppm, marginal
        ("initial_deduction", i8),  # USD quanta: requirement = rate x notional - deduction, continuous at every floor
        ("maintenance_deduction", i8),
    ]
)

ASSET = np.dtype(
    [
        ("price", i8),  # price at which the venue values the asset, in USD ticks of the asset
        ("reference", i8),  # outside world's price, same unit
        ("multiplier", i8),  # value in USD quanta = quanta x price x multiplier // divisor; one of the two is 1
        ("divisor", i8),
        ("haircut", i8),  # ppm of a positive balance's value that margin equity leaves out
        ("liability_weight", i8),  # ppm of a negative balance's value that margin equity takes off, >= PPM
        ("is_settlement", i4),  # 1 when instruments are quoted in it
        ("fixed", i4),  # 1 when the venue values it at a constant price
        ("spot_book", i4),  # instrument on which the asset is sold for a settlement asset; NONE
        ("first_tier", i4),  # rows of the TIER table that hold haircuts by size
        ("n_tiers", i4),  # 0: one haircut whatever the size
        ("tiers_by_amount", i4),  # 1 when their floors are quanta of the asset, 0 when USD quanta
        ("haircut_only", i4),  # 1 when balances count less the haircut and nothing below holds
        ("category", i4),  # number of its category of correlated assets, from 1; 0: none
        ("price_tick", f8),  # USD per tick of `price` and `reference`
        # under the initial and target profiles
        ("initial_haircut", i8),  # ppm
        ("initial_liability_weight", i8),  # ppm
        # by size, in all profiles: discount and premium that grow with the square root of the holding
        ("size_factor", f8),  # per square root of a unit; 0: none
        ("quantum", f8),  # units per quantum
        # by what the venue holds of it, under the initial profile
        ("deposit_scale", i8),  # ppm of a balance's weighted value that counts
        ("borrow_scale", i8),  # ppm by which a debt's weighted value is multiplied
        # where all debts of an account are in its category, in the place of the four above
        ("category_haircut", i8),  # ppm
        ("initial_category_haircut", i8),
        ("category_liability_weight", i8),  # ppm
        ("initial_category_liability_weight", i8),
        # prices beside `price`: balances count at the lowest, debts at the highest (market/margin/valuation.py)
        ("slow_price", i8),  # a slower one, under the initial profile; 0: none
        ("confidence", i8),  # half-width of the interval that the oracle published with the price, ppm of it
        ("below", i8),  # ppm of the price by which balances count lower, in all profiles
        ("above", i8),  # and debts higher
        ("initial_below", i8),  # the same under the initial profile
        ("initial_above", i8),
        # in liquidation, where it has terms of its own; below 0: those of the policy
        ("discount", f8),  # AT_ORACLE: what whoever takes it over gets, share of the price
        ("category_discount", f8),  # the same where all debts of the account are in its category
        ("fee", i8),  # ppm of the debt that a sale of it repays
        ("category_fee", i8),
        ("room", i8),  # ROOM: USD quanta that may be put up at once against it
        ("least", i8),  # ROOM: of such an account, what may stand alone, USD quanta
    ]
)

ACCOUNT = np.dtype(
    [
        ("owner", i4),  # several accounts of one owner share it
        ("flags", i4),
        ("only_instrument", i4),  # isolated margin: the one instrument this row may trade; NONE for cross
        ("first_order", i4),  # head of the list of its resting orders, slot
        ("claim", i4),  # CLAIMED while a keeper may close it, CLAIM_HELD once a breaker has held that back; else 0
        ("mode", i4),  # CROSS, PORTFOLIO
        ("flow", i4),  # whose orders its are: TRADERS, BACKGROUND, LIQUIDITY, RESALES
    ]
)

TRADERS, BACKGROUND, LIQUIDITY, UNTRACED, RESALES = range(5)
"""Who moved a book, but for forced orders: traders, background flow, those who make and arbitrage markets; nobody's
message (an expiry, the cancelled orders of an account that was liquidated without a fill); keepers who sell here what
they have seized on another venue."""
FLOWS = 5

CLAIMED, CLAIM_HELD = 1, 2

CROSS, PORTFOLIO, CHOSEN_CROSS = 0, 1, 2
"""Margin modes; CHOSEN_CROSS stays cross where the venue's mode is portfolio. Isolated margin is cross margin in an
account of its own that may trade one instrument."""

LINEAR_IN_SIZE, ROOT_OF_SIZE, ROOT_PREMIUM = 1, 2, 3
"""How a margin rate rises with the size of the position (market/kernels/rules/rates.py, weights.py)."""

MAINTENANCE, TARGET, INITIAL = range(3)
"""Margin profiles: needed to keep positions, what a liquidation aims at, and needed to open them."""

AUCTIONS = 16
"""Assets of which a claim remembers the price from which its auction started."""

CLAIM = np.dtype(
    [
        ("account", i4),
        ("tick", i4),  # when margin excess was first found below zero
        ("round", i4),
        ("next_try", i4),  # not offered before this round, counted from the start of the run
        ("excess", i8),  # margin excess now, USD quanta, < 0
        ("missing", i8),  # USD quanta to the end of the liquidation: -excess, or what the target profile asks for
        ("maintenance", i8),  # USD quanta
        ("owed", i8),  # what counts against the account, weighted debts and maintenance, where a rule asks; USD quanta
        ("net_equity", i8),  # USD quanta
        ("notional", i8),  # of all positions, or of all debts when there is none, USD quanta
        ("reward", i8),  # what a keeper could earn before slippage, USD quanta
        ("opened", i8),  # round, counted from the start of the run, from which a price that falls with time falls
        ("partial", i8),  # round of the last call that closed a first share, or a slice of the account; NONE
        ("freed", i8),  # TO_TARGET: USD quanta by which calls have lowered what is missing
        ("allowed", f8),  # TO_TARGET: share of what is missing that the call under way may make up
        ("tab", i8),  # ROOM: USD quanta of the account's notional that are put up
        ("reserved", i8),  # what bidders paid for slices of the account, USD quanta
        ("insolvent", i8),  # AUCTION_FRACTION: round in which it was found worth less than nothing; NONE
        ("category", i8),  # number of the category of correlated assets in which all its debts are; 0: none
        ("main", i8),  # ROOM: asset it has most of: owned, or tracked by its largest position; NONE
        ("struck", f8, (AUCTIONS,)),  # BY_AUCTION: the venue's prices then, ticks, by row of the asset
    ]
)

BID = np.dtype([("amount", i8), ("notional", i8), ("claim", i4), ("keeper", i4)])
"""A keeper's offer for block space: USD quanta, row of the claim, row of the keeper in its cohort."""

KEEPER = np.dtype(
    [
        ("account", i4),
        ("latency", i4),  # ticks between a claim's opening and the keeper seeing it
        ("throughput", i4),  # calls per tick
        ("online", i4),
        ("carry", i8),  # ppm of closed notional that must stand as capital until the tick is over
        ("cost", i8),  # USD quanta per call
        ("bid_share", i8),  # ppm of the expected profit that it bids
        ("used", i4),  # calls this tick
        ("unused", i4),
        ("carried", i8),  # USD quanta closed this tick
    ]
)

CLOSE_ALL, CLOSE_FACTOR, TO_TARGET, PORTION, FIRST_SHARE, WINDOW, AUCTION_FRACTION, ROOM = range(8)
"""Sizing of a liquidation call."""
REDUCE, REDUCE_LOSING, SETTLE_PROFIT = range(1, 4)
"""Phases of a liquidation call: positions closed, those closed that cost more margin than their profit brings, open
profit settled."""
PRO_RATA, LARGEST_FIRST, MOST_LIQUID_FIRST, MOST_RELIEF_FIRST, DRAWN = range(5)
"""Ordering of positions within a liquidation call."""
AT_MARK, AT_ORACLE, BY_HEALTH, BY_AUCTION, FILLABLE, AT_BANKRUPTCY, ABSORBED, POOLED = range(8)
"""What limits the price of a forced order (market/kernels/limits.py)."""
TO_ACCOUNT, TO_KEEPER, TO_FUND = range(3)
"""Who gets what the book gives beyond that price."""
BY_BOOK, BY_SEIZURE = range(2)
"""Where collateral goes: sold for the debt, or to a keeper that repays the debt."""
LINEAR, STAIR_STEP, EXPONENTIAL, TWO_SPEED = range(4)
"""Price curve of an auction; the first three as in market/kernels/rules/dutch_auction.py."""
FEE_WITHIN_EQUITY, FEE_UNCAPPED, FEE_ABOVE_BANKRUPTCY = range(3)
"""Whether the liquidation fee stops at what the account is still worth, or at the position's part of that."""
ADL_QUEUE, ADL_PRO_RATA = range(2)
RANK_BY_PROFIT, RANK_BY_PRICE = range(2)
"""How deleveraged lots are shared out among counterparties."""

POLICY = np.dtype(
    [
        ("sizing", i4),
        ("ordering", i4),
        ("capacity", i4),  # calls that fit in one round
        ("mark_rule", i4),
        ("fee_cap", i4),  # FEE_WITHIN_EQUITY, FEE_UNCAPPED, FEE_ABOVE_BANKRUPTCY
        ("adl_allocation", i4),  # ADL_QUEUE, ADL_PRO_RATA
        ("adl_rank", i4),  # RANK_BY_PROFIT, RANK_BY_PRICE
        ("target_profile", i4),  # TO_TARGET: MAINTENANCE with a buffer, or TARGET, which a claim must then reach
        ("target_debts", i4),  # TO_TARGET: 1 when debts too are repaid no further than the target
        ("per_debt", i4),  # CLOSE_FACTOR: 1 when its share is that of each debt, 0 of all debts together
        ("phases", i8),  # of a call, two bits each, from the lowest: REDUCE ...
        ("settle_fee", i8),  # SETTLE_PROFIT: ppm of the profit that is settled, for the keeper
        ("waits", i4),  # FIRST_SHARE: 1 when nothing is closed in the cool-down, 0 when all is
        ("price_rule", i4),  # AT_MARK, AT_ORACLE ...
        ("surplus", i4),  # TO_ACCOUNT, TO_KEEPER, TO_FUND
        ("curve", i4),  # LINEAR, STAIR_STEP ...
        ("alone", i4),  # BY_AUCTION: 1 when prices that fall start from the oracle's and do not follow it
        ("pool", i4),  # POOLED: ledger row of the pool
        ("route", i4),  # BY_BOOK, BY_SEIZURE
        ("close_factor", i8),  # ppm of total notional, or of a debt without positions; of a position
        ("target", i8),  # ppm of maintenance margin: excess aimed at; AUCTION_FRACTION: of what equity is short of it
        ("slippage", i8),  # ppm from the mark: limit price of a forced order
        ("fee", i8),  # ppm of a closed position's value, or of the debt that a collateral sale repays
        ("keeper_share", i8),  # ppm of the fee
        ("keeper_floor", i8),  # least reward per call, USD quanta; the fund adds what is missing
        ("dust", i8),  # USD quanta: a remainder smaller than this is closed too
        ("conversion", i8),  # ppm lost when collateral without a book is sold outside
        ("adl_severity", i8),  # ppm of what the fund does not pay that counterparties are made to bear
        ("socialised_cap", i8),  # ppm of a balance that may be taken for socialised losses
        # sizing, USD quanta and rounds
        ("smallest", i8),  # CLOSE_FACTOR: a debt or a collateral worth less is closed whole
        ("least_left", i8),  # CLOSE_FACTOR: of a debt and a collateral nothing is left or so much of both
        ("least", i8),  # PORTION: so much of a position may always be closed; ROOM: least that may stand alone
        ("most", i8),  # PORTION: notional closed per call; WINDOW: per instrument and window; ROOM: put up at once
        ("above", i8),  # FIRST_SHARE: positions worth more are closed in two steps
        ("rounds", i8),  # FIRST_SHARE: of a cool-down; WINDOW: of a window
        ("cutoff", i8),  # AUCTION_FRACTION: accounts worth less are sold whole
        ("start_fee", i8),  # AUCTION_FRACTION: ppm of what could be sold without a discount, for the fund
        ("at_once", i8),  # TO_TARGET: what is missing may be made up at once when it is less
        ("ramp", f8),  # TO_TARGET: seconds until all that is missing may be made up; 0: at once
        ("first", f8),  # TO_TARGET: share of it that may be at first
        ("full_below", f8),  # CLOSE_FACTOR: health factor at or below which everything is closed
        ("insolvent_seconds", f8),  # AUCTION_FRACTION: until what is paid for taking a bankrupt account is highest
        # price; shares of the oracle price, seconds
        ("discount", f8),  # AT_ORACLE; ABSORBED: of positions
        ("most_discount", f8),  # AT_ORACLE, BY_HEALTH, ABSORBED
        ("grace", f8),  # AT_ORACLE: before it the discount does not grow
        ("growth", f8),  # AT_ORACLE: per second
        ("top", f8),  # BY_AUCTION: price at the start
        ("span", f8),  # BY_AUCTION: of a line, a step, or the first of two speeds
        ("cut", f8),  # BY_AUCTION: factor per step or second; price where the second speed begins
        ("slow", f8),  # BY_AUCTION: of the second speed
        ("longest", f8),  # BY_AUCTION: it starts over after so long
        ("lowest", f8),  # BY_AUCTION: or below this share of its start
        ("adjustment", f8),  # FILLABLE
        ("spread", f8),  # FILLABLE
        ("impact_reward", f8),  # POOLED: USD per USD of imbalance, to the power below, taken away
        ("impact_cost", f8),  # POOLED: likewise, brought in
        ("impact_power", f8),
        ("impact_most", f8),  # POOLED: share of what is closed
        ("round_seconds", f8),
        ("salt", i8),  # DRAWN: of this run
    ]
)

FORCED_POSITION, FORCED_COLLATERAL, FORCED_ADL, FORCED_AUCTION, FORCED_HEDGE = range(5)
FORCED_TAKE_OVER, FORCED_ABSORPTION, FORCED_RESALE, FORCED_POOL, FORCED_SEIZURE, FORCED_SWAP = range(5, 11)
"""What a liquidation event did: positions or collateral sold on a book, deleveraged, sold to a dealer in an auction,
hedged on a book, taken over by a vault, absorbed by the venue's reserves, sold on a book by these, closed against a
pool; collateral seized by a keeper that repaid a debt, or swapped for it in an automated market maker's pool."""
TWO_ASSETS = (FORCED_SEIZURE, FORCED_SWAP)
"""Those that exchanged one asset for another without a book."""
ON_BOOK = (FORCED_POSITION, FORCED_COLLATERAL, FORCED_HEDGE, FORCED_RESALE)
"""Those that were orders on a book."""

EVENT = np.dtype(
    [
        ("tick", i4),
        ("round", i4),
        ("account", i4),
        ("keeper", i4),  # its ledger row; the counterparty's row away from the books
        ("book", i4),  # NONE for SEIZURE and SWAP
        ("side", i4),  # of the forced order
        ("kind", i4),
        ("claim_tick", i4),
        ("lots", i8),  # SEIZURE, SWAP: quanta of the collateral
        ("value", i8),  # quote quanta; SEIZURE: quanta of the debt that were paid; SWAP: of what the pool gave
        ("loss", i8),  # quote quanta: ADL: what the counterparty paid against the mark; AUCTION: what the dealer got
        ("mark", i4),  # before the order; SEIZURE, SWAP: the venue's price of the collateral, in its own ticks
        ("touch_before", i4),  # best price on the side it took from
        ("touch_after", i4),
        ("seized", i4),  # SEIZURE, SWAP: asset of the collateral
        ("repaid", i4),  # SEIZURE, SWAP: asset of the debt
        ("unused", i4),
        ("mark_move", f8),  # ticks by which it moved the mark its rule gives for the book, whole; see liquidation.py
        ("slow_move", f8),  # ticks by which it moved the book price that the mark rule averages, whole
        ("own_move", f8),  # and the one that the rule takes as it is; see market/kernels/marks.py
    ]
)

LOSS = np.dtype(
    [
        ("tick", i4),
        ("account", i4),
        ("asset", i4),  # settlement asset of the amounts
        ("unused", i4),
        ("bad_debt", i8),  # gross; the sum of the four that follow
        ("fund", i8),
        ("adl", i8),
        ("socialised", i8),
        ("uncovered", i8),
    ]
)

BREACH = np.dtype(
    [
        ("tick", i4),
        ("round", i4),
        ("account", i4),
        ("unused", i4),
        ("excess", i8),  # USD quanta, < 0
        ("maintenance", i8),
        ("net_equity", i8),
    ]
)
"""An account found below maintenance: one row per claim opened; what it held is in the history."""

CHANGE = np.dtype(
    [
        ("look", i4),  # at which the change was noticed (market/kernels/history.py)
        ("owner", i4),  # ledger row; where the change is kept for a breach, row of that breach
        ("slot", i4),  # instrument, or number of instruments + asset
        ("unused", i4),
        ("previous", i8),  # 1 + number of the change before it of the same account; 0: none
        ("lots", i8),  # what was held before: lots, or the balance in quanta
        ("cost", i8),  # of a position, quote quanta
        ("funding_index", i8),
    ]
)
"""A position or balance that is no longer what it was."""

TICK = np.dtype(
    [
        ("mark", i4),
        ("index", i4),
        ("reference", i4),
        ("best_bid", i4),
        ("best_ask", i4),
        ("halted", i4),
        ("volume", i8),
        ("net_flow", i8),
        ("forced_flow", i8),
        ("funding_index", i8),
        ("basis", f8),
        ("carry", f8),
    ]
)
"""What is recorded per instrument and tick; prices in ticks, flows in lots, funding in quote quanta per lot."""
