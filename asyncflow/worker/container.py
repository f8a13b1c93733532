"""What a container is told to run."""

from __future__ import annotations

import ast
import base64
import inspect
import zlib
from functools import cache

__all__ = ["bootstrap_command"]

_RUN = "import base64,zlib;exec(zlib.decompress(base64.b64decode('%s')))"


def bootstrap_command(package_url: str, digest: str, spec_url: str, *, python: str = "python3") -> list[str]:
    """Return the command of a container whose image has nothing but Python.

    It fetches the code package, checks it, unpacks it and runs `python -m asyncflow.worker SPEC_URL` with what the
    package brings. But for the addresses it has no character that Kubernetes (`$(NAME)`) or Batch (`Ref::name`) would
    replace.

    Args:
        package_url: Where the package lies: `s3://`, `https://`, `http://`, `file://`, or a path.
        digest: The package's SHA-256 in hex.
        spec_url: What the worker is told.
        python: The image's interpreter, 3.11 or newer.
    """
    return [python, "-c", _RUN % _text(), package_url, digest, spec_url]


@cache
def _text() -> str:
    """Return the bootstrap's source, as short as it can be sent."""
    from asyncflow.worker import bootstrap  # urllib and ssl, which only a scheduler of containers needs

    tree = _Shortened().visit(ast.parse(inspect.getsource(bootstrap)))
    return base64.b64encode(zlib.compress(ast.unparse(tree).encode(), 9)).decode()


class _Shortened(ast.NodeTransformer):
    """Takes out what only people and type checkers read."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """Take out texts that stand alone."""
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        """Make plain assignments of those with a type."""
        assert node.value is not None  # the bootstrap declares nothing without a value
        return ast.copy_location(ast.Assign([node.target], node.value), node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        """Take off an argument's type."""
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Take off a function's type."""
        node.returns = None
        return self._with_body(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """Shorten a class."""
        return self._with_body(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        """Take out imports of types."""
        return None if node.module in ("__future__", "typing") else node

    def _with_body(self, node: ast.FunctionDef | ast.ClassDef) -> ast.AST:
        self.generic_visit(node)
        if not node.body:
            node.body.append(ast.Pass())
        return node
