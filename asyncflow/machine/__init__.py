"""The pure heart: facts in, events and commands out. No I/O, clock, randomness or asyncio; standard library only.

    ids, graph, outcome      what things are called, a flow's shape, how an attempt ended
    facts, events, commands  what comes in, is recorded, goes out
    state, evolve            a run's state, and the only fold that changes it
    decide, turn, rules/     what a fact means
    invariants               what must be true after every turn

The events of one turn are recorded as one batch, all or none, so a log ends between turns and never within one. That
is why no rule has to mend a half-told story after a crash: the state that is folded from any log is one the machine
has been in. What was asked for and not answered is rebuilt by `outstanding`.
"""
