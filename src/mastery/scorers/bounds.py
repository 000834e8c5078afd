"""What people allow a fit to find: bounds of a parameter, or a number that it has, for every topic or for one.

    {"guess": [0.05, 0.3], "slip": 0.1, "topics": {"fractions": {"guess": 0.2}}}

A pair is the least and the most, a number alone is fixed; what is said of a topic takes the place of what is said of
all. A fit keeps its bounds among its shared arrays, so that they are part of the model set's version.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mastery.arrays import Floats
from mastery.errors import BadInput, did_you_mean
from mastery.scorers.parameters import Parameters, Scoped

BOUNDS = "bounds"
"""The shared array of a fit that was bounded."""

TOPICS = "topics"

NO_TOPIC: Scoped = ("", "\0")
"""A topic that nothing is said of."""

Span = tuple[float, float]
"""The least and the most."""

FREE: Span = (-np.inf, np.inf)


@dataclass(frozen=True)
class Bounds:
    """Spans by parameter, for all topics and by topic id."""

    everywhere: Mapping[str, Span]
    topics: Mapping[str, Mapping[str, Span]]

    def of(self, name: str, topic: str | None = None) -> Span:
        """Return the span of a parameter, on a topic or where none is known."""
        own = {} if topic is None else self.topics.get(topic, {})
        return own.get(name, self.everywhere.get(name, FREE))

    def spans(self, names: Sequence[str], topics: Sequence[Scoped]) -> tuple[Floats, Floats]:
        """Return the least and the most of each parameter on each topic, float64[T, len(names)] each."""
        both = np.array([[self.of(name, topic) for name in names] for _, topic in topics], np.float64)
        both = both.reshape(len(topics), len(names), 2)
        return np.ascontiguousarray(both[..., 0]), np.ascontiguousarray(both[..., 1])

    @property
    def text(self) -> str:
        """As JSON, in one order: equal bounds are equal texts."""

        def written(spans: Mapping[str, Span]) -> dict[str, list[float]]:
            return {name: list(span) for name, span in sorted(spans.items())}

        topics = {topic: written(spans) for topic, spans in sorted(self.topics.items())}
        return json.dumps(written(self.everywhere) | ({TOPICS: topics} if topics else {}), ensure_ascii=False)

    @property
    def shared(self) -> dict[str, npt.NDArray[np.str_]]:
        """What a fit keeps of them."""
        return {BOUNDS: np.array([self.text])}


def bounds_of(mine: Parameters) -> Bounds | None:
    """Return what a fit was bounded by; None where it was not."""
    kept = mine.shared.get(BOUNDS)
    if kept is None:
        return None
    found = json.loads(str(kept[0]))
    topics = found.pop(TOPICS, {})

    def read(spans: Mapping[str, Sequence[float]]) -> dict[str, Span]:
        return {name: (float(low), float(high)) for name, (low, high) in spans.items()}

    return Bounds(read(found), {topic: read(spans) for topic, spans in topics.items()})


def parse_bounds(given: object, allowed: Mapping[str, Span], what: str = "bounds") -> Bounds | None:
    """Return the bounds in what people wrote; None where nothing is bounded.

    Args:
        given: A mapping as at the top of this module.
        allowed: By parameter that can be bounded: the least and the most that it can be.
        what: What a message calls it.

    Raises:
        BadInput: It is no such mapping, a parameter is unknown, or a number is out of bounds.
    """
    if given is None or given == {}:
        return None
    if not isinstance(given, Mapping):
        raise BadInput(f"{what} is {given!r:.60}; expected names of parameters with a number or [least, most] each")
    everywhere = _spans({name: one for name, one in given.items() if name != TOPICS}, allowed, what)
    of_topics = {} if given.get(TOPICS) is None else given[TOPICS]
    if not isinstance(of_topics, Mapping):
        raise BadInput(f"{what}.{TOPICS} is {of_topics!r:.60}; expected ids of topics with bounds each")
    topics = {}
    for topic, one in of_topics.items():
        if not isinstance(one, Mapping):
            raise BadInput(f"{what}.{TOPICS}.{topic} is {one!r:.60}; expected names of parameters")
        topics[str(topic)] = _spans(one, allowed, f"{what}.{TOPICS}.{topic}")
    found = Bounds(everywhere, topics)
    for topic in (None, *topics):
        guess, slip = found.of("guess", topic)[0], found.of("slip", topic)[0]
        if guess + slip > MOST_TOGETHER:
            where = what if topic is None else f"{what}.{TOPICS}.{topic}"
            raise BadInput(
                f"{where}: guess of {guess:g} and slip of {slip:g} or more leave nothing to knowing; together at most "
                f"{MOST_TOGETHER:g}"
            )
    return found if everywhere or topics else None


MOST_TOGETHER = 0.95
"""guess and slip as bounded from below: fits keep their sum below 0.98."""


def _spans(given: Mapping[object, object], allowed: Mapping[str, Span], what: str) -> dict[str, Span]:
    found = {}
    for key, value in given.items():
        name = str(key)
        if name not in allowed:
            raise BadInput(
                f"{what}: no parameter {name!r} that can be bounded{did_you_mean(name, list(allowed))}; there are "
                f"{', '.join(allowed)}"
            )
        pair = [value, value] if _is_number(value) else value
        if not (
            isinstance(pair, Sequence) and not isinstance(pair, str) and len(pair) == 2 and all(map(_is_number, pair))
        ):
            raise BadInput(f"{what}.{name} is {value!r:.60}; expected a number, or [least, most]")
        low, high = (float(end) for end in pair)
        least, most = allowed[name]
        if not low <= high:
            raise BadInput(f"{what}.{name} is {value!r:.60}; expected the least first, then the most")
        if low == high and not least <= low <= most:
            raise BadInput(f"{what}.{name} is {low:g}; expected a number from {least:g} to {most:g}")
        if high < least or low > most:
            raise BadInput(f"{what}.{name} is {value!r:.60}; expected a span that meets {least:g} to {most:g}")
        found[name] = (max(low, least), min(high, most))
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
