"""The same flow files under Metaflow and under asyncflow.

cases    the flows
compare  runs a case under either, and says what is to be seen of it
better   where asyncflow is not as Metaflow, and why
page     the table of docs/compatibility.md

What Metaflow does is recorded in `recorded.json`, so that the tests need no Metaflow. To record it anew:
ASYNCFLOW_METAFLOW_PYTHON=/path/to/python python -m tests.differential
"""

from __future__ import annotations
