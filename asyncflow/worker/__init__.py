"""The worker: what runs inside a task's process. Reads the parents' manifests, runs one step, writes one manifest.

`attempt.run_attempt` is the whole of it; `report` and `parameters` are for those who start workers and hear of them.
Nothing is imported here: a worker's start-up must stay tiny.
"""
