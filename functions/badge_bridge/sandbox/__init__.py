"""The sandbox: a local portal that behaves like Bitrix24, faults included.

Start reading at `portal.SandboxPortal.answer`; `app` puts it on HTTP, `faults` makes it misbehave, `controls` is how a
user does that, `serving` runs it.
"""
