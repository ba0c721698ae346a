"""Every sentence that the source can make a problem say, found by following what is handed to `Problem` to where it is
written.

Follows constants, f-strings, names, tables, branches, helpers, and parameters to every caller. A gap in a sentence is
`{}`; where the source itself puts only a few words, each is a sentence of its own, and what begins like a sentence
(`The zone x`) is a phrase. What cannot be followed is kept, so that a test can say which places it knows.
"""

import ast
from itertools import product

from tests.cli.source_index import Function, Item, Made, Scope, SourceIndex, added, arguments_of, assigned, body_of

GAP = "{}"
MOST_WORDS = 6
"""How many different words the source may put into a gap for each to make a sentence of its own."""
NAME = {"`{}`", "(a name with other characters)"}
"""What `shown` makes of a name."""
NOT_TOLD = frozenset({"TidegateError"})
"""Exceptions whose words are the API's: a command shows them as a client would read them."""

Elements = list[tuple[ast.expr, Scope]]


class ProblemSources:
    """The sentences and phrases of a package, each with the places that hand it on."""

    def __init__(self, index: SourceIndex) -> None:
        self.index = index
        self.sentences: dict[str, set[str]] = {}
        self.phrases: dict[str, set[str]] = {}
        self.unfollowed: set[tuple[str, str]] = set()
        self._followed: dict[tuple[object, ...], list[str]] = {}
        self._open: list[tuple[int, bool]] = []

    def follow_class(self, module: str, name: str, *parameters: str) -> None:
        """Take everything that objects of a class are made with."""
        found = self.index.class_of(module, ast.Name(name))
        made = self.index.constructor(*found) if found is not None else None
        assert made is not None
        for parameter in parameters:
            self._follow(made, parameter, is_told=True)

    def _follow(self, made: Made, parameter: str, *, is_told: bool) -> list[str]:
        """What every caller gives as `parameter`, and its default."""
        key = made.key, parameter, is_told
        if key in self._followed:
            return self._followed[key]
        texts = self._followed[key] = []
        at = made.parameters.index(parameter)
        for call, scope in self.index.callers.get(made.key, ()):
            given = next((one.value for one in call.keywords if one.arg == parameter), None)
            starred = next((n for n, one in enumerate(call.args) if isinstance(one, ast.Starred)), len(call.args))
            if starred <= at and starred < len(call.args):
                star = call.args[starred]
                assert isinstance(star, ast.Starred)
                given = ast.copy_location(ast.Subscript(star.value, ast.Constant(at - starred), ast.Load()), star)
            elif given is None and at < len(call.args):
                given = call.args[at]
            if given is not None:
                texts += self._taken(given, scope, is_told=is_told)
        if isinstance(made.node, Function):
            default = _defaults(made.node).get(parameter)
            texts += self._taken(default, Scope(made.module), is_told=is_told) if default is not None else []
        return texts

    def _taken(self, node: ast.expr, scope: Scope, *, is_told: bool) -> list[str]:
        texts = self._texts(node, scope, is_told=is_told)
        for text in texts if is_told else ():
            if _has_words(text):
                self.sentences.setdefault(text, set()).add(f"{scope.module}:{node.lineno}")
        return texts

    # What an expression amounts to

    def _texts(self, node: ast.expr | None, scope: Scope, *, is_told: bool) -> list[str]:
        """What `node` may amount to, with gaps; a gap alone where that is not known."""
        key = id(node), is_told
        if node is None or key in self._open:
            return []
        self._open.append(key)
        try:
            return list(dict.fromkeys(self._of(node, scope, is_told)))
        finally:
            self._open.pop()

    def _of(self, node: ast.expr, scope: Scope, is_told: bool) -> list[str]:
        match node:
            case ast.Constant(value=value):
                return [value] if isinstance(value, str) else []
            case ast.JoinedStr(values=values):
                texts = [""]
                for value in values:
                    fillings = self._fillings(value, scope, texts[0])
                    texts = [text + filling for text in texts for filling in fillings]
                return texts
            case ast.BinOp(op=ast.Add(), left=left, right=right):
                both = (self._texts(one, scope, is_told=is_told) for one in (left, right))
                return [before + after for before, after in product(*both)]
            case ast.IfExp(body=body, orelse=other):
                return self._all((body, other), scope, is_told)
            case ast.BoolOp(values=values):
                return self._all(values, scope, is_told)
            case ast.Name(id=name):
                return self._of_name(node, name, scope, is_told)
            case ast.Subscript():
                return self._of_item(node, scope, is_told)
            case ast.Call():
                return self._of_call(node, scope, is_told)
            case ast.Attribute(value=ast.Name(id=name), attr=attr):
                return self._of_field(name, attr, scope, is_told) or self._unknown(node, scope, is_told)
        return self._unknown(node, scope, is_told)

    def _all(self, nodes: list[ast.expr] | tuple[ast.expr, ...], scope: Scope, is_told: bool) -> list[str]:
        return [text for node in nodes for text in self._texts(node, scope, is_told=is_told)]

    def _unknown(self, node: ast.expr, scope: Scope, is_told: bool) -> list[str]:
        if is_told:
            self.unfollowed.add((scope.module, ast.unparse(node)))
        return [GAP]

    def _fillings(self, value: ast.expr, scope: Scope, before: str) -> list[str]:
        """What an f-string has in a place: its own text, a gap, or each of the few words that the source puts there."""
        if isinstance(value, ast.Constant):
            return [str(value.value)]
        assert isinstance(value, ast.FormattedValue)
        if value.format_spec is not None:
            return [GAP]
        constant = self._constant(value.value, scope)
        if constant is not None:
            return [constant]
        texts = self._texts(value.value, scope, is_told=False)
        if set(texts) == NAME and before.endswith(f"{GAP} "):
            # Two gaps side by side could not be told apart.
            return texts
        written = [text for text in texts if text.replace(GAP, "") or not text]
        if before.count("`") % 2 == 1 or not written:
            return [GAP]
        if len(texts) <= MOST_WORDS and not any(text[:1].isupper() or text[:1] == "`" for text in written):
            return texts
        for text in written:
            if _has_words("".join(text.split("`")[::2])):
                self.phrases.setdefault(text, set()).add(f"{scope.module}:{value.lineno}")
        return [GAP]

    def _constant(self, node: ast.expr, scope: Scope) -> str | None:
        """A constant that an f-string names is part of its sentence."""
        if not isinstance(node, ast.Name) or any(
            node.id in arguments_of(one) or list(assigned(one, node.id)) for one in scope.functions
        ):
            return None
        found = self.index.resolve(scope.module, node.id)
        return str(found[1].value) if found is not None and isinstance(found[1], ast.Constant) else None

    def _of_name(self, node: ast.Name, name: str, scope: Scope, is_told: bool) -> list[str]:
        for depth in range(len(scope.functions), 0, -1):
            function = scope.functions[depth - 1]
            inner = Scope(scope.module, scope.class_name, scope.functions[:depth])
            values = list(assigned(function, name))
            texts: list[str] = []
            for one in values:
                is_part = isinstance(one, Item)
                texts += self._of_part(one, inner, is_told) if is_part else self._texts(one, inner, is_told=is_told)
            for addition in added(function, name):
                after = self._texts(addition, inner, is_told=is_told)
                texts = [before + one for before, one in product(texts, after)]
            if name in arguments_of(function) and name in self.index.function(function).parameters:
                return [*texts, *self._follow(self.index.function(function), name, is_told=is_told)]
            if values:
                return texts or self._unknown(node, scope, is_told)
        found = self.index.resolve(scope.module, name)
        if found is not None and isinstance(found[1], ast.expr):
            return self._texts(found[1], Scope(found[0]), is_told=is_told)
        return self._unknown(node, scope, is_told)

    # Tables, and what functions return

    def _elements(self, node: ast.expr, scope: Scope) -> Elements | None:
        """The entries of a tuple or list, or the values of a table."""
        match node:
            case ast.Tuple(elts=nodes) | ast.List(elts=nodes) | ast.Dict(values=nodes):
                return [(one, scope) for one in nodes]
            case ast.IfExp(body=ast.Tuple() as body, orelse=ast.Tuple() as other):
                pairs = zip(body.elts, other.elts, strict=True)
                return [(ast.IfExp(node.test, *pair), scope) for pair in pairs]
            case ast.Call(func=ast.Name(id="MappingProxyType" | "tuple" | "sorted" | "dict"), args=[inside, *_]):
                return self._elements(inside, scope)
            case ast.Call(func=ast.Attribute(value=table, attr="values" | "items" as attr)):
                inside_of = self._elements(table, scope)
                if inside_of is None or attr == "values":
                    return inside_of
                return [(ast.Tuple([ast.Constant(""), one], ast.Load()), where) for one, where in inside_of]
            case ast.Name(id=name):
                for function in reversed(scope.functions):
                    for one in assigned(function, name):
                        return self._elements(one, scope) if isinstance(one, ast.expr) else None
                found = self.index.resolve(scope.module, name)
                is_table = found is not None and isinstance(found[1], ast.expr)
                return self._elements(found[1], Scope(found[0])) if is_table else None
        return None

    def _of_part(self, item: Item, scope: Scope, is_told: bool) -> list[str]:
        texts: list[str] = []
        for one, where in self._elements(item.of, scope) or ():
            parts: Elements = [(one, where)]
            for at in item.path:
                inside = self._elements(*parts[0])
                parts = [inside[at]] if inside is not None and at < len(inside) else []
                if not parts:
                    return []
            texts += self._texts(*parts[0], is_told=is_told)
        return texts

    def _of_item(self, node: ast.Subscript, scope: Scope, is_told: bool) -> list[str]:
        at = node.slice.value if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, int) else None
        if isinstance(node.value, ast.Subscript) and at is not None:
            outer = self._elements(node.value.value, scope) or []
            inner = [self._elements(*one) for one in outer]
            elements: Elements | None = [one[at] for one in inner if one is not None]
        elif at is not None:
            elements = self._elements(node.value, scope)
            elements = elements[at : at + 1] if elements is not None else self._returned(node.value, at, scope)
        else:
            elements = self._elements(node.value, scope)
        if not elements:
            return self._unknown(node, scope, is_told)
        return [text for one, where in elements for text in self._texts(one, where, is_told=is_told)]

    def _returned(self, value: ast.expr, at: int, scope: Scope) -> Elements:
        """The part `at` of the tuples that a call, or the call behind a name, returns."""
        calls: list[ast.expr | Item] = [value]
        if isinstance(value, ast.Name):
            calls = [one for function in scope.functions for one in assigned(function, value.id)]
        found: Elements = []
        for call in calls:
            for returned, where in self._returns(call, scope) if isinstance(call, ast.Call) else ():
                found += [(returned.elts[at], where)] if isinstance(returned, ast.Tuple) else []
        return found

    def _returns(self, call: ast.Call, scope: Scope) -> Elements:
        functions = [one for one in self.index.called(call, scope) if isinstance(one.node, Function)]
        found: Elements = []
        for one in functions if len(functions) == 1 else ():
            assert isinstance(one.node, Function)
            where = Scope(one.module, one.class_name, (one.node,))
            nodes = (node for node in body_of(one.node) if isinstance(node, ast.Return))
            found += [(node.value, where) for node in nodes if node.value is not None]
        return found

    def _of_call(self, node: ast.Call, scope: Scope, is_told: bool) -> list[str]:
        match node:
            case ast.Call(func=ast.Attribute(value=table, attr="get"), args=[_, *default]):
                elements = self._elements(table, scope)
                if elements is not None:
                    texts = [text for one, where in elements for text in self._texts(one, where, is_told=is_told)]
                    return [*texts, *self._all(default, scope, is_told)]
            case ast.Call(func=ast.Name(id="next"), args=[ast.GeneratorExp(elt=one), other]):
                return self._all([one, other], scope, is_told)
        returns = self._returns(node, scope)
        if not returns:
            return self._unknown(node, scope, is_told)
        return [text for one, where in returns for text in self._texts(one, where, is_told=is_told)]

    def _of_field(self, name: str, attr: str, scope: Scope, is_told: bool) -> list[str]:
        """A field of an exception that was caught, or of what a function of ours says that it returns."""
        named: list[tuple[str, ast.expr]] = []
        for function in scope.functions:
            nodes = (node for node in body_of(function) if isinstance(node, ast.ExceptHandler) and node.name == name)
            named += [(scope.module, node.type) for node in nodes if node.type is not None]
            for given in assigned(function, name):
                called = given.body if isinstance(given, ast.IfExp) else given
                for made in self.index.called(called, scope) if isinstance(called, ast.Call) else ():
                    if isinstance(made.node, Function) and made.node.returns is not None:
                        named.append((made.module, made.node.returns))
        texts: list[str] = []
        for module, annotation in named:
            parts = (part for part in ast.walk(annotation) if isinstance(part, ast.Name | ast.Attribute))
            for found in filter(None, (self.index.class_of(module, part) for part in parts)):
                constructor = self.index.constructor(*found) if found[1].name not in NOT_TOLD else None
                if constructor is not None and attr in constructor.parameters:
                    texts += self._follow(constructor, attr, is_told=is_told)
        return [text for text in texts if text]


def _has_words(text: str) -> bool:
    return any(letter.isalpha() for letter in text.replace(GAP, ""))


def _defaults(node: Function) -> dict[str, ast.expr]:
    args = node.args
    names = [one.arg for one in (*args.posonlyargs, *args.args)]
    found = dict(zip(names[len(names) - len(args.defaults) :], args.defaults, strict=True))
    by_name = zip(args.kwonlyargs, args.kw_defaults, strict=True)
    return found | {one.arg: value for one, value in by_name if value is not None}
