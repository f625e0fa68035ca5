"""What a run says at its end: the counts, none of which may be zero, and the verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chaos.afterwards import GOING
from chaos.blows import BLOWS
from chaos.books import Activity, Sent, Store
from chaos.stories import FORGERIES
from chaos.world import TAKEN_OVER

__all__ = ["Report"]

SHOWN = 40
"""Findings that are printed."""


@dataclass(frozen=True, slots=True)
class Report:
    """`happened` counts what must have happened for a run to prove anything, by section; `told` what is good to know;
    `wrong` are the auditor's findings.
    """

    happened: Mapping[str, Mapping[str, int]]
    told: Mapping[str, int]
    wrong: Sequence[str]

    @classmethod
    def of(
        cls,
        *,
        sent: Sent,
        store: Store,
        activities: Sequence[Activity],
        counts: Counter[str],
        struck: Counter[str],
        kinds: Sequence[str],
        lookups: int,
        requests: int,
        looks: int,
        wrong: Sequence[str],
    ) -> Report:
        results = Counter(attempt.result for attempt in store.attempts)
        load = {
            "calls told of": len(sent.begun),
            "calls answered 2xx": len(sent.heard),
            "repeats recognised": sent.repeats,
            **{f"forgeries refused: {what}": sent.refused[what] for what in sorted(FORGERIES)},
            "deliveries without an answer": sent.broken,
        }
        blows = {
            **{name: counts[name] for name in BLOWS},
            "starts": counts["starts"],
            "installations": counts["installations"],
            "deliveries answered 503": sent.statuses[503],
        }
        bridge = {
            "attempts": len(store.attempts),
            "attempts that failed and were made again": results["waiting"],
            "attempts whose lease ended before them": results["lost"],
            TAKEN_OVER: counts[TAKEN_OVER],
            "activities looked up by their origin": lookups,
            "activities found that nobody had heard of": _found(store),
            "badges cleared": sum(activity.completed for activity in activities),
            "badges open": sum(not activity.completed for activity in activities),
            "dead, and done when tried again": counts["dead events that an operator tried again"],
            **{name: counts[name] for name in GOING},
        }
        faults = {kind: struck[kind] for kind in kinds}
        happened = {"load": load, "blows": blows, "bridge": bridge, "faults of the portal": faults}
        told = {
            "rounds": counts["rounds"],
            "events": len(store.events),
            "requests to the portal": requests,
            "looks at the store": looks,
            "tracebacks in the log": counts["tracebacks in the log"],
        }
        return cls(happened, told, wrong)

    @property
    def missing(self) -> list[str]:
        """What never happened, so that nothing is proved about it."""
        return [
            f"{section}: {name}" for section, counts in self.happened.items() for name, n in counts.items() if not n
        ]

    @property
    def is_good(self) -> bool:
        return not self.wrong and not self.missing

    def __str__(self) -> str:
        width = max(len(name) for counts in (*self.happened.values(), self.told) for name in counts)
        lines = []
        for section, counts in {**self.happened, "besides": self.told}.items():
            lines += [section, *(f"    {name:{width}}{count:>9,}" for name, count in counts.items())]
        lines += [f"NEVER HAPPENED: {what}" for what in self.missing]
        lines += [f"WRONG: {what}" for what in self.wrong[:SHOWN]]
        if len(self.wrong) > SHOWN:
            lines.append(f"WRONG: and {len(self.wrong) - SHOWN:,} more")
        verdict = "the three books agree: nothing lost, nothing doubled, nothing forged, every event ended"
        lines.append(
            verdict if self.is_good else f"FAILED: {len(self.wrong)} wrong, {len(self.missing)} never happened"
        )
        return "\n".join(lines)


def _found(store: Store) -> int:
    """Activities that an attempt had added whose end nobody knew, and that the next one found."""
    return sum(attempt.outcomes.count("an earlier attempt had added it") for attempt in store.attempts)
