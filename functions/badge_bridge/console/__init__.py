"""The pages for whoever runs the bridge: see what was received, understand what came of it, mend it.

`gate.py` lets people in, `pages.py` finds the page, `desk.py` is what a page is made from. The same data are told as
JSON below `/console/api/v1/`.
"""
