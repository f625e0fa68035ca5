"""`batch`: up to fifty calls in one request (Bitrix24 docs, "batch")."""

from __future__ import annotations

from typing import Any

from badge_bridge.sandbox.batch import MAX_COMMANDS, Command, php_array, read_commands, resolve, stops_at_error
from badge_bridge.sandbox.errors import Refusal
from badge_bridge.sandbox.registry import Context, Methods, Params, Reply, Served

__all__ = ["batching"]

batching = Methods("")


@batching.method("batch", batchable=lambda _records: False, metered=False)
def batch(context: Context, params: Params) -> Reply:
    """Carry out the commands of `cmd` one after another, each as a call by itself; `halt` stops at the first error.

    It answers 200 even where every command has failed: their errors are in `result_error`.
    """
    halt = stops_at_error(params)
    results: dict[str, Any] = {}
    errors: dict[str, Any] = {}
    served: dict[str, Served] = {}
    for place, command in enumerate(read_commands(params)):
        try:
            served[command.key] = _run(context, command, place, results)
        except Refusal as refusal:
            errors[command.key] = {"error": refusal.code, "error_description": refusal.description}
            if halt:
                break
        else:
            results[command.key] = served[command.key].reply.result
    return Reply(
        {
            "result": php_array(results),
            "result_error": php_array(errors),
            "result_total": php_array({key: one.reply.total for key, one in served.items() if _has_total(one)}),
            "result_next": php_array({key: one.reply.next for key, one in served.items() if _has_next(one)}),
            "result_time": php_array({key: one.time for key, one in served.items()}),
        }
    )


def _run(context: Context, command: Command, place: int, results: dict[str, Any]) -> Served:
    if place >= MAX_COMMANDS:
        raise Refusal("ERROR_BATCH_LENGTH_EXCEEDED")
    method = context.methods.get(command.method)
    if method is not None and not method.batchable(context.records):
        raise Refusal("ERROR_BATCH_METHOD_NOT_ALLOWED")
    return context.perform(command.key, command.method, resolve(command.params, results))


def _has_total(served: Served) -> bool:
    return served.reply.total is not None


def _has_next(served: Served) -> bool:
    return served.reply.next is not None
