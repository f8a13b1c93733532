"""What an artifact is, shown without running any code of it: the client's, under the name the screens use."""

from __future__ import annotations

from asyncflow.client.preview import PREVIEW_BYTES, preview

__all__ = ["PREVIEW_BYTES", "preview"]
