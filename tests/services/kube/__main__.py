"""`python -m tests.services.kube`: serve until stopped."""

from __future__ import annotations

import sys

from tests.services.kube.command import main

sys.exit(main())
