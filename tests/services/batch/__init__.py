"""AWS Batch for tests: moto's API, and jobs of our own below it that really run, fail and end as the real ones do.

`handle.py` is what tests use; `server.py` is the process they speak with. What is ordered to go wrong is in `words.py`.
"""
