"""The rules, one concept a file: they decide what a fact means and only ever emit events.

flow        what comes after a success: next tasks, scopes, joins, clones
failure     retry, fallback, or the end of a task
stopping    failing and cancelled runs: grace, SIGTERM, SIGKILL, the end
admission   which queued task gets a free slot
timers      what falls due
lifecycle   a run begins, a driver takes over, capacity changes
"""
