"""19 May 2021: how much of the fall was the liquidations' own? `python -m experiments.studies.may_2021 --prices FILE`.

Recorded prices hold their whole crash. Two halves are told apart by one assumption: what a venue's net aggressive flow
moves for good is linear in it, `impact` bps per million USD (Kyle 1985; DESIGN: permanent impact). Then

1. the recorded path is replayed without impact, and the venue's cumulative net flow F(t) is averaged over seeds;
2. the exogenous path is the recorded one less impact x F(t): what outside news alone would have done;
3. the exogenous path is simulated with impact on and *other* seeds: flow is made afresh by whoever is liquidated,
   stopped out or chases the trend on the simulated path, and the fall must come back by itself.

Nothing is fitted to the path in step 3. If the feedback of the model had another strength or timing than the flow of
step 1, the simulated fall would be too small, too large or of another shape. `impact` itself is not identified by the
path (every value reproduces it if the feedback is consistent): the study shows how the result depends on it. What is
calibrated to calm days: books, population, makers. Makers leave by their own rules; nobody scripts the depth.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.build import build
from experiments.frames import depth_frame, liquidations_frame, prices_frame
from experiments.prices import read_prices
from experiments.run import trace
from experiments.scenario import Scenario
from market.errors import InputError
from market.reference.bars import Bars
from market.simulation import run
from market.world import World

Floats = NDArray[np.float64]
T = TypeVar("T")

SYMBOLS = ("BTC", "ETH", "SOL")
START, HOURS, TICK_SECONDS = "2021-05-19T00:00", 18.0, 2.0
IMPACTS = (0.0, 1.0, 3.0, 6.0)
"""Permanent impact of BTC, bps per million USD; ETH has twice and SOL eight times as much, as in the venue preset."""
RELATIVE_IMPACT = {"BTC": 1.0, "ETH": 2.0, "SOL": 8.0}
FLOW_SEEDS, TEST_SEEDS = range(1, 5), range(101, 107)
PROBE = 1e-9
"""An impact too small to move a price by a tick, to read the cumulative flow from."""
PUBLISHED = {"BTC": 0.31, "ETH": 0.45}
"""High to low of 19 May 2021, share. Source: exchange prices as the press reported them; Binance spot agrees."""
BAND = 0.04
"""Stated band: simulated falls within 4 points of the recorded ones."""
EDGES = (0.0, 0.05, 0.10, 0.15, 0.20, 0.25, 0.32)
"""Falls of BTC from its running high, share, between which liquidations are counted."""
MEDIANS = ("path_error", "half_retraced_minutes", "depth_before", "depth_trough", "recovery_hours", "liquidated_usd")
CALM_HOURS = 6.0
"""The first hours of the day, before anything happened."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One run, seen through the moments of the day."""

    fall: dict[str, float]
    """High to later low of the mark, share, by asset."""
    path_error: float
    """Root mean square of log(mark / recorded close) of BTC at the ends of bars, 12:00 to 14:00."""
    half_retraced_minutes: float
    """From BTC's low until it has made up half of what it lost in the hour before; nan when it does not."""
    depth_before: float
    """Median BTC depth within 50 bps, both sides, in the hour to half an hour before the low, over calm."""
    depth_trough: float
    """The same in the ten minutes around the low."""
    recovery_hours: float
    """From the low until that depth is back at half of calm; nan when it is not before the end."""
    liquidated_usd: float
    rates: tuple[float, ...]
    """USD liquidated per hour by fall of BTC, in the bins of EDGES; nan where no time was spent."""


def scenario_of(file: Path, impact: float) -> Scenario:
    """The venue of the `calm` scenario on a price file, with a permanent impact of BTC in bps per million USD."""
    impacts = [
        f"assets.{symbol}.permanent_impact_bps_per_million_usd={impact * RELATIVE_IMPACT[symbol]!r}"
        for symbol in SYMBOLS
    ]
    replay = ["reference.kind=replay", f"reference.file={file}", f"reference.start={START}"]
    return Scenario.load("calm", overrides=[f"hours={HOURS}", f"tick_seconds={TICK_SECONDS}", *replay, *impacts])


def cumulative_flow(seed: int, *, prices: Path) -> Floats:
    """(ticks, 3) net aggressive flow of all accounts but arbitrageurs since the start, million USD, path unmoved."""
    scenario = scenario_of(prices, PROBE)
    built = build(scenario, seed=seed)
    rows = [built.world.asset(symbol) for symbol in SYMBOLS]
    moved = np.zeros((scenario.ticks, len(SYMBOLS)))

    def note(world: World) -> None:
        moved[world.tick - 1] = world.impact[rows]

    run(built.world, built.rules, built.cast, ticks=scenario.ticks, observers=(note,))
    return moved / (PROBE * 1e-4 * np.array([RELATIVE_IMPACT[symbol] for symbol in SYMBOLS]))


def write_exogenous(bars: Bars, flow: Floats, impact: float, target: Path) -> Path:
    """Write the bars without what `flow` did to them: opens and closes exactly, highs and lows by the bar's middle."""
    ends = np.linspace(0, len(flow) - 1, len(bars.open) + 1).round().astype(int)
    scale = np.array([impact * RELATIVE_IMPACT[symbol] * 1e-4 for symbol in bars.symbols])
    factor = np.exp(-scale * flow[ends])
    middle = np.sqrt(factor[:-1] * factor[1:])
    opens, closes = bars.open * factor[:-1], bars.close * factor[1:]
    highs = np.maximum.reduce([opens, closes, bars.high * middle])
    lows = np.minimum.reduce([opens, closes, bars.low * middle])
    stamps = pd.date_range(START, periods=len(opens), freq=pd.Timedelta(seconds=bars.seconds), tz="UTC")
    tables = [
        pd.DataFrame(
            {
                "ts": stamps,
                "symbol": symbol,
                "open": opens[:, k],
                "high": highs[:, k],
                "low": lows[:, k],
                "close": closes[:, k],
            }
        )
        for k, symbol in enumerate(bars.symbols)
    ]
    pd.concat(tables).to_parquet(target)
    return target


def largest_fall(price: Floats) -> float:
    """High to later low as a share of the high."""
    return float(np.max(1.0 - price / np.maximum.accumulate(price)))


def outcome(seed: int, *, file: Path, bars: Bars, impact: float) -> Outcome:
    """Simulate the path in `file` and measure the day against the recorded `bars`."""
    found = trace(scenario_of(file, impact), seed=seed)
    prices, depth, forced = prices_frame(found), depth_frame(found), liquidations_frame(found)
    marks = {
        symbol: prices.loc[prices["instrument"] == f"{symbol}-PERP", "mark"].to_numpy(np.float64) for symbol in SYMBOLS
    }
    mark = marks["BTC"]
    low = int(mark.argmin())
    ends = (np.arange(1, len(bars.close) + 1) * bars.seconds / TICK_SECONDS).astype(int) - 1
    crash = slice(int(12 * 3600 / bars.seconds), int(14 * 3600 / bars.seconds))
    error = np.log(mark[ends] / bars.close[:, bars.symbols.index("BTC")])[crash]
    before, trough, recovery = _depth(depth[depth["instrument"] == "BTC-PERP"], low * TICK_SECONDS)
    return Outcome(
        fall={symbol: largest_fall(path) for symbol, path in marks.items()},
        path_error=float(np.sqrt(np.mean(error**2))),
        half_retraced_minutes=_half_retraced(mark, TICK_SECONDS),
        depth_before=before,
        depth_trough=trough,
        recovery_hours=recovery,
        liquidated_usd=float(forced["notional_usd"].sum()),
        rates=_rates(mark, forced),
    )


def _half_retraced(price: Floats, seconds: float) -> float:
    """Minutes from the low to half of what was lost in the hour before it; nan when it does not come back so far."""
    low, hour = int(price.argmin()), int(3600 / seconds)
    aim = 0.5 * (price[low] + price[max(low - hour, 0) : low + 1].max())
    after = np.flatnonzero(price[low:] >= aim)
    return float(after[0] * seconds / 60.0) if len(after) else float("nan")


def _depth(table: pd.DataFrame, low: float) -> tuple[float, float, float]:
    """(before, at the trough, hours until half is back), depth over calm depth; `low` in seconds."""
    both = table.groupby("seconds")["depth_50bps_usd"].sum()
    seconds = both.index.to_numpy(np.float64)
    calm = float(both[seconds < CALM_HOURS * 3600].median())
    before = both[(seconds > low - 3600) & (seconds < low - 1800)].median() / calm
    trough = both[np.abs(seconds - low) < 300].median() / calm
    smooth = both.rolling(30, min_periods=1).median().to_numpy()
    back = np.flatnonzero((seconds > low + 300) & (smooth >= 0.5 * calm))
    recovery = (seconds[back[0]] - low) / 3600 if len(back) else float("nan")
    return float(before), float(trough), float(recovery)


def _rates(mark: Floats, forced: pd.DataFrame) -> tuple[float, ...]:
    fall = 1.0 - mark / np.maximum.accumulate(mark)
    hours = np.histogram(fall, EDGES)[0] * TICK_SECONDS / 3600
    at = fall[np.minimum(forced["tick"].to_numpy(), len(fall) - 1)]
    usd = np.histogram(at, EDGES, weights=forced["notional_usd"])[0]
    return tuple(float(value) for value in np.where(hours > 0, usd / np.maximum(hours, 1e-9), np.nan))


def study(prices: Path, *, workers: int, say: Callable[[str], None]) -> dict[str, Any]:
    """All steps for all impacts; the figures of every run and the falls of the recorded and the exogenous paths."""
    table = read_prices(prices, assets=list(SYMBOLS), start=START, hours=HOURS)
    bars = table.bars
    recorded = {symbol: _bar_fall(bars, k) for k, symbol in enumerate(bars.symbols)}
    with ProcessPoolExecutor(workers) as pool, tempfile.TemporaryDirectory() as folder:
        flows = list(
            _told(pool.map(partial(cumulative_flow, prices=prices), FLOW_SEEDS), "flow on the recorded path", say)
        )
        flow = np.mean(flows, axis=0)
        rows = []
        for impact in IMPACTS:
            file = write_exogenous(bars, flow, impact, Path(folder) / f"{impact:g}.parquet")
            outside = read_prices(file, assets=list(SYMBOLS), start=START, hours=HOURS).bars
            runs = pool.map(partial(outcome, file=file, bars=bars, impact=impact), TEST_SEEDS)
            rows.append(
                {
                    "impact_bps_per_million_usd": impact,
                    "exogenous_fall": {symbol: _bar_fall(outside, k) for k, symbol in enumerate(outside.symbols)},
                    "runs": [asdict(found) for found in _told(runs, f"impact {impact:g}", say)],
                }
            )
    return {
        "recorded_fall": recorded,
        "recorded_half_retraced_minutes": _half_retraced(bars.close[:, bars.symbols.index("BTC")], bars.seconds),
        "published_fall": PUBLISHED,
        "edges": EDGES,
        "impacts": rows,
    }


def _told(results: Iterator[T], what: str, say: Callable[[str], None]) -> Iterator[T]:
    for number, result in enumerate(results, 1):
        say(f"{what}: {number} done")
        yield result


def _bar_fall(bars: Bars, column: int) -> float:
    high = np.maximum.accumulate(bars.high[:, column])
    return float(np.max(1.0 - bars.low[:, column] / high))


def summary(found: dict[str, Any]) -> list[dict[str, Any]]:
    """One row per impact: medians over seeds, and their range where one number would hide it."""
    rows = []
    for entry in found["impacts"]:
        runs = entry["runs"]
        row: dict[str, Any] = {"impact": entry["impact_bps_per_million_usd"]}
        for symbol in ("BTC", "ETH"):
            falls = [run["fall"][symbol] for run in runs]
            row[f"{symbol} exogenous"] = entry["exogenous_fall"][symbol]
            row[f"{symbol} simulated"] = float(np.median(falls))
            row[f"{symbol} range"] = (min(falls), max(falls))
            row[f"{symbol} in band"] = sum(abs(fall - found["recorded_fall"][symbol]) <= BAND for fall in falls)
        names = (
            "path_error",
            "half_retraced_minutes",
            "depth_before",
            "depth_trough",
            "recovery_hours",
            "liquidated_usd",
        )
        for name in names:
            row[name] = float(np.nanmedian([run[name] for run in runs]))
        rates = np.array([run["rates"] for run in runs])
        row["rates"] = [float(value) for value in np.nanmedian(rates, axis=0)]
        row["runs"] = len(runs)
        rows.append(row)
    return rows


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prices", type=Path, required=True, help="5-minute bars of BTC, ETH and SOL on that day")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print only JSON")
    options = parser.parse_args()
    try:
        found = study(
            options.prices, workers=options.workers, say=lambda line: print(line, file=sys.stderr, flush=True)
        )
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps(found | {"summary": summary(found)}, indent=1))
        return 0
    falls = ", ".join(f"{symbol} {fall:.1%}" for symbol, fall in found["recorded_fall"].items())
    print(f"recorded: {falls}; BTC half retraced after {found['recorded_half_retraced_minutes']:.0f} min (closes)")
    for row in summary(found):
        print(f"\nimpact {row['impact']:g} bps per million USD of BTC, {row['runs']} runs")
        for symbol in ("BTC", "ETH"):
            low, high = row[f"{symbol} range"]
            print(
                f"  {symbol}: exogenous {row[f'{symbol} exogenous']:.1%}, simulated {row[f'{symbol} simulated']:.1%}"
                f" ({low:.1%} to {high:.1%}); {row[f'{symbol} in band']} of {row['runs']} within {BAND:.0%}"
            )
        print(
            f"  path error {row['path_error']:.2%}; half retraced after {row['half_retraced_minutes']:.0f} min; depth"
            f" {row['depth_before']:.0%} before, {row['depth_trough']:.1%} at the trough, half back after"
            f" {row['recovery_hours']:.1f} h; liquidated {row['liquidated_usd'] / 1e6:,.0f} million USD"
        )
        bins = zip(EDGES[:-1], EDGES[1:], row["rates"], strict=True)
        print("  million USD/h by fall: " + ", ".join(f"{a:.0%}-{b:.0%} {rate / 1e6:,.1f}" for a, b, rate in bins))
    return 0


if __name__ == "__main__":
    sys.exit(main())
