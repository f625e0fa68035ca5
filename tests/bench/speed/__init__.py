"""How fast: the figures that the README promises, each against what it is compared with, side by side in one run.

    make bench            all rows; half an hour
    make bench QUICK=1    fewer turns of smaller numbers, without installing; under two minutes

`figures.py` says what a row is and when it is met, `report.py` prints it, and `__main__.py` names the modules that
measure, each a row or two.
What is compared runs in turns (A B A B ...), so that a noisy machine treats all alike: a figure is the median of the
ratios of the turns, beside their smallest and largest.
"""
