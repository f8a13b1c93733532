"""`python -m asyncflow.worker SPEC_URL`: run one attempt in a container, or on another machine."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    from asyncflow.backends.remote.agent import main

    sys.exit(main(sys.argv[1:]))
