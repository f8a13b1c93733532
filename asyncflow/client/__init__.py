"""The read side for programs and commands: what runs left, by task. Reads the event log and the store, runs nothing.

artifacts   the artifacts of a task, each with its value or why it cannot be had
logs        what a task printed
health      is everything there that finished tasks left
"""

from __future__ import annotations
