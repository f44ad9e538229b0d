"""What a study file may say. The TOML table is the object, as everywhere (`market.parameters`)."""

from __future__ import annotations

import math
from dataclasses import field
from typing import Annotated, Any, Literal

from pydantic import Field

from market.parameters import (
    Count,
    Number,
    Positive,
    PositiveBps,
    PositiveCount,
    PositiveHours,
    PositiveSeconds,
    PositiveUsd,
    Seconds,
    Share,
    SignedShare,
    parameters,
)

Changes = Annotated[dict[str, Any], Field(json_schema_extra={"dotted": True})]
"""Values by dotted path into the scenario; tables in tables are paths too."""
Lists = Annotated[dict[str, tuple[Any, ...]], Field(json_schema_extra={"dotted": True})]
"""Lists of values by dotted path."""
Range = tuple[Number, Number] | tuple[Number, Number, Literal["linear", "log", "whole"]]
"""Least and greatest value, and how what lies between is drawn: evenly, evenly in the logarithm, whole numbers."""
Ranges = Annotated[dict[str, Range], Field(json_schema_extra={"dotted": True})]
"""Ranges by dotted path."""


def _check_lists(values: dict[str, tuple[Any, ...]]) -> None:
    if not values:
        raise ValueError("values: empty; expected lists of values by dotted path")
    for path, choices in values.items():
        if not choices:
            raise ValueError(f"values.{path}: empty list; expected one value or more")


def _check_ranges(ranges: dict[str, Range]) -> None:
    if not ranges:
        raise ValueError("ranges: empty; expected [least, greatest] by dotted path")
    for path, (low, high, *how) in ranges.items():
        if not low < high:
            raise ValueError(f"ranges.{path}: [{low:g}, {high:g}] is no range; the second must be greater")
        if how == ["log"] and low <= 0.0:
            raise ValueError(f"ranges.{path}: a range in the logarithm must begin above 0, got {low:g}")
        if how == ["whole"] and (low % 1.0 or high % 1.0):
            raise ValueError(f"ranges.{path}: expected whole numbers, got [{low:g}, {high:g}]")


@parameters
class Grid:
    """Every combination of the values."""

    kind: Literal["grid"] = "grid"
    """Tells the ways of choosing designs apart."""
    values: Lists
    """The values of each path."""

    def __post_init__(self) -> None:
        """Refuse what has nothing in it."""
        _check_lists(self.values)


@parameters
class Listed:
    """The first values of all paths together, then the second ones, and so on."""

    kind: Literal["list"] = "list"
    """Tells the ways of choosing designs apart."""
    values: Lists
    """The values of each path; all lists are of one length."""

    def __post_init__(self) -> None:
        """Refuse lists of different lengths."""
        _check_lists(self.values)
        lengths = {path: len(choices) for path, choices in self.values.items()}
        if len(set(lengths.values())) > 1:
            listed = ", ".join(f"{path} has {n}" for path, n in lengths.items())
            raise ValueError(f"values: lists go together and must be of one length: {listed}")


@parameters
class LatinHypercube:
    """Points that cover each range evenly: one in each of `count` slices of every range."""

    kind: Literal["latin-hypercube"] = "latin-hypercube"
    """Tells the ways of choosing designs apart."""
    ranges: Ranges
    """[least, greatest] of each path."""
    count: PositiveCount
    """Number of points."""
    seed: Count = 1
    """Another seed, other points."""

    def __post_init__(self) -> None:
        """Refuse ranges that are none."""
        _check_ranges(self.ranges)


@parameters
class SobolPoints:
    """Scrambled Sobol points: even in all ranges together."""

    kind: Literal["sobol"] = "sobol"
    """Tells the ways of choosing designs apart."""
    ranges: Ranges
    """[least, greatest] of each path."""
    count: PositiveCount
    """Number of points, a power of two."""
    seed: Count = 1
    """Another seed, another scrambling."""

    def __post_init__(self) -> None:
        """Refuse a number of points that is not balanced."""
        _check_ranges(self.ranges)
        if self.count & (self.count - 1):
            below = 1 << (self.count.bit_length() - 1)
            raise ValueError(f"count: Sobol points are even for powers of two only; {below} or {2 * below} would do")


@parameters
class DesignTable:
    """Designs from a file, one a row."""

    kind: Literal["table"] = "table"
    """Tells the ways of choosing designs apart."""
    file: str
    """CSV or Parquet; columns are dotted paths, an empty cell leaves the value as it is."""


@parameters
class Seeds:
    """Which seeds every design is simulated with: the same for all, so that designs differ in nothing else."""

    first: Count = 1
    """The first seed."""
    count: PositiveCount = 10
    """How many, one after the other."""


@parameters
class Mean:
    """Mean over the seeds."""

    kind: Literal["mean"] = "mean"
    """Tells the measures apart."""
    kpi: str
    """A figure of `kpis.json`."""


@parameters
class Probability:
    """Share of the seeds in which a figure exceeds a threshold."""

    kind: Literal["probability"] = "probability"
    """Tells the measures apart."""
    kpi: str
    """A figure of `kpis.json`."""
    above: Number = 0.0
    """The threshold, in the figure's unit."""


@parameters
class Quantile:
    """The value that a figure exceeds in a share 1 - level of the seeds: value at risk where it is a loss."""

    kind: Literal["quantile"] = "quantile"
    """Tells the measures apart."""
    kpi: str
    """A figure of `kpis.json`."""
    level: Share = 0.95
    """Share of the seeds below it."""


@parameters
class ExpectedShortfall:
    """Mean of a figure over the worst share 1 - level of the seeds."""

    kind: Literal["expected_shortfall"] = "expected_shortfall"
    """Tells the measures apart."""
    kpi: str
    """A figure of `kpis.json`."""
    level: Share = 0.95
    """Share of the seeds that is left out."""


Measure = Annotated[Mean | Probability | Quantile | ExpectedShortfall, Field(discriminator="kind")]

World = Literal["fixed", "relevered"]
"""Positions as they are, or everybody's leverage set so that traders use `tune.utilisation` of what they may."""


@parameters
class Objective:
    """A measure that the search makes as large or as small as it can."""

    measure: Measure
    """The measure."""
    direction: Literal["maximise", "minimise"] = "minimise"
    """Which way is better."""
    world: World = "fixed"
    """Measured with positions fixed or with traders re-levering."""


@parameters
class Ceiling:
    """What a measure of loss may be at most, in every world that is simulated."""

    measure: Measure
    """The measure."""
    at_most: Number
    """In the unit of its figure; held against the upper bound of the interval."""


@parameters
class Tune:
    """What `cascade tune` looks for, and where."""

    ranges: Ranges
    """[least, greatest] of each path."""
    trust_region: Share = 1.0
    """How far from today's value a design may be, as a share of the range."""
    today: Changes = field(default_factory=dict)
    """Today's values where they are not those of the base scenario."""
    utilisation: Share | None = 0.1
    """Re-levering: share of what initial margin allows that traders use; none: positions stay fixed throughout."""
    objectives: tuple[Objective, ...] = ()
    """What the search improves; when left out: capital efficiency, in both worlds."""
    ceilings: tuple[Ceiling, ...]
    """What a recommended design respects with its upper bound."""
    trials: PositiveCount = 60
    """Designs that are searched, today's included."""
    seed: Count = 1
    """Another seed, another search."""
    confirm: Seeds = Seeds(first=1_000_001, count=100)
    """Fresh seeds that the best designs are confirmed on; the search uses `seeds`."""
    confirm_designs: PositiveCount = 6
    """Designs that are confirmed beside today's."""

    def __post_init__(self) -> None:
        """Refuse ranges that are none, nothing to respect, and quantiles that fresh seeds are too few for."""
        _check_ranges(self.ranges)
        if not self.ceilings:
            raise ValueError("ceilings: empty; expected one measure of loss or more, each with at_most")
        if self.utilisation is None and any(objective.world == "relevered" for objective in self.objectives):
            raise ValueError('objectives: one is of the re-levered world, and utilisation is "none"')
        if self.utilisation == 0.0:
            raise ValueError('utilisation: 0 is no leverage; "none" leaves re-levering out')
        for at, ceiling in enumerate(self.ceilings):
            level = getattr(ceiling.measure, "level", 0.0)
            least = math.inf if level >= 1.0 else math.ceil(TAIL_EVENTS / (1.0 - level)) + 1
            if level and self.confirm.count < least:
                raise ValueError(
                    f"confirm.count: {self.confirm.count} seeds are too few to rate ceilings.{at} at level {level:g}; "
                    f"expected {least:,} or more"
                )


TAIL_EVENTS = 50
"""Values beyond a quantile that it takes to say something about it (`statistics.intervals`)."""


@parameters
class Cap:
    """What `cascade limit` looks for: the largest value of one parameter at which a loss stays small enough."""

    path: str
    """Dotted path into the scenario."""
    range: Range
    """Least and greatest value, and how what lies between is halved."""
    measure: Measure
    """The loss; taken to grow with the value."""
    at_most: Number
    """What it may be, in the unit of its figure."""
    tolerance: Share = 0.02
    """How near the answer is to the largest such value, as a share of the range."""

    def __post_init__(self) -> None:
        """Refuse a range that is none."""
        _check_ranges({self.path: self.range})
        if self.tolerance <= 0.0:
            raise ValueError("tolerance: expected more than 0")


@parameters
class Shock:
    """One thing that may go wrong, on a scale of standard deviations: at 0 it is as in the base scenario."""

    one_sigma: Changes
    """Values by dotted path at a size of one standard deviation; all of them move together."""
    scale: Literal["linear", "log"] = "linear"
    """What a size of two is: twice as far from the base, or as many times further."""
    most: Positive = 4.0
    """Largest size that is looked at."""

    def __post_init__(self) -> None:
        """Refuse what moves nothing."""
        if not self.one_sigma:
            raise ValueError("one_sigma: empty; expected values by dotted path at one standard deviation")


@parameters
class Stress:
    """What `cascade reverse-stress` looks for: the most likely joint shock at which a loss is reached."""

    measure: Measure
    """The loss; taken to grow with every shock."""
    at_least: Number
    """What it has to reach, in the unit of its figure."""
    shocks: dict[str, Shock]
    """What may go wrong, by any name."""
    correlations: tuple[tuple[str, str, SignedShare], ...] = ()
    """[shock, shock, correlation] of sizes; 0 where nothing is said."""
    directions: Count = 16
    """Joint shocks of other proportions that are tried before the best one is improved."""
    tolerance: Positive = 0.05
    """How near the answer is to the least such shock, in standard deviations."""
    confirm: Seeds = Seeds(first=1_000_001, count=100)
    """Fresh seeds for the answer; the search uses `seeds`."""

    def __post_init__(self) -> None:
        """Refuse no shocks, and correlations that are none."""
        if not self.shocks:
            raise ValueError("shocks: empty; expected one table or more, each with one_sigma")
        for at, (one, other, _) in enumerate(self.correlations):
            for name in (one, other):
                if name not in self.shocks:
                    raise ValueError(f"correlations.{at}: no shock {name!r}; shocks are {', '.join(self.shocks)}")
            if one == other:
                raise ValueError(f"correlations.{at}: {one!r} with itself")


@parameters
class Wick:
    """A source of the oracle that an attacker moves, for a price: its market has linear impact."""

    asset: str
    """Asset whose source it is."""
    source: Count | None = None
    """Which source of the oracle, counted from 0; all of them when left out."""
    most_bps: PositiveBps
    """Largest move that is looked at; downwards for one who is short."""
    usd_per_bps: PositiveUsd
    """What has to be traded on that market to move it by one basis point; half of the move is lost on it."""
    start_seconds: Seconds
    """When it begins."""
    seconds: PositiveSeconds = 30.0
    """How long it takes, up and down."""


@parameters
class AttackPlan:
    """One way of attacking; keys are those of `agents.attackers.NAME`."""

    set: Changes
    """What holds in all attacks of the kind, the two instruments at least."""
    ranges: Ranges
    """[least, greatest] of what the attacker chooses."""
    wick: Wick | None = None
    """A source of the oracle that is moved as well; how far is chosen, too."""

    def __post_init__(self) -> None:
        """Refuse ranges that are none."""
        _check_ranges(self.ranges)


@parameters
class Variant:
    """Changes under a name."""

    set: Changes = field(default_factory=dict)
    """Values by dotted path into the scenario; none: as it is."""


@parameters
class Attack:
    """What `cascade attack` looks for: the greatest profit of somebody with so much capital."""

    capital_usd: PositiveUsd
    """The attacker's."""
    plans: dict[str, AttackPlan]
    """Ways of attacking, by any name."""
    designs: dict[str, Variant] = field(default_factory=dict)
    """Rules that are attacked, by any name; the base's when left out."""
    markets: dict[str, Variant] = field(default_factory=dict)
    """Models of impact and refill that it is tried under, by any name; the base's when left out."""
    points: PositiveCount = 16
    """Attacks that are tried all over the ranges."""
    rounds: Count = 2
    """How often half as many are tried around the best one, nearer each time."""
    confirm: Seeds = Seeds(first=1_000_001, count=100)
    """Fresh seeds for the best one; the search uses `seeds`."""

    def __post_init__(self) -> None:
        """Refuse nothing to try."""
        if not self.plans:
            raise ValueError("plans: empty; expected one table or more")


@parameters
class Tilt:
    """How reference prices are drawn differently; runs are weighted by what that makes of their likelihood."""

    jump_rate: Positive = 1.0
    """Common jumps come so many times as often."""
    jump_size: SignedShare = 0.0
    """Exponential tilt of their sizes, -1 < tilt < 1: above 0 falls are larger and more frequent."""
    crash_rate: Positive = 1.0
    """Crashes begin so many times as often."""

    def __post_init__(self) -> None:
        """Refuse a tilt that is none."""
        if (self.jump_rate, self.jump_size, self.crash_rate) == (1.0, 0.0, 1.0):
            raise ValueError("changes nothing; expected jump_rate, jump_size or crash_rate")
        if abs(self.jump_size) >= 1.0:
            raise ValueError(f"jump_size must lie strictly between -1 and 1, not {self.jump_size:g}")


@parameters
class Rare:
    """What `cascade rare` estimates by importance sampling."""

    measure: Annotated[Mean | Probability, Field(discriminator="kind")]
    """A mean, or a probability."""
    tilt: Tilt
    """The other law that most runs are drawn from."""
    defensive: Share = 0.2
    """Share of the runs that are drawn without a tilt: no weight exceeds its inverse."""

    def __post_init__(self) -> None:
        """Refuse a mixture of one law."""
        if not 0.0 < self.defensive < 1.0:
            raise ValueError(f"defensive: expected a share between 0 and 1, got {self.defensive:g}")


@parameters
class Splitting:
    """What `cascade rare --split` estimates: runs that got far are done again with other draws from there on."""

    measure: Annotated[Mean | Probability, Field(discriminator="kind")]
    """A mean, or a probability."""
    score: Literal["fall", "liquidated_notional_usd"] = "fall"
    """How far a run has got: the largest log fall of any mark since its highest, or what was liquidated so far."""
    levels: tuple[Positive, ...]
    """Scores at which runs are done again, rising; any give a true estimate, good ones a narrow interval."""
    runs: PositiveCount = 64
    """Runs from every level, and from the start."""
    repetitions: PositiveCount = 12
    """Independent repetitions of the whole; the interval is taken over them."""

    def __post_init__(self) -> None:
        """Refuse levels that do not rise."""
        if not self.levels:
            raise ValueError("levels: empty; expected one score or more")
        if list(self.levels) != sorted(set(self.levels)):
            raise ValueError(f"levels: expected rising scores, got {', '.join(f'{level:g}' for level in self.levels)}")


@parameters
class Stop:
    """When `cascade until` has enough seeds."""

    measure: Measure
    """The measure that has to be known."""
    half_width: Positive
    """Half of its interval, in the unit of its figure, at which it is known well enough."""
    first: PositiveCount = 32
    """Seeds of the first look; every next one has twice as many, `seeds.count` at most."""


@parameters
class Limits:
    """What a study may cost."""

    runs: PositiveCount = 10_000_000
    """More runs than these are refused: a grid grows quickly."""
    seconds_per_run: PositiveSeconds = 3_600.0
    """A run that takes longer is given up and counted as failed."""
    stall_seconds: PositiveSeconds = 600.0
    """When nothing at all was finished for so long, and twice as long as a run may take, workers are replaced."""
    hours: PositiveHours | None = None
    """The sweep ends after so long, as on Ctrl-C; `cascade resume` goes on."""


@parameters
class Study:
    """A study."""

    summary: str = ""
    """What it asks, in one line."""
    scenario: str
    """The world that everything starts from: an embedded scenario or a TOML file."""
    venue: str | None = None
    """Rules of a venue laid over it: an embedded venue or a TOML file."""
    twin: bool = False
    """Whether each run is accompanied by its twin without liquidations: gives amplification, takes twice as long."""
    set: Changes = field(default_factory=dict)
    """What differs from that scenario in all designs."""
    changes: tuple[
        Annotated[Grid | Listed | LatinHypercube | SobolPoints | DesignTable, Field(discriminator="kind")], ...
    ] = ()
    """What is varied; several of these combine, each design of one with each of the other."""
    seeds: Seeds = Seeds()
    """The seeds of every design."""
    measures: tuple[Measure, ...] = ()
    """What is shown of each design; when left out: liquidations and bad debt."""
    keep: tuple[Literal["prices", "depth", "liquidations", "losses", "accounts", "margin"], ...] = ()
    """Tables that are stored of every run beside its figures; they are large, but for margin: what margin asks for."""
    strategies: tuple[str, ...] = ()
    """Traders in plain Python that take part, as FILE.py:CLASS; their source counts as part of the study."""
    limits: Limits = Limits()
    """What it may cost."""
    tune: Tune | None = None
    """What `cascade tune` looks for."""
    cap: Cap | None = None
    """What `cascade limit` looks for."""
    stress: Stress | None = None
    """What `cascade reverse-stress` looks for."""
    attack: Attack | None = None
    """What `cascade attack` looks for."""
    rare: Rare | None = None
    """What `cascade rare` estimates."""
    splitting: Splitting | None = None
    """What `cascade rare --split` estimates."""
    stop: Stop | None = None
    """When `cascade until` has enough."""

    def __post_init__(self) -> None:
        """Refuse to confirm on seeds that the search has seen, and a table of what twins show without twins."""
        if "margin" in self.keep and not self.twin:
            raise ValueError("keep: the table margin needs twin = true")
        for name, table in (("tune", self.tune), ("stress", self.stress), ("attack", self.attack)):
            if table is None:
                continue
            fresh = table.confirm
            if fresh.first < self.seeds.first + self.seeds.count and self.seeds.first < fresh.first + fresh.count:
                raise ValueError(f"{name}.confirm: seeds that the search uses as well; expected fresh ones")

    def measured(self) -> tuple[Mean | Probability | Quantile | ExpectedShortfall, ...]:
        """The measures that are shown."""
        return self.measures or DEFAULT_MEASURES


DEFAULT_MEASURES: tuple[Mean | Probability | Quantile | ExpectedShortfall, ...] = (
    Mean(kpi="liquidation_count"),
    Mean(kpi="liquidated_notional_usd"),
    Mean(kpi="bad_debt_usd"),
    Probability(kpi="bad_debt_usd"),
    Quantile(kpi="bad_debt_usd"),
)
