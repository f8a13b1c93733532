"""`IncludeFile`: a parameter whose option is a path and whose artifact is the file's content."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import Any

from asyncflow.flow.errors import ParameterFieldError
from asyncflow.flow.parameters import Parameter

__all__ = ["IncludeFile"]


class IncludeFile(Parameter):
    """A file whose content becomes an artifact when the run starts: `data = IncludeFile("data", default="d.csv")`.

    Args:
        name: Name of the option, `--name`, that takes the path; `~` is expanded.
        required: A path must be given. Ignored where there is a default.
        is_text: False gives bytes. None: text.
        encoding: Of a text. None: UTF-8.
        help: Text for `--help`.
        parser: Function (or its dotted name) of the content, whose result becomes the artifact instead.
        default: Path when none is given, or a function of a context object that returns it.

    Raises:
        ParameterError: The declaration is wrong.
    """

    def __init__(
        self,
        name: str,
        required: bool | None = None,
        is_text: bool | None = None,
        encoding: str | None = None,
        help: str | None = None,
        parser: str | Callable[[Any], Any] | None = None,  # Any: text or bytes; whatever it is parsed to
        **options: Any,
    ) -> None:
        self.is_text = True if is_text is None else is_text
        self.encoding = encoding or "utf-8"
        self.parser = parser
        if "separator" in options or "type" in options:
            unknown = "separator" if "separator" in options else "type"
            options = {unknown: options[unknown]}
            super().__init__(name, required=required, help=help)
            raise self.error(f"IncludeFile '{name}' has no option '{unknown}'")
        super().__init__(name, required=required, help=help, type=str, **options)

    def read(self, path: str) -> Any:  # Any: text, bytes, or what the parser makes of it
        """Return the content of a file, parsed if there is a parser. Blocks.

        Raises:
            ParameterError: The file is missing, cannot be read, or is no text of the encoding.
            ParameterFieldError: The parser raised an exception.
        """
        option = f"--{self.name}"
        if "://" in path:
            raise self.error(f"{option} {path}: addresses are not supported", hint="Give the path of a file.")
        full = os.path.expanduser(path)
        try:
            with open(full, "rb") as opened:
                content: bytes = opened.read()
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise self.error(
                f"{option} {path} cannot be read: {why}",
                hint=f"Give the path of a readable file: {option} PATH (looked in {os.getcwd()})",
            ) from None
        if not self.is_text:
            return self._parse(content, option)
        try:
            text = content.decode(self.encoding)
        except LookupError:
            raise self.error(f"IncludeFile '{self.name}' has an unknown encoding '{self.encoding}'") from None
        except UnicodeDecodeError as error:
            raise self.error(
                f"{option} {path} is not a text in {self.encoding}: {error.reason} at byte {error.start}",
                hint="Declare IncludeFile(..., is_text=False) for other files, or encoding= for other texts.",
            ) from None
        return self._parse(text, option)

    def _check_default(self) -> None:
        default = self.default
        if isinstance(default, os.PathLike):
            self.default = os.fspath(default)
        elif default is not None and not callable(default) and not isinstance(default, str):
            raise self.error(
                f"IncludeFile '{self.name}' has the default {default!r:.100}, which is no path",
                hint="Give the path of a file, or a function that returns one.",
            )

    def _parse(self, content: str | bytes, option: str) -> Any:
        if self.parser is None:
            return content
        parser = self._load_parser(self.parser) if isinstance(self.parser, str) else self.parser
        try:
            return parser(content)
        except Exception as error:  # the user's function may raise anything
            raise self.error(
                f"The parser of {option} raised {type(error).__name__}: {error!s:.500}",
                hint="Correct the file, or the parser.",
                kind=ParameterFieldError,
            ) from error

    def _load_parser(self, dotted: str) -> Callable[[Any], Any]:
        module, _, name = dotted.rpartition(".")
        try:
            found = getattr(import_module(module), name)
        except (ImportError, AttributeError, ValueError):
            found = None
        if not callable(found):
            raise self.error(
                f"IncludeFile '{self.name}' has the parser '{dotted}', which cannot be found",
                hint="Give a function, or its dotted name: package.module.function",
            )
        return found  # type: ignore[no-any-return]
