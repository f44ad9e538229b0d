"""What a page may say to its run: one JSON object a message, told apart by `do`."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

Name = Annotated[str, Field(min_length=1, max_length=128)]
Path = Annotated[str, Field(min_length=1, max_length=256)]
Value = Annotated[float, Field(allow_inf_nan=False)] | bool | Annotated[str, Field(max_length=64)]
Settings = Annotated[dict[Path, Value], Field(max_length=256)]
Side = Literal["a", "b", "both"]
VERSION = 1


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Compare(_Message):
    """The second of two designs, on the same random numbers."""

    venue: Name | None = None
    set: Settings = {}


class Open(_Message):
    """Begin a run; the one before it is over."""

    do: Literal["open"]
    scenario: Name
    venue: Name | None = None
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 1
    set: Settings = {}
    compare: Compare | None = None


class Play(_Message):
    """Go on at so many ticks a second."""

    do: Literal["play"]
    ticks_per_second: Annotated[float, Field(gt=0.0, le=100_000.0)] = 60.0


class Pause(_Message):
    """Stand still."""

    do: Literal["pause"]


class Step(_Message):
    """So many ticks, then stand still."""

    do: Literal["step"]
    ticks: Annotated[int, Field(ge=1, le=1_000)] = 1


class Jump(_Message):
    """Run to the tick of the next liquidation, or to the end."""

    do: Literal["jump"]
    to: Literal["liquidation", "end"] = "liquidation"


class Restart(_Message):
    """The same scenario from its beginning, without what was done in the session."""

    do: Literal["restart"]


class Set(_Message):
    """Change a setting of the running world."""

    do: Literal["set"]
    path: Path
    value: Value
    side: Side = "both"
    venue: Name | None = None
    """Of a system: where; the one that is looked at when left out."""


class Shock(_Message):
    """Do something to the running world."""

    do: Literal["shock"]
    kind: Literal["drop", "depeg", "oracle_outage", "maker_leaves", "keeper_outage", "account_fails"]
    asset: Name | None = None
    instrument: Name | None = None
    percent: Annotated[float, Field(ge=0.0, le=100.0)] | None = None
    seconds: Annotated[float, Field(gt=0.0, le=1e7)] | None = None
    account: Annotated[int, Field(ge=0, le=10_000_000)] | None = None
    side: Side = "both"
    venue: Name | None = None


class Account(_Message):
    """Explain an account."""

    do: Literal["account"]
    account: Annotated[int, Field(ge=0, le=10_000_000)]
    side: Literal["a", "b"] = "a"
    venue: Name | None = None


class SelectBook(_Message):
    """Send the ladder of this book alone from now on."""

    do: Literal["select_book"]
    book: Annotated[int, Field(ge=0, le=10_000)]


class SelectVenue(_Message):
    """Look at this venue of the system from now on; the figures of the others come along."""

    do: Literal["select_venue"]
    venue: Name


class Export(_Message):
    """The session as a scenario that does by itself what was done."""

    do: Literal["export"]
    side: Literal["a", "b"] = "a"


class Ack(_Message):
    """The page has drawn this frame; the next one may come."""

    do: Literal["ack"]
    number: Annotated[int, Field(ge=0)]


Message = Annotated[
    Open | Play | Pause | Step | Jump | Restart | Set | Shock | Account | SelectBook | SelectVenue | Export | Ack,
    Field(discriminator="do"),
]
ADAPTER: TypeAdapter[Any] = TypeAdapter(Message)


class Malformed(ValueError):
    """No message of this protocol; `where` names the part that is wrong."""

    def __init__(self, message: str, where: str = "") -> None:
        super().__init__(message)
        self.where = where


def _no_number(name: str) -> None:
    raise ValueError(name)


def parse(text: str | bytes) -> Any:
    """The message in a text. Raises Malformed with one line."""
    try:
        data = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Malformed('not JSON: expected one object such as {"do": "pause"}') from None
    if not isinstance(data, dict):
        raise Malformed('expected a JSON object with "do"')
    try:
        # From text: lists and numbers are then those of JSON, not those of Python.
        return ADAPTER.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        steps = [str(step) for step in first["loc"]]
        known = steps[1:] if len(steps) > 1 else steps
        where = ".".join([str(data.get("do"))[:32], *known] if steps else ["do"])[:200]
        raise Malformed(f"{where}: {first['msg']}"[:400], where) from None


def schema() -> dict[str, Any]:
    """JSON Schema of all messages that a page may send."""
    return {"version": VERSION, "messages": ADAPTER.json_schema()}


def error(message: str, where: str = "") -> dict[str, Any]:
    """What a page is told when something cannot be done."""
    return {"is": "error", "message": " ".join(message.split())[:600], "where": where}
