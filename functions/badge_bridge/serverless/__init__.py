"""The cloud functions, one module each, named as its entry point in `functions/main.py`.

The functions framework has no start-up hook: the first request of a process opens what its entry point needs, and no
more (`opening.py`). As they are deployed by default (`infra/plan/main.tf`), `receive` gets up to 20 instances and
`process` one, so that it gathers what is for one portal; `sweep` is called every minute, `install` and `console` when
somebody opens their pages.
"""
