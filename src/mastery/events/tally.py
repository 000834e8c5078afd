"""Counts over the rows that were read, chunk by chunk, and the notes made from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from mastery.events.calendar import DAY_FIRST, MONTH_FIRST
from mastery.events.ids import APOSTROPHE, AS_FORMULA, LOOKS_EMPTY
from mastery.events.lists import ONE_TOPIC
from mastery.events.numbers import OTHER_DECIMAL
from mastery.events.rows import LEFT_OUT, MOST_WORDS
from mastery.events.scales import FEW, Scale, misfit
from mastery.events.shares import CAPPED
from mastery.events.source import Source

ODD_WORDS = 5
"""Where one outcome in five is no known word, and such words repeat, the rest would not be a fair sample."""

UNCLEAR_ROWS = 100
"""The same for one number in a hundred of which nobody can say where its decimals begin."""

UNKEYED = "unkeyed"
"""Answers to questions that an answer key has not."""

REMARKS = {
    LEFT_OUT: "{} left out that cannot be used, such as NA or a negative one; the rows count without",
    LOOKS_EMPTY: "{} like NA, NULL, #REF! or =A1 read as an id; leave it empty where there is none",
    CAPPED: "{} of more than all, such as extra credit, counted as all",
    OTHER_DECIMAL: "{} with a decimal comma where a point was expected, or the reverse, read as what it can only be",
    ONE_TOPIC: "{} like a list, such as 1;2, read as one topic of that name; if it is several, say what is between "
    "them, such as --split-topics topic_id=';' (in Python, splits={{'topic_id': ';'}})",
    UNKEYED: "{} to questions that the key has not (--key)",
    AS_FORMULA: '{} such as ="007", as spreadsheets protect ids, read as what is quoted, 007',
    APOSTROPHE: "{} with an apostrophe in front, as spreadsheets mark texts; kept: '7 and 7 are two ids",
}
"""What a note says of values with a remark, after the name of their column."""

OTHER_QUESTIONS = "; if the cells of other columns are in another unit, write these as 85 % or as 17/20"

FOREIGN = (
    "{:,} of its numbers are as 1.234,5, so 1.234 in it may be 1234 or not. Declare how they are written: --decimal , "
    "--thousands . (in Python, decimal=',', thousands='.'); or write all of them in one way"
)

SHOWN = 5
"""Names listed in a note."""


@dataclass(frozen=True)
class Tally:
    """Counts over some rows of one source table. Adding two gives that of both together.

    Attributes:
        rows: Rows read.
        unusable: Column that needs a value → rows without one, or with one of another type.
        unknown_topics: Topic missing from the metadata → events.
        unassigned: Events without a topic.
        untimed: Rows without a time stamp, placed by their order.
        scales: (Column whose unit nobody has declared, question of a wide table or nothing for all) → what its
            numbers are like.
        words: Word in the column of the outcome that is neither right nor wrong → rows; if they are few.
        unclear: Numbers of the outcome of which nobody can say where their decimals begin.
        foreign: Column → numbers such as 1.234,5, where a decimal point is expected.
        dates: Order that dates can only be in → how many, of those whose order nobody has said.
        ahead: Rows in the future.
        left_out: Rows that were not to be read; they are not among `rows`.
        partial: Answers of a wide table with some of the points.
        remarks: (column, code of a remark) → rows that were not refused and that it is true of.
    """

    rows: int = 0
    unusable: Mapping[str, int] = field(default_factory=dict)
    unknown_topics: Mapping[str, int] = field(default_factory=dict)
    unassigned: int = 0
    untimed: int = 0
    scales: Mapping[tuple[str, str], Scale] = field(default_factory=dict)
    words: Mapping[str, int] = field(default_factory=dict)
    unclear: int = 0
    dates: Mapping[str, int] = field(default_factory=dict)
    ahead: int = 0
    left_out: int = 0
    partial: int = 0
    remarks: Mapping[tuple[str, str], int] = field(default_factory=dict)
    foreign: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: Tally) -> Tally:
        scales = dict(self.scales)
        for name, scale in other.scales.items():
            scales[name] = scales[name] + scale if name in scales else scale
        return Tally(
            self.rows + other.rows,
            Counter(self.unusable) + Counter(other.unusable),
            Counter(self.unknown_topics) + Counter(other.unknown_topics),
            self.unassigned + other.unassigned,
            self.untimed + other.untimed,
            scales,
            Counter(self.words) + Counter(other.words),
            self.unclear + other.unclear,
            Counter(self.dates) + Counter(other.dates),
            self.ahead + other.ahead,
            self.left_out + other.left_out,
            self.partial + other.partial,
            Counter(self.remarks) + Counter(other.remarks),
            Counter(self.foreign) + Counter(other.foreign),
        )

    def unusable_throughout(self) -> list[str]:
        """Return the columns without a usable value in any row; none for a single row, which may just be a bad one."""
        return [name for name, rows in self.unusable.items() if rows == self.rows and self.rows > 1]

    def misfits(self, source: Source) -> list[tuple[str, str, str]]:
        """Return (column, question, why) of columns that fit another unit, or other words, far better; the question
        is empty but for those of a wide table of which only some do.
        """
        whole = [(name, question, scale) for (name, question), scale in self.scales.items() if not question]
        single = [(name, question, scale) for (name, question), scale in self.scales.items() if _tells(question, scale)]
        found = [(name, question, misfit(source.column(name), scale)) for name, question, scale in [*whole, *single]]
        if source.outcome is not None:
            found += [(source.outcome, "", self._unknown_words()), (source.outcome, "", self._unclear_numbers())]
        found += [(name, "", FOREIGN.format(rows)) for name, rows in self.foreign.items()]
        if self.dates:
            found.append(("timestamp", "", unclear_dates(self.dates)))
        return [
            (name, question, why + (OTHER_QUESTIONS if question else ""))
            for name, question, why in found
            if why is not None
        ]

    def _unknown_words(self) -> str | None:
        odd = sum(self.words.values())
        few = len(self.words) <= MOST_WORDS and odd > len(self.words)
        if self.rows < FEW or not few or ODD_WORDS * odd < self.rows:
            return None
        names = sorted(self.words, key=lambda word: (-self.words[word], word))[:SHOWN]
        listed = ", ".join(f"{word!r}" for word in names)
        return (
            f"{odd:,} of {self.rows:,} values are neither right nor wrong ({listed}). Declare what they are worth, "
            f"1 for right and 0 for wrong: --values '{','.join(f'{word}=0' for word in names)}' (in Python, "
            f"values={{{names[0]!r}: 0}})"
        )

    def _unclear_numbers(self) -> str | None:
        if not self.unclear or UNCLEAR_ROWS * self.unclear < self.rows:
            return None
        return (
            f"{self.unclear:,} of {self.rows:,} numbers are as 1,234 or 1.234, with decimals or with thousands. "
            "Declare which: --decimal , or --thousands , (in Python, decimal=',' or thousands=',')"
        )

    def notes(self, source: Source) -> list[str]:
        """Return what a person should know about these rows, in whole sentences."""
        notes = []
        if self.left_out:
            notes.append(f"{_number(self.left_out, 'row')} left out: other values were asked for (--only)")
        if self.partial:
            notes.append(
                f"{_number(self.partial, 'answer')} with some of the points, read as wrong; shares of points are "
                "score_pct (of assignments)"
            )
        if self.unknown_topics:
            names = sorted(self.unknown_topics, key=lambda name: (-self.unknown_topics[name], name))
            listed = ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
            notes.append(
                f"{_number(sum(self.unknown_topics.values()), 'row')} on {_number(len(names), 'topic')} missing from "
                f"`topics` ({listed}); accepted and scored, without a chapter"
            )
        if self.unassigned:
            notes.append(
                f"{_number(self.unassigned, 'row')} without a topic; assigned to `unassigned`, which has no score"
            )
        if self.untimed:
            notes.append(
                f"{_number(self.untimed, 'row')} without a time stamp; placed in time by `order`, where there is "
                "one, 10 s apart"
            )
        if self.ahead:
            notes.append(
                f"{_number(self.ahead, 'row')} in the future, rejected; if clocks that name no zone are of another one "
                "than they are taken as, name it: --timezone Europe/Berlin (in Python, timezone='Europe/Berlin')"
            )
        for (name, question), scale in self.scales.items():
            if question:
                continue
            if scale.numbers == 1 and 0 < scale.highest <= 1 and next(iter(source.column(name).units)) == "percent":
                notes.append(
                    f"{name} was read as per cent, and no value is above 1; if it is a fraction, declare it: "
                    f'--unit {name}=fraction (in Python, units={{"{name}": "fraction"}})'
                )
        for (name, code), rows in sorted(self.remarks.items()):
            notes.append(f"{name}: {REMARKS[code].format(_number(rows, 'value'))}")
        return notes


def _tells(question: str, scale: Scale) -> bool:
    """Return whether these are the numbers of one question, and enough of them: a hard one may have few points."""
    return bool(question) and (scale.highest <= 2 or scale.above.get(0.0, 0) >= FEW)


def unclear_dates(orders: Mapping[str, int]) -> str:
    """Return in words why nobody can say whether day or month come first.

    Args:
        orders: Order that dates can only be in → how many; `EITHER` → those that may be in both.
    """
    day, month = orders.get(DAY_FIRST, 0), orders.get(MONTH_FIRST, 0)
    if day and month:
        why = f"{day:,} of its dates can only be {DAY_FIRST}, and {month:,} only {MONTH_FIRST}"
    elif day or month:
        why = f"it has dates of which {day or month:,} can only be {DAY_FIRST if day else MONTH_FIRST}"
    else:
        why = "a date such as 3/4/2026 may be 3 April or 4 March, and no day is above 12"
    return (
        f"{why}. Declare what they are: --dates {DAY_FIRST} or --dates {MONTH_FIRST} (in Python, dates={DAY_FIRST!r})"
    )


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
