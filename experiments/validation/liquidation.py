"""Published results and closed forms about liquidation: its price, its cascades, and when it harms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import numpy as np

from experiments.network.price_impact import exponential_rate
from experiments.validation.case import Case, Check, Facts, near
from experiments.validation.laboratory import BTC, PERP, SPOT, TICK_LOT, USDC, Engine, changed, engine, plain_venue
from market.instruments import Tier
from market.kernels.records import BUY, LIMIT, MARKET, MESSAGE, OUTSIDE, REST_OF_MARKET, SELL
from market.margin.prices import bankruptcy_price, liquidation_price
from market.streams import Streams
from market.venue import CloseFactor, LastMark, Waterfall


def critical_prices(world: Engine, account: int) -> tuple[float, float]:
    """(liquidation price, bankruptcy price) of the perpetual; 0 where no price does it."""
    state = world.world
    arguments = (state.ledger, state.instruments, state.assets, state.margin)
    return (
        liquidation_price(*arguments, account=account, book=0) or 0.0,
        bankruptcy_price(*arguments, account=account, book=0) or 0.0,
    )


def hl_liquidation_price(facts: Facts) -> list[Check]:
    """Ticks of 0.001 and lots of 0.01: 1,000 lots are 10 units. The property holds for both sides."""
    given, tolerance = facts["inputs"]["long"], facts["tolerance"]
    perp = changed(PERP, tick_size=0.001, lot_size=0.01, tiers=(Tier(initial=0.025, maintenance=given["mmr"]),))
    found, equity, maintenance = {}, [], []
    for side in (1, -1):
        world = engine(
            deposits=(given["margin"],), instruments={"PERP": perp},
            assets={"USDC": USDC, "BTC": changed(BTC, price_usd=float(given["entry"]), price_tick_usd=0.001)},
        )  # fmt: skip
        (account,) = world.rows
        world.open(account, side * given["size"] * 100, given["entry"] * 1_000)
        price, _ = critical_prices(world, account)
        found[side] = price
        equity.append(given["margin"] + side * given["size"] * (price - given["entry"]))
        maintenance.append(given["mmr"] * given["size"] * price)
    return [
        near("liquidation price of the long", found[1], facts["expected"]["liq_price"], tolerance=tolerance),
        near("equity there = maintenance, long and short", equity, maintenance, tolerance=tolerance),
    ]


# --- ladders of accounts on a flat book ---------------------------------------------------------------------------


class Ladder:
    """Longs that break one below the other, on a flat book of `depth` lots per tick.

    `counts[k]` accounts of `lots` each break when the last price is k + 1 ticks below the start, and are closed whole
    at once. Marks are last prices; a tick holds as many rounds as a cascade takes.
    """

    def __init__(self, counts: Sequence[int], *, lots: int, depth: int, reach: int) -> None:
        tiers = (Tier(initial=0.0, maintenance=0.0),)
        no_one_pays = Waterfall(insurance_fund_usd=0.0, adl="none")
        self.depth = depth
        self.script: dict[int, list[dict[str, int]]] = {0: [self._sale(1)]}
        start = max(10_000, reach + 1_000)
        rungs = np.repeat(np.arange(1, len(counts) + 1), counts).tolist()
        self.world = engine(
            deposits=(0.0,) * len(rungs),
            venue=plain_venue(mark=LastMark(), round_seconds=1e-5, waterfall=no_one_pays),
            assets={"USDC": USDC, "BTC": changed(BTC, price_usd=float(start))},
            instruments={"PERP": changed(PERP, tiers=tiers, price_ceiling=1.5)},
            script=self.script,
        )
        for rung, account in zip(rungs, self.world.rows, strict=True):
            # Worth one tick and lot less than nothing at start - rung, and lots - 1 of them more a tick above.
            self.world.open(account, lots, start)
            self.world.world.ledger.deposit(account, 0, (lots * rung - 1) * TICK_LOT)
        messages = np.zeros(reach, MESSAGE)
        messages["op"], messages["side"], messages["account"], messages["lots"] = LIMIT, BUY, OUTSIDE, depth
        messages["price"] = start - 1 - np.arange(reach)
        self.world.world.books.process(messages)
        self.world.world.instruments["last"][0] = start

    def _sale(self, ticks: int) -> dict[str, int]:
        return {"op": MARKET, "side": SELL, "lots": self.depth * ticks, "account": REST_OF_MARKET}

    def shock(self, ticks: int) -> int:
        """Sell what alone makes the price fall by `ticks`; return by how many it falls with all that follows."""
        last = self.world.world.instruments["last"]
        before = int(last[0])
        self.script.clear()
        self.script[self.world.world.tick] = [self._sale(ticks)]
        self.world.run(2)  # the sale, and the tick that marks it
        self.world.check_books()
        return before - int(last[0])


def ladder(facts: Facts) -> list[Check]:
    """One account of rho lots per tick. Exact: prices are whole ticks and the last level of each fall is used up whole.

    One unit of price is 40 ticks. From a branching ratio of 1 on, all 300 rungs break.
    """
    given, expected, tolerance = facts["inputs"], facts["expected"], facts["tolerance"]
    unit, depth, rungs = 40, given["D"], 300
    shock = given["d0"] * unit
    falls = [Ladder([1] * 500, lots=rho, depth=depth, reach=2_000).shock(shock) / unit for rho in given["rho"]]
    to_the_end = [Ladder([1] * rungs, lots=rho, depth=depth, reach=2_000).shock(shock) for rho in (depth, 2 * depth)]
    every_rung = [shock + rungs * rho // depth for rho in (depth, 2 * depth)]
    return [
        near("fall at rho / D = 0.2, 0.5, 0.9", falls, expected["drop"], tolerance=tolerance),
        near("rho / D = 1, 2 run to the end of the ladder, ticks", to_the_end, every_rung),
    ]


SUBCRITICAL, CRITICAL = 0.8, 1.0


def borel_probabilities(ratio: float, *, largest: int) -> list[float]:
    """P(1) .. P(largest) of the fall, in ticks, after a shock of one, when Poisson(ratio) accounts break at every tick.

    Exact: the engine is run on every arrangement of accounts that can matter, and those that fall k ticks are added up
    by their probability.
    """
    law = dict.fromkeys(range(1, largest + 1), 0.0)
    met = set()
    for counts in product(range(largest), repeat=largest):
        size = Ladder(counts, lots=5, depth=5, reach=4 * largest).shock(1)
        if size in law and counts[:size] not in met:
            met.add(counts[:size])
            law[size] += math.prod(math.exp(-ratio) * ratio**k / math.factorial(k) for k in counts[:size])
    return list(law.values())


def borel(facts: Facts) -> list[Check]:
    """A Poisson number of accounts, of mean n, breaks at every tick, and each of them sells one tick of depth.

    So every tick of a fall has Poisson(n) children, and a shock of one tick falls by a Borel number of ticks. Means and
    tail are sampled: long ladders with one shock after the other.
    """
    expected = facts["expected"]
    published = expected["P(k),n=.8"]
    law = borel_probabilities(SUBCRITICAL, largest=len(published))
    checks = [near("P(1), P(2), P(3) at n = 0.8", law, published, tolerance=facts["tolerance"])]
    for ratio, reach in ((0.5, 8_000), (SUBCRITICAL, 16_000)):
        sizes = _cascades(ratio, reach=reach, shocks=3_000)
        mean, variance = 1.0 / (1.0 - ratio), ratio / (1.0 - ratio) ** 3
        error = 3.0 * math.sqrt(variance / len(sizes))
        what = f"mean at n = {ratio:g}, {len(sizes):,} cascades"
        checks.append(near(what, sum(sizes) / len(sizes), mean, tolerance=error, words=f"± {error:.2g}: 3 errors"))
    return [*checks, _critical_tail(expected["tail_exponent_n=1"])]


def _critical_tail(published: float) -> Check:
    """At n = 1 P(k) falls like k^-1.5, so the share above k falls like k^-0.5; a ladder's last cascade is cut off."""
    least = 20
    whole: list[int] = []
    cut: list[int] = []
    for seed in range(40):
        found = _cascades(CRITICAL, reach=2_000, shocks=2_000, seed=seed)
        whole += [size for size in found[:-1] if size >= least]
        cut += [size for size in found[-1:] if size >= least]
    exponent = len(whole) / sum(math.log(size / (least - 0.5)) for size in whole + cut)
    error = 3.0 * exponent / math.sqrt(len(whole))
    what = f"tail exponent at n = 1, {len(whole)} cascades of {least} and more"
    return near(what, 1.0 + exponent, published, tolerance=error, words=f"± {error:.2g}: 3 errors")


def _cascades(ratio: float, *, reach: int, shocks: int, seed: int = 0) -> list[int]:
    """Falls, in ticks, after shocks of one tick on one long ladder, until it ends; its last one may be cut off."""
    generator = Streams(seed).generator("validation.borel")
    ladder = Ladder(generator.poisson(ratio, reach).tolist(), lots=5, depth=5, reach=reach + 2)
    sizes: list[int] = []
    while len(sizes) < shocks and sum(sizes) < reach:
        sizes.append(ladder.shock(1))
    return sizes


# --- impact of sales on a price ----------------------------------------------------------------------------------


def exponential_impact(facts: Facts) -> list[Check]:
    """Permanent impact f(x) = exp(-alpha x) of a tenth of what there is, sold at once and in four parts.

    What there is: 1,000,000 lots worth 10,000 each; the impact is set to `alpha` per that notional.
    """
    given, alpha = facts["inputs"], facts["expected"]["alpha"]
    supply = 1_000_000
    worth = supply * 10_000 * TICK_LOT
    falls = []
    for parts in (1, 4):
        lots = round(given["frac"] * supply) // parts
        sale = {"op": MARKET, "side": SELL, "lots": lots, "account": REST_OF_MARKET}
        world = engine(script={tick: [sale] for tick in range(parts)}, impact_per_quanta=alpha / worth)
        for _ in range(parts):
            world.bids((10_000, lots))
            world.run(1)
        falls.append(1.0 - math.exp(float(world.world.impact[1])))
    # d(fall) = frac (1 - drop) d(alpha)
    tolerance = given["frac"] * (1.0 - given["drop"]) * facts["tolerance"]
    return [
        near("fall, sold at once", falls[0], given["drop"], tolerance=tolerance),
        near("fall, sold in four parts, a tick each", falls[1], given["drop"], tolerance=tolerance),
        near(
            "alpha of the impact law of fire sales", exponential_rate(fall=given["drop"], sold_share=given["frac"]),
            alpha, tolerance=facts["tolerance"],
        ),
    ]  # fmt: skip


# --- toxic liquidations -------------------------------------------------------------------------------------------


def lender(*accounts: tuple[float, float], bonus: float, close_factor: float, threshold: float = 0.85) -> Engine:
    """Accounts with (collateral, debt) in millions, collateral in lots worth 0.01 USD sold at a fixed price, no fees.

    The liquidation bonus goes to the keeper whatever is left; one call a tick.
    """
    venue = plain_venue(
        sizing=CloseFactor(share=close_factor), fee_bps=bonus * 1e4, keeper_share=1.0, fee_cap="none",
        slippage_limit_bps=0.0, dust_usd=0.01,
    )  # fmt: skip
    world = engine(
        deposits=tuple(-debt * 1e6 for _, debt in accounts),
        assets={"USDC": USDC, "BTC": changed(BTC, haircut=1.0 - threshold)},
        instruments={"BTC-USDC": changed(SPOT, lot_size=1e-6)},
        venue=venue,
    )
    for row, (collateral, _) in zip(world.rows, accounts, strict=True):
        world.world.ledger.deposit(row, 1, round(collateral * 1e6) * 10_000)
    world.bids((10_000, 10**14), account=OUTSIDE)
    return world


def balance(world: Engine, account: int) -> tuple[float, float]:
    """(collateral value, debt) in millions of USD."""
    return world.cash(account, 1) / 1e10, -world.cash(account) / 1e12


def health(world: Engine, account: int) -> float:
    """Weighted collateral over debt, from the engine's margin equity."""
    debt = -world.cash(account)
    return (world.assess(account)[0] + debt) / debt


def toxic_identity(facts: Facts) -> list[Check]:
    """Repaying r at bonus b adds r (HF - LT (1 + b)) / (B - r) to the health factor and -b r to equity.

    Six loans of 100 million, from those that a liquidation heals to one under water.
    """
    bonus, threshold, share, tolerance = 0.05, 0.85, 0.4, facts["tolerance"]
    loans = [(100.0, 86.0), (100.0, 90.0), (100.0, 95.0), (100.0, 95.3), (100.0, 97.0), (100.0, 110.0)]
    world = lender(*loans, bonus=bonus, close_factor=share, threshold=threshold)
    before = [health(world, account) for account in world.rows]
    world.run()
    gained, predicted, equity, left = [], [], [], []
    heals, should = [], []
    for (collateral, debt), account, factor in zip(loans, world.rows, before, strict=True):
        repaid = share * debt
        gained.append(health(world, account) - factor)
        predicted.append(repaid * (factor - threshold * (1 + bonus)) / (debt - repaid))
        kept, owed = balance(world, account)
        equity.append((kept - owed) / debt)
        left.append((collateral - debt - bonus * repaid) / debt)
        heals.append(gained[-1] > 0)
        should.append(debt / collateral < 1 / (1 + bonus))
    return [
        near("change of the health factor, six loans", gained, predicted, tolerance=tolerance),
        near("equity after, per unit of debt", equity, left, tolerance=tolerance),
        near("heals if and only if LTV < 1 / (1 + b)", heals, should),
    ]


def toxic_spiral(facts: Facts) -> list[Check]:
    """Half of the debt a call, one call a tick, until nothing is left."""
    given, expected, tolerance = facts["inputs"], facts["expected"], facts["tolerance"]
    world = lender((given["C"], given["B"]), bonus=given["b"], close_factor=given["close_factor"])
    (account,) = world.rows
    path = []
    for _ in expected["LTV_path"]:
        collateral, debt = balance(world, account)
        path.append(debt / collateral)
        world.run()
    world.run(2)
    world.check_books()
    (loss,) = world.losses
    return [
        near("LTV before each call", path, expected["LTV_path"], tolerance=tolerance),
        near("collateral and debt left", balance(world, account), [0.0, 0.0]),
        near("bad debt", int(loss["bad_debt"]) / 1e12, expected["terminal_bad_debt"], tolerance=tolerance),
    ]


def toxic_threshold(facts: Facts) -> list[Check]:
    """The LTV above which a liquidation lowers the health factor, by bisection over runs of one tick."""
    frontiers = []
    for bonus in facts["inputs"]["b"]:
        low, high = 0.86, 0.999
        while high - low > facts["tolerance"] / 4:
            middle = (low + high) / 2
            world = lender((100.0, 100.0 * middle), bonus=bonus, close_factor=0.5)
            before = health(world, world.rows[0])
            world.run()
            low, high = (middle, high) if health(world, world.rows[0]) > before else (low, middle)
        frontiers.append((low + high) / 2)
    return [near("LTV at bonuses of 5, 8, 10 %", frontiers, facts["expected"]["LTV*"], tolerance=facts["tolerance"])]


CASES = (
    Case(name="HL-liqprice", subject="liquidation price of one isolated position", run=hl_liquidation_price),
    Case(name="LADDER", subject="cascade down a ladder of accounts on a flat book", run=ladder),
    Case(
        name="BOREL",
        subject="sizes of cascades when every fall of a tick breaks a Poisson number of accounts",
        run=borel,
        quick=False,
        false_alarm=0.008,
        expression="three checks at 3 standard errors; the probabilities are exact",
    ),
    Case(
        name="CACCIOLI-alpha",
        subject="permanent impact of a sale of 10 % of the supply",
        run=exponential_impact,
        miss="permanent impact counts dollars, not units, so the later parts of a sale over several ticks, worth less, "
        "move the price less",
    ),
    Case(name="TOX-identity", subject="one partial liquidation of six loans", run=toxic_identity),
    Case(name="TOX-spiral", subject="repeated liquidation of a loan at LTV 0.97", run=toxic_spiral),
    Case(name="TOX-threshold", subject="the LTV from which liquidation harms", run=toxic_threshold),
)
