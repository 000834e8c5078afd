"""Ways in which people and programs write one value, each with what must be said so that it is read as it was meant."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pyarrow as pa

from workbooks import Cell as SheetCell
from workbooks import Percent, Serial

Cell = SheetCell | Sequence[str]
"""A text, as every kind of file can hold it, or a value of a type that some kinds have."""

TEXTS, JSON, PARQUET, EXCEL = ("csv",), ("ndjson", "json", "nested"), ("parquet",), ("xlsx",)
ANY = TEXTS + JSON + PARQUET + EXCEL
SECOND, MINUTE, DAY = 1_000_000, 60_000_000, 86_400_000_000
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - what clocks show has no zone


@dataclass(frozen=True)
class Way:
    """One way of writing the values of a column.

    Attributes:
        write: Value → what the file holds; several for a column that becomes several.
        fits: Whether a value can be written so, and is the same when it is read.
        said: Fields of ReadOptions.
        unit: What is declared of the column.
        files: Kinds of file that can hold it.
        arrow: Type of the column in Parquet.
        number: It is a plain number, which takes the decimal sign of the file.
        parts: Columns of the file that are joined, where there are several.
    """

    name: str
    write: Callable[..., Cell | tuple[Cell, ...]]
    fits: Callable[..., bool] = lambda value: True
    said: Mapping[str, object] = field(default_factory=dict)
    unit: str | None = None
    files: Sequence[str] = ANY
    arrow: pa.DataType | None = None
    number: bool = False
    parts: Sequence[str] = ()

    def __repr__(self) -> str:
        return f"<{self.name}>"


def exact(number: Decimal | int) -> str:
    """Return a number in digits, without an exponent or zeros at its end."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


# --- ids ---------------------------------------------------------------------------------------------------------


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and text == str(int(text)) and int(text) < 2**53


IDS = (
    Way("text", lambda text: text),
    Way("as a column of floats", lambda text: f"{text}.0", _is_whole),
    Way("whole number", int, _is_whole, files=JSON + PARQUET + EXCEL, arrow=pa.int64()),
    Way("float", lambda text: float(int(text)), _is_whole, files=JSON + PARQUET + EXCEL, arrow=pa.float64()),
)

# --- outcomes ----------------------------------------------------------------------------------------------------

ALL = 1000
"""Outcomes are whole thousandths."""


def _words(right: str, wrong: str, **said: object) -> Way:
    return Way(f"{right}/{wrong}", lambda share: right if share == ALL else wrong, said=said)


TRUTHS = (
    *(_words(right, wrong) for right, wrong in (("1", "0"), ("true", "false"), ("TRUE", "FALSE"), ("Yes", "No"))),
    *(_words(right, wrong) for right, wrong in (("t", "f"), ("right", "wrong"), ("Correct", "Incorrect"))),
    *(_words(right, wrong) for right, wrong in (("1.0", "0.0"), ("1.00", "0.000"))),
    _words("gelöst", "nicht gelöst", values={"gelöst": 1.0, "nicht gelöst": 0.0}),
    _words("2", "1", values={"2": 1.0, "1": 0.0}),
    _words("no", "yes", values={"no": 1.0, "yes": 0.0}),
    Way("truth", lambda share: share == ALL, files=JSON + PARQUET + EXCEL, arrow=pa.bool_()),
    Way("whole number", lambda share: share // ALL, files=JSON + PARQUET + EXCEL, arrow=pa.int8()),
    Way("float", lambda share: share / ALL, files=JSON + PARQUET + EXCEL, arrow=pa.float32()),
    Way("cell of per cents", lambda share: Percent(share / ALL), files=EXCEL),
)


def _of(full: int | str, none: int = 0) -> Callable[[int], Decimal]:
    return lambda share: none + (Decimal(full) - none) * share / ALL


def _plain(full: int, unit: str, none: int = 0) -> Way:
    return Way(unit, lambda share: exact(_of(full, none)(share)), unit=unit, number=True)


SHARES = (
    _plain(100, "percent"),
    _plain(1, "fraction"),
    _plain(20, "points/20"),
    _plain(7, "points/7"),
    _plain(5, "1-5", 1),
    _plain(1, "6-1", 6),
    Way("85%", lambda share: exact(_of(100)(share)) + "%"),
    Way("85,5 %", lambda share: exact(_of(100)(share)).replace(".", ",") + " %"),
    Way("171/200", lambda share: f"{exact(Decimal(share) / 5)}/200"),
    Way("7 out of 10", lambda share: f"{exact(_of(10)(share))} out of 10"),
    Way("points and the most points", lambda share: (exact(_of(40)(share)), "40"), parts=("points", "out of")),
    Way("number", lambda share: share / 10, unit="percent", files=JSON + PARQUET + EXCEL, arrow=pa.float64()),
    Way("decimal", lambda share: _of(1)(share), unit="fraction", files=PARQUET, arrow=pa.decimal128(6, 4)),
    Way("cell of per cents", lambda share: Percent(share / ALL), files=EXCEL),
)

# --- topics ------------------------------------------------------------------------------------------------------

_SEPARATORS = ("~~", "|", ";", ",")


def _joined(separator: str) -> Way:
    def fits(topics: Sequence[str]) -> bool:
        return not any(sign in one for one in topics for sign in _SEPARATORS) and not any(
            one.strip()[:1] in tuple("[({") for one in topics
        )

    return Way(f"a{separator}b", separator.join, fits)


LISTS = (
    Way("JSON", lambda topics: json.dumps(topics)),
    Way("JSON as it is", lambda topics: json.dumps(topics, ensure_ascii=False)),
    *map(_joined, _SEPARATORS),
    Way("list", list, files=JSON + PARQUET, arrow=pa.list_(pa.string())),
)

# --- durations ---------------------------------------------------------------------------------------------------


def _seconds(ms: int) -> Decimal:
    return Decimal(ms).scaleb(-3)


def _iso(ms: int) -> str:
    minutes, rest = divmod(ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"PT{hours}H{minutes}M{exact(_seconds(rest))}S"


def _clock(ms: int, *, hours: bool) -> str:
    minutes, rest = divmod(ms, 60_000)
    seconds = f"{rest // 1000:02d}" + (f".{rest % 1000:03d}" if rest % 1000 else "")
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds}" if hours else f"{minutes}:{seconds}"


DURATIONS = (
    Way("seconds", lambda ms: exact(_seconds(ms)), unit="s", number=True),
    Way("ms", str, unit="ms"),
    Way("minutes", lambda ms: exact(round(Decimal(ms) / 60_000, 9)), unit="min", number=True),
    Way("hours", lambda ms: exact(round(Decimal(ms) / 3_600_000, 12)), unit="h", number=True),
    Way("PT12S", lambda ms: f"PT{exact(_seconds(ms))}S"),
    Way("PT0H1M12S", _iso),
    Way("m:ss", lambda ms: _clock(ms, hours=False)),
    Way("h:mm:ss", lambda ms: _clock(ms, hours=True)),
    Way("0 days 00:01:12", lambda ms: f"0 days {_clock(ms, hours=True)}"),
    Way("1 min 12 secs", lambda ms: f"{ms // 60_000} min {exact(_seconds(ms % 60_000))} secs"),
    Way("number", lambda ms: ms / 1000, unit="s", files=JSON + PARQUET + EXCEL, arrow=pa.float64()),
    Way("whole number", int, unit="ms", files=JSON + PARQUET + EXCEL, arrow=pa.int32()),
    Way("duration", int, files=PARQUET, arrow=pa.duration("ms")),
    Way("time", int, lambda ms: ms < 86_400_000, files=PARQUET, arrow=pa.time32("ms")),
)

# --- time stamps -------------------------------------------------------------------------------------------------

ZONES = (None, "Europe/Berlin", "America/St_Johns", "Asia/Kolkata", "Pacific/Auckland")


def _utc(us: int) -> datetime:
    return EPOCH + timedelta(microseconds=us)


def shown(us: int, zone: str | None) -> datetime:
    """Return what a clock in this zone shows, `fold` included."""
    if zone is None:
        return _utc(us)
    return _utc(us).replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def _on_clock(grain_us: int, zone: str | None) -> Callable[[int], bool]:
    """Return which moments a clock in this zone tells in this detail, and no other moment with them."""

    def fits(us: int) -> bool:
        at = shown(us, zone)
        return at.fold == 0 and (at - EPOCH) % timedelta(microseconds=grain_us) == timedelta(0)

    return fits


def _time(at: datetime) -> str:
    return at.strftime("%H:%M:%S") + (f".{at.microsecond:06d}".rstrip("0") if at.microsecond else "")


def _half(at: datetime) -> str:
    seconds = _time(at)[2:]
    return f"{at.hour % 12 or 12}{seconds} {'PM' if at.hour >= 12 else 'AM'}"


_CLOCKS: tuple[tuple[str, int, Callable[[datetime], str], Mapping[str, object]], ...] = (
    ("2026-03-04T05:06:07.8", 1, lambda at: f"{at:%Y-%m-%d}T{_time(at)}", {}),
    ("2026-03-04 05:06:07.8", 1, lambda at: f"{at:%Y-%m-%d} {_time(at)}", {}),
    ("2026-03-04 05:06", MINUTE, lambda at: f"{at:%Y-%m-%d %H:%M}", {}),
    ("2026-03-04", DAY, lambda at: f"{at:%Y-%m-%d}", {}),
    ("20260304T050607.8", 1, lambda at: f"{at:%Y%m%d}T{_time(at).replace(':', '')}", {}),
    ("20260304", DAY, lambda at: f"{at:%Y%m%d}", {}),
    ("2026-W10-3", 1, lambda at: "{}-W{:02d}-{}".format(*at.isocalendar()) + f"T{_time(at)}", {}),
    ("2026-063", 1, lambda at: f"{at:%Y-%j}T{_time(at)}", {}),
    ("2026/3/4 5:06:07 AM", 1, lambda at: f"{at.year}/{at.month}/{at.day} {_half(at)}", {}),
    ("4/3/2026 05:06:07", 1, lambda at: f"{at.day}/{at.month}/{at.year} {_time(at)}", {"dates": "D/M/Y"}),
    ("04-03-2026", DAY, lambda at: f"{at:%d-%m-%Y}", {"dates": "D-M-Y"}),
    ("3/4/2026 5:06:07 AM", 1, lambda at: f"{at.month}/{at.day}/{at.year} {_half(at)}", {"dates": "M/D/Y"}),
    ("3/4/2026 05:06", MINUTE, lambda at: f"{at:%m/%d/%Y %H:%M}", {"dates": "M/D/Y"}),
    ("4.3.2026, 05:06:07", 1, lambda at: f"{at.day}.{at.month}.{at.year}, {_time(at)}", {}),
    ("4 Mar 2026, 05:06:07", 1, lambda at: f"{at.day} {at:%b %Y}, {_time(at)}", {}),
    ("Wed, March 4, 2026 5:06:07 AM", 1, lambda at: f"{at:%a, %B} {at.day}, {at.year} {_half(at)}", {}),
)


def _clock_ways(name: str, grain_us: int, write: Callable[[datetime], str], said: Mapping[str, object]) -> list[Way]:
    return [
        Way(
            f"{name} in {zone or 'UTC'}",
            lambda us, zone=zone: write(shown(us, zone)),
            _on_clock(grain_us, zone),
            dict(said) | ({} if zone is None else {"timezone": zone}),
        )
        for zone in ZONES
    ]


def _ahead(name: str, hours: float, write: Callable[[datetime], str]) -> Way:
    """Return a way that says how far its clock is ahead of UTC."""
    return Way(name, lambda us: write(_utc(us) + timedelta(hours=hours)))


_OFFSETS = (
    _ahead("Z", 0, lambda at: f"{at:%Y-%m-%d}T{_time(at)}Z"),
    _ahead("UTC", 0, lambda at: f"{at:%Y-%m-%d} {_time(at)} UTC"),
    _ahead("+05:30", 5.5, lambda at: f"{at:%Y-%m-%d}T{_time(at)}+05:30"),
    _ahead("-0230", -2.5, lambda at: f"{at:%Y-%m-%d} {_time(at)}-0230"),
    _ahead("+02", 2, lambda at: f"{at:%Y%m%d}T{_time(at).replace(':', '')}+02"),
    _ahead("GMT+2", 2, lambda at: f"{at.day} {at:%b %Y} {_time(at)} GMT+2"),
    _ahead("GMT+0100 (CET)", 1, lambda at: f"{at:%a %b %d %Y %H:%M:%S} GMT+0100 (CET)"),
)
_OFFSETS = (*_OFFSETS[:-1], Way("GMT+0100 (CET)", _OFFSETS[-1].write, lambda us: us % SECOND == 0))


def _counts(size_us: Decimal, least: int) -> Callable[[int], bool]:
    """Return which moments are whole numbers of this size, of no fewer units than `least`."""
    return lambda us: us % size_us == 0 and us / size_us >= least


_NUMBERS = JSON + PARQUET + EXCEL
_EPOCHS = (
    Way("epoch s", lambda us: str(us // SECOND), _counts(Decimal(SECOND), 10**8)),
    Way("epoch s with decimals", lambda us: exact(Decimal(us).scaleb(-6)), _counts(Decimal(1), 10**14), number=True),
    Way("epoch ms", lambda us: str(us // 1000), _counts(Decimal(1000), 10**11)),
    Way("epoch µs", str, _counts(Decimal(1), 10**14)),
    Way("epoch ns", lambda us: str(us * 1000), _counts(Decimal(1), 10**14)),
    Way("epoch s, said", lambda us: str(us // SECOND), _counts(Decimal(SECOND), 0), unit="epoch_s"),
    Way("epoch ms, said", lambda us: str(us // 1000), _counts(Decimal(1000), 0), unit="epoch_ms"),
    Way("epoch µs, said", str, unit="epoch_us"),
    Way("number of s", lambda us: us // SECOND, _counts(Decimal(SECOND), 10**8), files=_NUMBERS, arrow=pa.int64()),
    Way("float of ms", lambda us: us / 1e3, _counts(Decimal(1000), 10**11), files=_NUMBERS, arrow=pa.float64()),
)


def _days(us: int, zone: str | None, since: date) -> Decimal:
    clock = shown(us, zone) - EPOCH - (since - EPOCH.date())
    return Decimal(clock // timedelta(microseconds=1)) / DAY


def _since(name: str, day: date, zone: str | None, **said: object) -> Way:
    return Way(
        f"{name} in {zone or 'UTC'}",
        lambda us: exact(round(_days(us, zone, day), 11)),
        _on_clock(1000, zone),
        said | ({} if zone is None else {"timezone": zone}),
        number=True,
    )


_SPREADSHEET, _DAY_ZERO = date(1899, 12, 30), date(2013, 10, 1)
_SERIALS = [_since("serial", _SPREADSHEET, zone, dates="serial") for zone in ZONES]
_RELATIVE = [_since("days", _DAY_ZERO, zone, day_zero=_DAY_ZERO) for zone in ZONES]
_CELLS = [
    Way(
        f"cell in {zone or 'UTC'}",
        lambda us, zone=zone: Serial(float(_days(us, zone, _SPREADSHEET))),
        _on_clock(1000, zone),
        {} if zone is None else {"timezone": zone},
        files=EXCEL,
    )
    for zone in ZONES
]
_ARROW = [
    Way("timestamp", int, files=PARQUET, arrow=pa.timestamp("us", "UTC")),
    Way("timestamp of a zone", int, files=PARQUET, arrow=pa.timestamp("us", "Asia/Tokyo")),
    Way("ms", lambda us: us // 1000, lambda us: us % 1000 == 0, files=PARQUET, arrow=pa.timestamp("ms")),
    Way("ns", lambda us: us * 1000, files=PARQUET, arrow=pa.timestamp("ns")),
    Way("day", lambda us: us // DAY, lambda us: us % DAY == 0, files=PARQUET, arrow=pa.date32()),
]

DATES: tuple[Sequence[Way], ...] = (
    _OFFSETS,
    *(_clock_ways(*clock) for clock in _CLOCKS),
    _EPOCHS,
    _SERIALS,
    _RELATIVE,
    _CELLS,
    _ARROW,
)
"""Families of ways."""

PLAIN_DATE, PLAIN_ID, PLAIN_TRUTH, PLAIN_LIST = _OFFSETS[0], IDS[0], TRUTHS[0], LISTS[0]
PLAIN_SHARE, PLAIN_DURATION = SHARES[0], DURATIONS[0]
