"""Every behaviour of Metaflow that many users rely on, and the tests that show what asyncflow does.

rows     the behaviours, by section of the reference, with verdict and evidence
page     writes them into docs/compatibility.md: `python -m tests.reference.page`
"""
