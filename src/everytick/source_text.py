"""The values that a file of the user gives to its names, and the calls in the file, by their place."""

from __future__ import annotations

import ast
import functools
import linecache
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

# First line and column, last line and column.
Span = tuple[int, int, int, int]
# The values that a name is given in one scope; None for one without an expression (a parameter, an import).
Bound = Sequence[ast.expr | None]


@dataclass
class _Scope:
    """A module, a class or a function, with its lines."""

    node: ast.AST
    first: int
    last: int
    names: dict[str, list[ast.expr | None]] = field(default_factory=dict)
    elsewhere: dict[str, _Scope] = field(default_factory=dict)

    def give(self, name: str, value: ast.expr | None) -> None:
        owner = self.elsewhere.get(name, self)
        owner.names.setdefault(name, []).append(value)


class FileText:
    """The names and calls of one file.

    calls: by where they stand.
    texts: the constants that are text, and are given to a call, a name or a key of a dict.
    module: the expressions that are assigned to the names of the module.
    classes: the same of the names in its classes.
    """

    def __init__(self, tree: ast.Module) -> None:
        reader = _Reader(tree)
        self.calls: dict[Span, ast.Call] = reader.calls
        self.texts: list[str] = reader.texts
        self.module: dict[str, list[ast.expr | None]] = reader.scopes[0].names
        self.classes = {
            scope.node.name: scope.names
            for scope in reader.scopes
            if isinstance(scope.node, ast.ClassDef) and scope.node in tree.body
        }
        self._scopes = reader.scopes[1:]

    def given_around(self, line: int, name: str) -> Bound:
        """Return the values of a name that is local to the function on that line, or to one around it."""
        around = [scope for scope in self._scopes if scope.first <= line <= scope.last]
        for depth, scope in enumerate(reversed(around)):
            # The names of a class are not seen by the functions in it.
            if name in scope.names and (depth == 0 or not isinstance(scope.node, ast.ClassDef)):
                return scope.names[name]
        return []


def text_of(file: str, names: dict[str, Any] | None = None) -> FileText:
    """Return the names and calls of a file; none if the file cannot be read.

    Args:
        names: those of its module, by which a file that lies in an archive is found.
    """
    linecache.lazycache(file, names or {})
    return _text_of(file)


@functools.lru_cache(maxsize=1_000)
def _text_of(file: str) -> FileText:
    try:
        return FileText(ast.parse("".join(linecache.getlines(file))))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return FileText(ast.Module([], []))


class _Reader(ast.NodeVisitor):
    def __init__(self, tree: ast.Module) -> None:
        self.calls: dict[Span, ast.Call] = {}
        self.texts: list[str] = []
        self.scopes = [_Scope(tree, 0, 0)]
        self._inside = [self.scopes[0]]
        self.visit(tree)

    def _note_texts(self, values: Iterable[ast.expr | None]) -> None:
        found = [value.value for value in values if isinstance(value, ast.Constant)]
        self.texts += [value for value in found if isinstance(value, str)]

    def visit_Dict(self, node: ast.Dict) -> None:
        self._note_texts(node.values)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        span = (node.lineno, node.col_offset, node.end_lineno or 0, node.end_col_offset or 0)
        self.calls[span] = node
        self._note_texts([*node.args, *(keyword.value for keyword in node.keywords)])
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._give(node.name)
        self._enter(node, [*node.decorator_list, *_defaults(node.args)], node.body)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._enter(node, _defaults(node.args), [node.body])

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._give(node.name)
        self._enter(node, [*node.decorator_list, *node.bases, *node.keywords], node.body)

    def _enter(
        self,
        node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda,
        outside: Iterable[ast.AST],
        body: Iterable[ast.AST],
    ) -> None:
        for part in outside:
            self.visit(part)
        scope = _Scope(node, node.lineno, node.end_lineno or node.lineno)
        self.scopes.append(scope)
        self._inside.append(scope)
        if not isinstance(node, ast.ClassDef):
            self._parameters(node.args)
        for part in body:
            self.visit(part)
        self._inside.pop()

    def _parameters(self, found: ast.arguments) -> None:
        for each in (*found.posonlyargs, *found.args, *found.kwonlyargs, found.vararg, found.kwarg):
            if each is not None:
                self._give(each.arg)

    def visit_Global(self, node: ast.Global) -> None:
        self._inside[-1].elsewhere |= dict.fromkeys(node.names, self.scopes[0])

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        for name in node.names:
            owners = [scope for scope in self._inside[1:-1] if name in scope.names]
            self._inside[-1].elsewhere[name] = owners[-1] if owners else self._inside[-2]

    def visit_Assign(self, node: ast.Assign) -> None:
        self._note_texts([node.value])
        for target in node.targets:
            self._bind(target, node.value)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._note_texts([node.value])
        if node.value is not None:
            self._bind(node.target, node.value)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._bind(node.target, None)
        self.generic_visit(node)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self._bind(node.target, node.value)
        self.generic_visit(node)

    def visit_For(self, node: ast.For | ast.AsyncFor | ast.comprehension) -> None:
        each = node.iter.elts if isinstance(node.iter, ast.List | ast.Tuple) else [None]
        for value in each:
            self._bind(node.target, None if isinstance(value, ast.Starred) else value)
        self.generic_visit(node)

    visit_AsyncFor = visit_For
    visit_comprehension = visit_For

    def visit_withitem(self, node: ast.withitem) -> None:
        if node.optional_vars is not None:
            self._bind(node.optional_vars, None)
        self.generic_visit(node)

    def visit_alias(self, node: ast.alias) -> None:
        self._give(node.asname or node.name.partition(".")[0])

    def visit_MatchAs(self, node: ast.MatchAs | ast.MatchStar) -> None:
        if node.name is not None:
            self._give(node.name)
        self.generic_visit(node)

    visit_MatchStar = visit_MatchAs

    def _bind(self, target: ast.expr, value: ast.expr | None) -> None:
        if isinstance(target, ast.Name):
            self._give(target.id, value)
        elif isinstance(target, ast.Starred):
            self._bind(target.value, None)
        elif isinstance(target, ast.Tuple | ast.List):
            values: Sequence[ast.expr | None] = [None] * len(target.elts)
            if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts):
                values = value.elts
            for part, its in zip(target.elts, values, strict=True):
                self._bind(part, None if isinstance(its, ast.Starred) else its)

    def _give(self, name: str, value: ast.expr | None = None) -> None:
        self._inside[-1].give(name, value)


def _defaults(parameters: ast.arguments) -> list[ast.expr]:
    return [*parameters.defaults, *filter(None, parameters.kw_defaults)]
