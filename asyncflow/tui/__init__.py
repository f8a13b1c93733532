"""The dashboard in the terminal: a reader of the event log, the log files and the store, and nothing else.

model     a pure fold of a run's events into what the screens show
desk      asks the store, in a thread of its own
listing   rows of any number, of which only those in sight are fetched and drawn
logfile   a window on a log file of any size; `logpane` shows it
screens   runs, one run, one task, two runs side by side
app       puts them together

Text from tasks goes to the screen through `text.one_line` only, and never as markup.
"""

from __future__ import annotations
