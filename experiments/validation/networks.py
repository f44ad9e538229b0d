"""Published results about networks of balance sheets: clearing, impacts, common holdings and fire sales."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.network.clearing import Obligations, Vector, clear, iterate
from experiments.network.firesale import Banks, CapitalRule, fire_sale
from experiments.network.impact import diffusion, impact_matrix, susceptibility
from experiments.network.overlap import leverage_targeting
from experiments.network.price_impact import exponential_rate, floored, market_depth
from experiments.validation.case import Case, Check, Facts, data_file, near, shown

ENDS: tuple[Vector, Vector] = ("greatest", "least")
BANKS = "networks/eba_2018_ox_inet.csv"


def a_circle(facts: Facts) -> list[Check]:
    """Two that owe each other 1: both ends, points between them, and one vector once somebody owns a cent."""
    given, expected, tolerance = facts["inputs"], facts["expected"], facts["tolerance"]
    circle, richer = (Obligations(given["L"], given[assets]) for assets in ("e", "e_alt"))
    between = [np.full(2, share) for share in np.linspace(0.0, 1.0, 11)]
    moved = [np.abs(circle.respond(payments) - payments).max() for payments in between]
    only = expected["unique_with_e_alt"]
    return [
        *(near(f"{end} vector", clear(circle, end).payments, expected[end], tolerance=tolerance) for end in ENDS),
        near("payments t (1, 1), t = 0 to 1: what the map moves them by", moved, [0.0] * 11, tolerance=tolerance),
        *(near(f"{end} vector with 0.01", clear(richer, end).payments, only, tolerance=tolerance) for end in ENDS),
    ]


def four_banks(facts: Facts) -> list[Check]:
    """Four banks and a society that ranks with them."""
    given, expected, tolerance = facts["inputs"], facts["expected"], facts["tolerance"]
    network = Obligations(given["L_interbank"], given["e"], external_debts=given["L_society"])
    payments, worth, society = (
        [float(Fraction(value)) for value in np.atleast_1d(expected[name])]
        for name in ("payments", "net_worth", "society_receives")
    )
    checks = []
    for end in ENDS:
        found = clear(network, end)
        checks += [
            near(f"payments, {end} vector", found.payments + found.external_payments, payments, tolerance=tolerance),
            near(f"net worth, {end} vector", found.equity, worth, tolerance=tolerance),
            near(f"society receives, {end} vector", found.external_payments.sum(), society, tolerance=tolerance),
            near(f"banks in default, {end} vector", np.flatnonzero(found.defaults) + 1.0, expected["defaults"]),
        ]
    return checks


def three_cycle(facts: Facts) -> list[Check]:
    """Three banks in a circle after a fall of 10 % of what they hold outside; depositors come first."""
    given, expected, tolerance = facts["inputs"], facts["expected"], facts["tolerance"]
    left = np.array(given["Ae"]) * (1.0 - given["uniform_shock"])
    network = Obligations(given["L"], left, external_debts=given["Le"], priority="senior")
    checks = []
    for end in ENDS:
        found = clear(network, end)
        checks += [
            near(f"payments, {end} vector", found.payments, expected["payments"], tolerance=tolerance),
            near(f"net worth, {end} vector", found.equity, expected["net_worth"], tolerance=tolerance),
        ]
    return checks


def neva_cycle(facts: Facts) -> list[Check]:
    """Three banks with claims on each other in a circle, two shocks to what they hold outside."""
    given, expected, tolerance = facts["inputs"], facts["expected"], facts["tolerance"]
    names = list(given["claims"])
    claims = np.array([[given["claims"][holder].get(debtor, 0.0) for debtor in names] for holder in names])
    checks = []
    for number, (shock, equities) in enumerate(zip(given["shock"], expected["equities"], strict=True), start=1):
        network = Obligations(claims.T, np.array(given["Ae"]) - shock, external_debts=given["Le"])
        for way, solve in (("by defaults", clear), ("by response", iterate)):
            found = solve(network).equity
            checks.append(near(f"equities after shock {number}, {way}", found, equities, tolerance=tolerance))
    return checks


def impacts(facts: Facts) -> list[Check]:
    """Paths of ruin between three banks."""
    given, expected, tolerance = facts["inputs"], facts["expected"], facts["tolerance"]
    n = len(given["buffer"])
    exposures = np.reshape(given["assets_colmajor"], (n, n), order="F")
    links = impact_matrix(exposures, given["buffer"])
    reached, spread = susceptibility(links), diffusion(links)
    return [
        near("impact susceptibility", reached, expected["susceptibility"], tolerance=tolerance),
        near("impact fluidity", reached.mean(), expected["fluidity"], tolerance=tolerance),
        near("impact diffusion, start", spread.start, expected["diffusion_start"], tolerance=tolerance),
        near("impact diffusion, between", spread.intermediate, expected["diffusion_intermediate"], tolerance=tolerance),
        near("impact diffusion, total", spread.total, expected["diffusion_total"], tolerance=tolerance),
    ]


def impact_with_a_floor(facts: Facts) -> list[Check]:
    """Depth from volume and volatility, the fall after a large sale, and both limits."""
    given, expected, tolerance = facts["inputs"], facts["expected"], facts["tolerance"]
    depth = market_depth(
        daily_volume_usd=given["ADV"], daily_volatility=given["sigma"], days=given["tau"], factor=given["c"]
    )
    law = {"depth_usd": depth, "price": given["S"], "floor": given["B"]}
    slope, limit = depth * floored(1.0, **law), floored(1e6 * depth, **law)
    return [
        near("market depth", depth, expected["D"], tolerance=tolerance, relative=True),
        near("fall of the price", floored(given["q"], **law), expected["Psi"], tolerance=tolerance),
        near("slope of a small sale x depth", slope, 1.0, tolerance=tolerance),
        near("fall of a boundless sale", limit, 1.0 - given["B"] / given["S"], tolerance=tolerance),
    ]


def two_banks(facts: Facts) -> list[Check]:
    """Two banks that keep their leverage."""
    given, expected, tolerance = facts["inputs"], facts["expected"], facts["tolerance"]
    found = leverage_targeting(
        assets=given["A"], weights=given["M"], leverage=given["B"], price_impact=given["L"], shock=given["f"],
        equity=given["E"],
    )  # fmt: skip
    whole, said = found.aggregate_vulnerability, expected["AV"]
    return [
        near("returns of the portfolios", found.returns, expected["R1"], tolerance=tolerance),
        near("sales by asset", found.sales_usd, expected["sales"], tolerance=tolerance),
        near("price changes", found.price_returns, expected["dp"], tolerance=tolerance),
        near("aggregate vulnerability to the 7 decimals given", round(whole, 7), said, tolerance=tolerance),
        shown("the same in full", whole, said),
    ]


def eba_banks(file: Path) -> Banks:
    """48 banks: equity, equity / assets in %, debt securities, government bonds among them; a twentieth is cash."""
    rows = [line.split() for line in file.read_text(encoding="utf-8").splitlines()[1:]]
    columns = [[sum(map(float, cell.split("+"))) for cell in row[1:]] for row in rows]
    equity, ratio, securities, government = np.array(columns).T
    assets: NDArray[np.float64] = equity / (ratio / 100.0)
    cash = 0.05 * assets
    return Banks(
        holdings=np.column_stack([securities - government, government]),
        cash=cash,
        other_assets=assets - securities - cash,
        debts=assets - equity,
    )


def banks_fire_sale(facts: Facts) -> list[Check]:
    """Government bonds fall by a fifth; selling 5 % of an asset moves its price by pi."""
    given, expected, tolerance = facts["inputs"], facts["expected"], facts["tolerance"]
    banks, rule = eba_banks(data_file(BANKS)), CapitalRule(least=0.03, buffer=0.04, target=0.05)
    found = []
    for fall in given["pi"]:
        rate = exponential_rate(fall=fall, sold_share=0.05)
        shock = [0.0, -given["shock_gov_bonds"]]
        found.append(fire_sale(banks, rule, shock=shock, impact_rate=[rate, rate], steps=given["steps"]))
    defaults, sold = [float(run.defaults[-1]) for run in found], [run.sold_share for run in found]
    return [
        near("banks in default, pi = 0 to 10 %", defaults, expected["defaults"], tolerance=tolerance["defaults"]),
        near("share of holdings sold", sold, expected["fraction_tradables_sold"], tolerance=tolerance["fraction"]),
    ]


CASES = (
    Case(
        name="EN-A2-nonunique",
        subject="two that owe each other and own nothing",
        run=a_circle,
        expression="both ends of the set are worked out and given; no function speaks of the clearing vector",
    ),
    Case(
        name="BBF-4bank",
        subject="clearing of four banks and a society",
        run=four_banks,
        expression="the society is an external debt that ranks equal",
    ),
    Case(
        name="BARUCCA-ex2",
        subject="clearing of three banks in a circle, depositors first",
        run=three_cycle,
        expression="external debts are senior; with equal rank the first bank would pay 3.81",
    ),
    Case(name="NEVA-cycle-EN", subject="clearing of three banks in a circle after two shocks", run=neva_cycle),
    Case(name="NRM-impacts", subject="impact susceptibility, fluidity and diffusion of three banks", run=impacts),
    Case(
        name="CS-impact",
        subject="price impact that stops at a floor",
        run=impact_with_a_floor,
        expression="the law of `experiments/network/price_impact.py`; the engine's own permanent impact is linear in "
        "the log price",
    ),
    Case(
        name="GLT-toy",
        subject="two banks that sell to keep their leverage",
        run=two_banks,
        expression="the aggregate was given to seven decimals, fewer than its tolerance asks for, and is compared "
        "after rounding",
    ),
    Case(
        name="OXINET-exp1",
        subject="fire sale of 48 banks, six price impacts",
        run=banks_fire_sale,
        data=BANKS,
        expression="the fire sale of `experiments/network/firesale.py`: banks by threshold, not accounts on a book; "
        "recorded balance sheets, which are not part of the project",
    ),
)
