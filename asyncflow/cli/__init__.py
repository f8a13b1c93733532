"""The command line: `asyncflow COMMAND`, and `python flow.py COMMAND`. No logic of its own.

main       the two entries, and the last line that turns any error into words and an exit code
group      commands by name, loaded when they are used; one file a command family
terminal   the only one who writes to the screen: stdout is data, stderr is narration
errors     what an error looks like; runid: what `42/step/7` and `latest` mean
plain, json_ui, writer, root_cause   what a run shows while it goes on, and when it fails
"""

from __future__ import annotations
