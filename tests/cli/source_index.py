"""The package's source as something to follow names and calls through: modules, classes, functions, who calls what.

Names are resolved as Python does, through imports; a method is found by its name alone, since nothing here knows types.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef
Found = tuple[str, ast.AST]


@dataclass(frozen=True)
class Scope:
    """Where an expression stands: its module, its class, and the functions around it, the innermost last."""

    module: str
    class_name: str = ""
    functions: tuple[Function, ...] = ()


@dataclass(frozen=True)
class Made:
    """A function, or what makes an object of a class: its parameters in order, without `self`."""

    module: str
    class_name: str
    name: str
    parameters: tuple[str, ...]
    node: Function | ast.ClassDef

    @property
    def key(self) -> tuple[str, str, str]:
        return self.module, self.class_name, self.name


@dataclass(frozen=True)
class Item:
    """One of what is iterated over or unpacked, or a part of it."""

    of: ast.expr
    path: tuple[int, ...]


@dataclass
class Module:
    tree: ast.Module
    constants: dict[str, ast.expr] = field(default_factory=dict)
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)
    calls: list[tuple[ast.Call, Scope]] = field(default_factory=list)


class SourceIndex:
    """Every module under a package's folder."""

    def __init__(self, root: Path) -> None:
        self.modules: dict[str, Module] = {}
        self.functions: dict[str, list[Made]] = {}
        for path in sorted(root.rglob("*.py")):
            name = ".".join(path.relative_to(root.parent).with_suffix("").parts).removesuffix(".__init__")
            module = self.modules[name] = Module(ast.parse(path.read_text(encoding="utf-8")))
            self._walk(module, module.tree, Scope(name))

    def _walk(self, module: Module, node: ast.AST, scope: Scope) -> None:
        for child in ast.iter_child_nodes(node):
            inner = scope
            if isinstance(child, ast.ClassDef):
                inner = Scope(scope.module, child.name)
            elif isinstance(child, Function):
                made = Made(scope.module, scope.class_name, child.name, _parameters(child, scope), child)
                self.functions.setdefault(child.name, []).append(made)
                inner = Scope(scope.module, scope.class_name, (*scope.functions, child))
            elif isinstance(child, ast.ImportFrom) and child.module:
                module.imports |= {one.asname or one.name: (child.module, one.name) for one in child.names}
            elif isinstance(child, ast.Assign | ast.AnnAssign) and not scope.functions and child.value is not None:
                targets = child.targets if isinstance(child, ast.Assign) else [child.target]
                module.constants |= {one.id: child.value for one in targets if isinstance(one, ast.Name)}
            elif isinstance(child, ast.Call):
                module.calls.append((child, inner))
            self._walk(module, child, inner)

    # What a name stands for

    def resolve(self, module: str, name: str) -> Found | None:
        """What a global name of a module stands for."""
        known = self.modules.get(module)
        if known is None:
            return None
        if name in known.constants:
            return module, known.constants[name]
        for one in known.tree.body:
            if isinstance(one, ast.ClassDef | Function) and one.name == name:
                return module, one
        return self.resolve(*known.imports[name]) if name in known.imports else None

    def class_of(self, module: str, node: ast.expr) -> tuple[str, ast.ClassDef] | None:
        """The class that `Name` or `module.Name` stands for."""
        found: Found | None = None
        if isinstance(node, ast.Name):
            found = self.resolve(module, node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            imported = self.modules[module].imports.get(node.value.id)
            found = self.resolve(".".join(imported), node.attr) if imported is not None else None
        return (found[0], found[1]) if found is not None and isinstance(found[1], ast.ClassDef) else None

    def function(self, node: Function) -> Made:
        return next(made for made in self.functions[node.name] if made.node is node)

    def constructor(self, module: str, node: ast.ClassDef) -> Made | None:
        """What makes an object of a class: `__init__`, one that is inherited, or the fields."""
        for one in node.body:
            if isinstance(one, Function) and one.name == "__init__":
                return self.function(one)
        inherited = self._inherited(module, node)
        if inherited is not None:
            return inherited
        fields = [one.target for one in node.body if isinstance(one, ast.AnnAssign)]
        names = tuple(one.id for one in fields if isinstance(one, ast.Name))
        return Made(module, node.name, "", names, node) if names else None

    def _inherited(self, module: str, node: ast.ClassDef) -> Made | None:
        bases = (self.class_of(module, base) for base in node.bases)
        made = (self.constructor(*base) for base in bases if base is not None)
        return next((one for one in made if one is not None), None)

    # Who calls what

    @cached_property
    def callers(self) -> Mapping[tuple[str, str, str], list[tuple[ast.Call, Scope]]]:
        """The calls of each function and class."""
        found: dict[tuple[str, str, str], list[tuple[ast.Call, Scope]]] = {}
        for module in self.modules.values():
            for call, scope in module.calls:
                for made in self.called(call, scope):
                    found.setdefault(made.key, []).append((call, scope))
        return found

    def called(self, call: ast.Call, scope: Scope) -> list[Made]:
        """What a call may run, of what is ours."""
        if isinstance(call.func, ast.Name):
            return self._called_by_name(call.func.id, scope)
        if isinstance(call.func, ast.Attribute):
            return self._called_of(call.func, scope)
        return []

    def _called_by_name(self, name: str, scope: Scope) -> list[Made]:
        for function in reversed(scope.functions):
            for inner in ast.walk(function):
                if isinstance(inner, Function) and inner.name == name and inner is not function:
                    return [self.function(inner)]
        return self._makers(self.resolve(scope.module, scope.class_name if name == "cls" else name))

    def _makers(self, found: Found | None) -> list[Made]:
        if found is not None and isinstance(found[1], Function):
            return [self.function(found[1])]
        made = (
            self.constructor(found[0], found[1]) if found is not None and isinstance(found[1], ast.ClassDef) else None
        )
        return [made] if made is not None else []

    def _called_of(self, callee: ast.Attribute, scope: Scope) -> list[Made]:
        named = self.functions.get(callee.attr, [])
        match callee.value:
            case ast.Name(id="self"):
                own = [made for made in named if (made.module, made.class_name) == (scope.module, scope.class_name)]
                if own:
                    return own
            case ast.Name(id=name):
                imported = ".".join(self.modules[scope.module].imports.get(name, ()))
                if imported in self.modules:
                    return self._makers(self.resolve(imported, callee.attr))
            case ast.Call(func=ast.Name(id="super")):
                own_class = self.class_of(scope.module, ast.Name(scope.class_name))
                made = self._inherited(*own_class) if own_class is not None else None
                return [made] if made is not None and callee.attr == "__init__" else []
        # A text's own methods are called everywhere, and a method of ours of that name hardly anywhere.
        return [made for made in named if made.class_name and callee.attr not in dir(str)]


def _parameters(node: Function, scope: Scope) -> tuple[str, ...]:
    args = node.args
    names = tuple(one.arg for one in (*args.posonlyargs, *args.args, *args.kwonlyargs))
    is_static = any(isinstance(one, ast.Name) and one.id == "staticmethod" for one in node.decorator_list)
    return names[1:] if scope.class_name and not scope.functions and not is_static else names


# What happens to a name within a function


def body_of(function: Function) -> Iterator[ast.AST]:
    """What stands in a function, less what stands in functions inside it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop(0)
        yield node
        waiting += [one for one in ast.iter_child_nodes(node) if not isinstance(one, Function | ast.Lambda)]


def arguments_of(function: Function) -> frozenset[str]:
    args = function.args
    return frozenset(one.arg for one in (*args.posonlyargs, *args.args, *args.kwonlyargs))


def assigned(function: Function, name: str) -> Iterator[ast.expr | Item]:
    """Everything that a name of a function is set to."""
    for node in body_of(function):
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    for path in _paths(target, name):
                        yield value if not path else Item(ast.List([value], ast.Load()), path)
            case ast.AnnAssign(target=ast.Name(id=given), value=ast.expr() as value) if given == name:
                yield value
            case ast.NamedExpr(target=ast.Name(id=given), value=value) if given == name:
                yield value
            case ast.For(target=target, iter=values) | ast.comprehension(target=target, iter=values):
                yield from (Item(values, path) for path in _paths(target, name))


def added(function: Function, name: str) -> Iterator[ast.expr]:
    """What `+=` adds to a name of a function."""
    for node in body_of(function):
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name) and node.target.id == name:
            yield node.value


def _paths(target: ast.expr, name: str, path: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    if isinstance(target, ast.Name) and target.id == name:
        yield path
    if isinstance(target, ast.Tuple | ast.List):
        for index, one in enumerate(target.elts):
            yield from _paths(one, name, (*path, index))
