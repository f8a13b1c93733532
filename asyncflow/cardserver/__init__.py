"""The card server: a local page with the cards of runs, each redrawn in place while its task runs.

    asyncflow card server 42

It only reads. It listens on 127.0.0.1, answers nobody who does not know the token in its address, and serves cards,
the lists of them, and its own two files; no path of anybody's reaches the file system.

`shelf` reads and draws in threads, `feeds` tells listeners what has changed, `guard` looks at requests, `app` has the
pages. The browser never asks again: it is told, by server-sent events.
"""

from __future__ import annotations

from asyncflow.cardserver.app import CardServer

__all__ = ["CardServer"]
