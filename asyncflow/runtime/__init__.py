"""Drives runs: feeds the machine facts, records what it concludes, performs what it asks for.

driver     the turn
perform    a command becomes a call of the backend
inbox      facts on their way to the next turn
lease      who drives a run, and what others ask of it
cloning    what a new run may take over from an earlier one
signals    Ctrl-C and SIGTERM
clock      the only place that reads the time
api        the ways a run is driven on this machine
"""
