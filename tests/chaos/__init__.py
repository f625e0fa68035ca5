"""`make chaos`: the whole bridge in a storm, and its books compared afterwards.

A load of signed deliveries, with repeats and forgeries among them (`stories`, `deliveries`, `load`), goes to a real
`serve` (`embedded`), or to the functions over emulators (`cloud`). These work in a real sandbox that fails in every way
it knows (`portal`). Meanwhile they are killed and started again, their store cannot be written, and their clock jumps
(`blows`, round after round: `storm`). Afterwards a person is erased, and weeks pass, after which what has ended goes and
what waits stays (`afterwards`). When all is over an auditor that shares no code with the pipeline (`audit`) compares
three books (`books`): what the load got 2xx for, what the store says, what the portal holds; and nothing may have been
taken back in the store meanwhile, or have gone before its time (`watch`). It has to fail builds that are broken on
purpose (`mutants`). Meanwhile it is told how far all is (`progress`).

What happens is decided by one number, the seed; when it meets what is left to the machine. So a seed gives the same
deliveries and the same blows, and not the same microsecond. Hours pass in it: what is waited for is not waited for
really, but the clocks go on (`clock`), by less than a portal ends its work in, or when it has nothing to do.
"""
