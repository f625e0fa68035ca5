"""The cloud functions, one module each, named as its entry point in `functions/main.py`.

The functions framework has no start-up hook: the first request of a process opens what its entry point needs, and no
more (`opening.py`). `receive` and `process` run as many processes as there is to do, `sweep` every minute.
"""
