"""What a stack may say about how many servers of a model, or pods of the gateway, there are.

What is not said is computed: how long load has to be low before a server goes follows from how long
the plan says that a start takes (`components/autoscaling.py`).
"""

import difflib
import re
from typing import Annotated, Literal
from zoneinfo import available_timezones

from pydantic import Field, field_validator

from components.core.settings import PositiveInt, Settings

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_PLACE = r"(\*|\d{1,2}(-\d{1,2})?)(/\d{1,2})?"
_LIST = rf"{_PLACE}(,{_PLACE})*"
_NAMED = r"[A-Za-z0-9*/,-]+"
_CRON = re.compile(rf"{_LIST} {_LIST} {_LIST} {_NAMED} {_NAMED}")
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
"""Of cron's five fields; Sunday is 0 (robfig/cron 3, which KEDA reads them with)."""
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAMES: tuple[tuple[str, ...], ...] = ((), (), (), _MONTHS, DAYS)
_NO_PLACES = frozenset({"Factory", "localtime", "posixrules"})
"""Entries of a machine's time zones that say no zone, or each machine another."""
_Replicas = Annotated[PositiveInt, Field(le=10_000)]


class HoursSettings(Settings):
    """Hours of the week in which there are at least so many."""

    time_zone: Annotated[str, Field(description="IANA name, such as Europe/Berlin.")]
    days: Annotated[
        tuple[Day, ...],
        Field(min_length=1, max_length=7, description="Days on which the hours begin."),
    ] = DAYS[:5]
    start: Annotated[
        str, Field(max_length=100, description="Such as 08:00; or five fields of cron.")
    ]
    end: Annotated[
        str,
        Field(max_length=100, description="Such as 18:00, which may be the day after; or cron."),
    ]
    replicas: Annotated[_Replicas, Field(description="Kept ready then, at least.")]

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        known = available_timezones() - _NO_PLACES
        if zone not in known:
            raise ValueError(
                f"{zone!r} is no time zone of the IANA database: {_nearest_zone(zone, known)}"
            )
        return zone

    @field_validator("start", "end")
    @classmethod
    def _a_time(cls, text: str) -> str:
        if not _CLOCK.fullmatch(text) and not _CRON.fullmatch(text):
            raise ValueError(
                f"{text!r} is neither a time of the day such as 08:00 nor five fields of cron "
                "such as '0 8 * * 1-5'"
            )
        for number, field in enumerate(text.split(" ")) if " " in text else ():
            if not _in_range(field, number):
                least, most = _RANGES[number]
                raise ValueError(
                    f"{text!r} has {field!r} as field {number + 1} of cron's five, where {least} "
                    f"to {most} are possible: change it"
                )
        return text

    @property
    def by_clock(self) -> bool:
        """Whether both ends are times of the day; else both have to be cron's."""
        return all(_CLOCK.fullmatch(text) for text in (self.start, self.end))

    @property
    def crons(self) -> tuple[str, str]:
        """Start and end as cron's five fields; hours over midnight end on the day after."""
        if not self.by_clock:
            return self.start, self.end
        later = 1 if self.end < self.start else 0
        return _cron(self.start, self.days, 0), _cron(self.end, self.days, later)


def _nearest_zone(zone: str, known: set[str]) -> str:
    """The zone that is meant, by its whole name or its city, or how one is written."""
    cities = {name.rpartition("/")[2].lower(): name for name in sorted(known)}
    city = zone.rpartition("/")[2].lower().replace(" ", "_")
    close = difflib.get_close_matches(city, cities, n=1, cutoff=0.8)
    if close:
        return f"did you mean {cities[close[0]]}?"
    return "write it as Europe/Berlin, or UTC"


def _in_range(field: str, number: int) -> bool:
    """Whether every value of a field of cron, counted from 0, is one that a clock can show."""
    least, most = _RANGES[number]
    for value in re.split(r"[,-]", re.sub(r"/\d+", "", field)):
        named = value == "*" or value.lower() in _NAMES[number]
        if not named and not (value.isdecimal() and least <= int(value) <= most):
            return False
    return True


def _cron(clock: str, days: tuple[Day, ...], later: int) -> str:
    hour, minute = (int(part) for part in clock.split(":"))
    numbers = sorted({(DAYS.index(day) + 1 + later) % 7 for day in days})  # 0 is Sunday
    return f"{minute} {hour} * * {','.join(str(number) for number in numbers)}"


class _ScalingSettings(Settings):
    """What models and gateway have in common."""

    kind: Annotated[
        Literal["keda", "hpa"],
        Field(
            description="keda asks Prometheus itself; hpa asks the cluster's metrics APIs, and "
            "knows neither hours nor zero."
        ),
    ] = "keda"
    min_replicas: Annotated[_Replicas, Field(description="Kept while anything is asked.")] = 1
    max_replicas: Annotated[_Replicas, Field(description="Never more than these.")]
    hours: Annotated[
        HoursSettings | None, Field(description="When more are kept than load asks for.")
    ] = None
    fallback_replicas: Annotated[
        _Replicas | None,
        Field(
            description="At least so many while Prometheus does not answer, and never fewer than "
            "there are; left out, min_replicas."
        ),
    ] = None

    @property
    def blind_replicas(self) -> int:
        """Kept at least while nobody knows the load."""
        return self.fallback_replicas or self.min_replicas


class ModelScalingSettings(_ScalingSettings):
    """How many servers of a model on vLLM there are."""

    in_flight: Annotated[
        PositiveInt,
        Field(le=65_536, description="Requests that run or wait, for each server: its target."),
    ]
    kv_cache_use: Annotated[
        float | None,
        Field(ge=0.1, le=0.95, strict=True, description="Share of KV cache in use, its target."),
    ] = None
    first_token_p99_seconds: Annotated[
        float | None,
        Field(gt=0, le=600, strict=True, description="99 of 100 first tokens come within these."),
    ] = None
    idle: Annotated[
        Literal["keep", "zero"],
        Field(
            description="zero: no server while nobody asks; the alias's fallback answers what "
            "wakes it."
        ),
    ] = "keep"


class GatewayScalingSettings(_ScalingSettings):
    """How many pods of the gateway there are."""

    in_flight: Annotated[
        PositiveInt, Field(le=65_536, description="Open requests for each pod, with keda.")
    ] = 100
    cpu_percent: Annotated[
        PositiveInt, Field(le=95, description="Use of the requested CPU, with hpa.")
    ] = 70
