"""What conditions cost: compiling, evaluating, and finding ten rules among ten thousand.

    python tests/bench/rules_index.py

Prints medians of several runs. Many rules of which few concern an event must cost at most three times those few alone.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from badge_bridge.cel import Activation, CelType, compile_expression
from badge_bridge.events import Event
from badge_bridge.rulesfile import RulesFile, parse

sys.path.insert(0, str(Path(__file__).parents[1]))
from support.option_models import ENVIRON, PROVIDERS

HEAD = """
portals:
  main: {webhook: "${B24_WEBHOOK_URL}"}
sources:
  reception: {provider: phone, secrets: ["${PHONE_SECRET}"]}
badges:
  a: {title: t, value: v, type: success}
rules:
"""
CONDITION = "event.type == 'call.missed' && has(event.duration) && event.duration < 5 && event.caller.startsWith('+49')"
EVENT = Event(
    id="1", source="reception", provider="phone", type="call.missed", time=datetime(2026, 1, 1, tzinfo=UTC),
    caller="+4930123456", callee="+4930654321", duration=3, data={"CallSid": "CA1", "legs": [{"status": "no-answer"}]},
)  # fmt: skip


def microseconds(work: Callable[[], object], *, times: int, runs: int = 7) -> float:
    """The median of several runs."""
    took = []
    for _ in range(runs):
        start = time.perf_counter()
        for _ in range(times):
            work()
        took.append((time.perf_counter() - start) / times * 1e6)
    return statistics.median(took)


def rules(concerned: int, others: int) -> RulesFile:
    wanted = [f'  - {{name: r{n}, on: call.missed, badge: a, when: "{CONDITION}"}}\n' for n in range(concerned)]
    rest = [f"  - {{name: o{n}, on: order.t{n}, source: reception, badge: a}}\n" for n in range(others)]
    return parse(HEAD + "".join(rest + wanted), "bench", providers=PROVIDERS, environ=ENVIRON)


def main() -> None:
    variables = {"event": CelType.EVENT}
    programs = [compile_expression(CONDITION + f" || event.id == '{n}'", variables) for n in range(10)]
    with_data = compile_expression("event.data.legs[0].status == 'no-answer'", variables)
    shared = Activation({"event": EVENT})
    few, many = rules(10, 0), rules(10, 9990)
    alone = microseconds(lambda: few.judge(EVENT), times=500)
    among = microseconds(lambda: many.judge(EVENT), times=500)
    lines = {
        "compile one condition": microseconds(lambda: compile_expression(CONDITION, variables), times=200),
        "evaluate one, event bound anew": microseconds(lambda: programs[0].evaluate({"event": EVENT}), times=2000),
        "evaluate one over data, event bound anew": microseconds(
            lambda: with_data.evaluate({"event": EVENT}), times=2000
        ),
        "evaluate one, event already bound": microseconds(lambda: programs[0].evaluate(shared), times=5000),
        "evaluate ten, one activation": microseconds(
            lambda: [program.evaluate(values) for values in (Activation({"event": EVENT}),) for program in programs],
            times=500,
        ),
        "10 rules, 10 concern the event": alone,
        "10,000 rules, 10 concern the event": among,
        "load 200 rules with conditions": microseconds(lambda: rules(200, 0), times=1, runs=3),
        "load 10,000 rules": microseconds(lambda: rules(10, 9990), times=1, runs=3),
    }
    for name, cost in lines.items():
        print(f"{name:45} {cost:12,.1f} us")
    print(f"{'ratio':45} {among / alone:12.2f}    (at most 3)")


if __name__ == "__main__":
    main()
