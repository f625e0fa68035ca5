"""CEL, the Common Expression Language, behind a small typed surface; the engine (cel-expr-python) is known only here.

    program = compile_expression("event.duration < 20", {"event": CelType.EVENT}, returns=CelType.BOOL)
    shared = Activation({"event": event})           # several programs over one event convert it once
    program.evaluate(shared)                        # True, False, or EvaluationError

Nothing of the engine is made when this package is imported: a server may import it and then fork.
"""

from badge_bridge.cel.errors import CelError, CelFinding, EvaluationError
from badge_bridge.cel.program import MAX_EXPRESSION, Activation, CelType, Program, compile_expression
from badge_bridge.cel.values import EVENT_FIELDS

__all__ = [
    "EVENT_FIELDS",
    "MAX_EXPRESSION",
    "Activation",
    "CelError",
    "CelFinding",
    "CelType",
    "EvaluationError",
    "Program",
    "compile_expression",
]
