"""`make chaos`: the whole bridge in a storm, and its books compared afterwards.

A load of signed deliveries, with repeats and forgeries among them (`stories`, `load`), goes to a real `serve`, which
works in a real sandbox that fails in every way it knows (`portal`). Meanwhile the process is killed and started again,
its disk refuses to be written, and its clock jumps (`storm`). When all is over an auditor that shares no code with the
pipeline compares three books (`books`, `audit`): what the load got 2xx for, what the store says, what the portal holds.

What happens is decided by one number, the seed; when it meets what is left to the machine. So a seed gives the same
deliveries and the same blows, and not the same microsecond.
"""
