"""How parameters are written: frozen keyword-only dataclasses whose fields carry bounds, unit and help.

The TOML table *is* the object. A field's bounds and unit come from its annotated type below, its help from the
docstring under it; `cascade explain`, the JSON schema and the sliders of the app read all three from there.
A family of rules (margin models, mark rules, funding rules ...) is a union of such classes told apart by `kind`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeVar, dataclass_transform

from pydantic import ConfigDict, Field

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def parameters(cls: type[T]) -> type[T]:
    """Make `cls` a frozen keyword-only dataclass that refuses unknown keys when it is read from a file."""
    cls.__pydantic_config__ = ConfigDict(  # type: ignore[attr-defined]
        extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False, strict=False
    )
    return dataclass(frozen=True, kw_only=True)(cls)


def _unit(unit: str, *, ge: float | None = None, gt: float | None = None, le: float | None = None) -> object:
    return Field(json_schema_extra={"unit": unit}, ge=ge, gt=gt, le=le)


Share = Annotated[float, _unit("share", ge=0.0, le=1.0)]
"""A fraction of something, 0 to 1."""
SignedShare = Annotated[float, _unit("share", ge=-1.0, le=1.0)]
Ratio = Annotated[float, _unit("x", ge=0.0)]
"""A non-negative pure number: leverage, multiple, ratio."""
Number = Annotated[float, _unit("x")]
"""Any finite pure number, of either sign."""
Bps = Annotated[float, _unit("bps", ge=0.0, le=10_000.0)]
PositiveBps = Annotated[float, _unit("bps", gt=0.0, le=10_000.0)]
SignedBps = Annotated[float, _unit("bps", ge=-10_000.0, le=10_000.0)]
Seconds = Annotated[float, _unit("s", ge=0.0, le=1e9)]
PositiveSeconds = Annotated[float, _unit("s", gt=0.0, le=1e9)]
Usd = Annotated[float, _unit("USD", ge=0.0, le=1e12)]
PositiveUsd = Annotated[float, _unit("USD", gt=0.0, le=1e12)]
PositiveHours = Annotated[float, _unit("h", gt=0.0)]
UsdPerSecond = Annotated[float, _unit("USD/s", ge=0.0, le=1e12)]
PerSecond = Annotated[float, _unit("1/s", ge=0.0)]
PerHour = Annotated[float, _unit("1/h", ge=0.0)]
PerYear = Annotated[float, _unit("1/year", ge=0.0)]
SignedPerYear = Annotated[float, _unit("1/year")]
AnnualVolatility = Annotated[float, _unit("1/sqrt(year)", ge=0.0, le=20.0)]
Count = Annotated[int, _unit("count", ge=0)]
PositiveCount = Annotated[int, _unit("count", ge=1)]
Positive = Annotated[float, _unit("1", gt=0.0)]
PositiveAmount = Annotated[float, _unit("units", gt=0.0)]
"""Units of an asset: 0.5 is half a bitcoin, or half a dollar of a stablecoin."""
LogReturn = Annotated[float, _unit("1", ge=-3.0, le=3.0)]
"""Change of a log price; -0.05 is a fall of about 5 %."""
Correlation = Annotated[float, _unit("1", ge=-1.0, le=1.0)]
