"""How fast: the figures that the README promises, each against what it is compared with, side by side in one run.

    make bench            all rows; some minutes
    make bench QUICK=1    shorter runs and a smaller history; under two minutes

`figures.py` says what a row is and when it is met, `report.py` prints it, `__main__.py` names the modules that measure.
What is compared runs in turns (A B A B ...), so that a noisy machine treats all alike: a figure is the median of the
ratios of the turns, beside their smallest and largest.
"""
