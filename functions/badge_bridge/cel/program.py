"""Compiling and evaluating expressions: the only module that imports the engine, cel-expr-python.

By experiment with version 0.1.3: errors of an evaluation are returned as values and only exhausted budgets are raised
(here both are `EvaluationError`); time zones by name (`event.time.getHours('Europe/Berlin')`) come from the system's
zone files, not from Python's; environments, programs and activations may be used after a fork and by several threads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache, partial
from typing import Any

from badge_bridge.cel import evaluation, loops, patterns, wording
from badge_bridge.cel.errors import CelError, CelFinding, EvaluationError
from badge_bridge.cel.paths import ASK_THE_ENGINE, path_reader
from badge_bridge.cel.values import EVENT_FIELDS, EVENT_MESSAGE, event_message, event_schema, json_copy
from badge_bridge.plural import either

__all__ = ["MAX_EXPRESSION", "Activation", "CelType", "Program", "compile_expression"]

MAX_EXPRESSION = 2000
"""Characters."""


class CelType(Enum):
    """What a variable holds, and what an expression must give."""

    BOOL = "bool"
    STRING = "string"
    INT = "int"
    DYN = "dyn"
    """Anything that JSON can say; checked when evaluated."""
    MAP = "map"
    """Texts to anything."""
    EVENT = "event"
    """A `badge_bridge.events.Event` with typed fields; only its `data` is untyped. For variables, not for results."""


class Activation:
    """Values for the variables of programs, converted once and only as far as a program mentions them."""

    __slots__ = ("_bound", "_converted", "values")

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values
        self._converted: dict[str, Any] = {}
        self._bound: dict[tuple[_Environment, frozenset[str]], Any] = {}

    def bind(self, environment: _Environment, reads: frozenset[str]) -> Any:
        """The engine's activation for the bindings that a program reads; programs that read the same share it."""
        key = (environment, reads)
        bound = self._bound.get(key)
        if bound is None:
            values = {name: self._convert(name, environment.variables) for name in reads}
            bound = self._bound[key] = environment.engine.Activation(values)
        return bound

    def converted(self, reads: frozenset[str]) -> Iterator[Any]:
        """The values that a bound program reads, as the engine gets them; of an event its fields."""
        for name in reads:
            value = self._converted[name]
            is_event = isinstance(value, event_schema().message)
            yield [field for _, field in value.ListFields()] if is_event else value

    def _convert(self, name: str, variables: Mapping[str, CelType]) -> Any:
        if name not in self._converted:
            if name not in variables:
                value = json_copy(self.values[name.removesuffix(_DATA)].data)
            elif variables[name] is CelType.EVENT:
                value = event_message(self.values[name])
            else:
                value = json_copy(self.values[name])
            self._converted[name] = value
        return self._converted[name]


class Program:
    """A compiled expression. Made by `compile_expression`; may be shared by everything in a process."""

    __slots__ = ("_environment", "_expression", "_loops", "_path", "_returns", "_types", "reads", "text")

    def __init__(self, text: str, expression: Any, environment: _Environment, returns: Sequence[CelType]) -> None:
        self.text = text
        self._expression = expression
        self._environment = environment
        self._loops = loops.Loops(text)
        self._returns = returns
        self._types = frozenset(_PYTHON[kind] for kind in returns)
        # The engine shows no syntax tree: a word that does not occur cannot be read, one that occurs may be.
        self.reads = frozenset(name for name in environment.bindings if name.rpartition(".")[2] in text)
        """Names of the variables whose values have to be there."""
        self._path = path_reader(text, [name for name, kind in environment.variables.items() if kind is CelType.MAP])

    def __repr__(self) -> str:
        return f"Program({self.text!r})"

    def evaluate(self, values: Mapping[str, Any] | Activation) -> Any:
        """The value: None, bool, int, float, str, bytes, datetime, timedelta, or lists and dicts of these.

        `values` holds every variable that was declared: an `Event` for `EVENT`, what `json.loads` gives for the rest.

        Raises:
            EvaluationError: no value, or one that is not what `returns` asked for.
        """
        activation = values if isinstance(values, Activation) else Activation(values)
        if self._path is not None:
            found = self._path(activation.values)
            if found is not ASK_THE_ENGINE:
                return self._checked(found)
        bound = activation.bind(self._environment, self.reads)
        if self._loops:
            self._loops.refuse_much(activation.converted(self.reads))
        try:
            result = self._expression.eval(bound)
        except RuntimeError as error:
            raise evaluation.failure(str(error), self.text) from error
        value = result.value()
        if type(value) is not bool:
            if result.type() == self._environment.error:
                raise evaluation.failure(str(value), self.text)
            value = _plain(result.plain_value())
        return self._checked(value)

    def _checked(self, value: Any) -> Any:
        if self._types and type(value) not in self._types:
            found = wording.kind_of_value(value)
            raise EvaluationError(f"this gives {found}, not {_listed(self._returns)}", kind="missing")
        return value


_PYTHON: Mapping[CelType, type] = {CelType.BOOL: bool, CelType.STRING: str, CelType.INT: int, CelType.MAP: dict}


def compile_expression(
    text: str, variables: Mapping[str, CelType], *, returns: CelType | Sequence[CelType] | None = None
) -> Program:
    """Compile and type-check an expression over `variables`.

    With `returns`, one type or several, an expression whose type is known and none of these is refused here; one whose
    type depends on untyped values, or that may be null, is checked at each evaluation.

    Raises:
        CelError: with every mistake, positions inside the text.
    """
    if len(text) > MAX_EXPRESSION:
        found = f"the expression has {len(text)} characters; at most {MAX_EXPRESSION} are allowed"
        raise CelError([CelFinding(1, 1, found)])
    if not text.strip():
        raise CelError([CelFinding(1, 1, "the expression is empty; write one or remove the key")])
    environment = _environment(frozenset(variables.items()))
    expression = _compiled(text, environment)
    _refuse_presence_of_data(text, environment)
    wanted = _wanted(returns)
    _require_type(expression, wanted)
    if much := list(loops.mistakes(text)):
        raise CelError(much)
    if bad := list(patterns.mistakes(text, partial(_refused, environment))):
        raise CelError(bad)
    return Program(text, expression, environment, wanted)


def _compiled(text: str, environment: _Environment) -> Any:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        line, column = wording.position(text, error.start)
        found = CelFinding(line, column, "this is half of a surrogate pair; write the character itself")
        raise CelError([found]) from error
    try:
        return environment.engine.compile(text)
    except RuntimeError as error:
        known = wording.Known(variables=tuple(environment.variables), fields=environment.fields)
        raise CelError(wording.compilation(str(error), text, known)) from error


def _refused(environment: _Environment, text: str) -> str:
    """What the engine says against an expression that reads no variable; nothing where that gives a value."""
    try:
        result = environment.engine.compile(text).eval(environment.engine.Activation({}))
    except RuntimeError as error:
        return str(error)
    return str(result.value()) if result.type() == environment.error else ""


def _refuse_presence_of_data(text: str, environment: _Environment) -> None:
    """`event.data` is a variable to the engine, and `has()` of a variable compiles to its value."""
    for name in environment.bindings - environment.variables.keys():
        dotted = name.replace(".", r"\s*\.\s*")
        if found := re.search(rf"\bhas\s*\(\s*{dotted}\s*\)", text):
            line, column = wording.position(text, found.start())
            message = f"{name} is always there; ask for one of its keys, such as has({name}.order_id)"
            raise CelError([CelFinding(line, column, message)])


def _wanted(returns: CelType | Sequence[CelType] | None) -> tuple[CelType, ...]:
    """The types that a value may have; none where it may have any."""
    wanted = (returns,) if isinstance(returns, CelType) else tuple(returns or ())
    return () if CelType.DYN in wanted else wanted


def _require_type(expression: Any, wanted: Sequence[CelType]) -> None:
    found = expression.return_type().name().partition("<")[0].lower()
    if not wanted or found == "dyn" or found in [kind.value for kind in wanted]:
        return
    hint = wording.hint_for_result(wanted[0].value)
    message = f"this must give {_listed(wanted)}, and gives {wording.a(found)}{hint}"
    raise CelError([CelFinding(1, 1, message)])


def _listed(kinds: Sequence[CelType]) -> str:
    return either(wording.a(kind.value) for kind in kinds)


_DATA = ".data"


@dataclass(frozen=True, slots=True, eq=False)
class _Environment:
    """An engine environment for one set of variables."""

    engine: Any
    error: Any
    variables: Mapping[str, CelType]
    bindings: frozenset[str]
    """Names to give values for: the variables, and `event.data` beside `event`."""
    fields: tuple[str, ...]
    """Of the event, where a variable is one."""


@cache
def _environment(signature: frozenset[tuple[str, CelType]]) -> _Environment:
    from cel_expr_python import cel  # noqa: PLC0415 - nothing of the engine before its first use

    untyped_map = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
    types = {
        CelType.BOOL: cel.Type.BOOL,
        CelType.STRING: cel.Type.STRING,
        CelType.INT: cel.Type.INT,
        CelType.DYN: cel.Type.DYN,
        CelType.MAP: untyped_map,
        CelType.EVENT: cel.Type(EVENT_MESSAGE),
    }
    variables = dict(sorted(signature, key=lambda pair: pair[0]))
    declared = {name: types[kind] for name, kind in variables.items()}
    events = [name for name, kind in variables.items() if kind is CelType.EVENT]
    # A variable with a dot in its name wins over a field (CEL specification, "Name Resolution"). As a dict, data keeps
    # whole numbers whole, which a protobuf Struct does not, and needs no ParseDict, which is slow.
    declared |= {name + _DATA: untyped_map for name in events}
    return _Environment(
        engine=cel.NewEnv(descriptor_pool=event_schema().pool if events else None, variables=declared),
        error=cel.Type.ERROR,
        variables=variables,
        bindings=frozenset(declared),
        fields=tuple(EVENT_FIELDS) if events else (),
    )


def _plain(value: Any) -> Any:
    """Lists and dicts are ours already; a type or a message of the engine is nothing that a caller can use."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, bytearray):
        return bytes(value)
    if type(value).__module__ in ("builtins", "datetime"):
        return value
    raise EvaluationError("this gives a type or a whole event; use one of its fields", kind="value")
