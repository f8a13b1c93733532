"""Kills what runs a flow, at random moments, a thousand times; nothing may be lost: `python -m tests.chaos`."""
