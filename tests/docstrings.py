"""What docstrings say by heading, and what they leave out."""

import dataclasses
import inspect
import re

SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Source|Sources|Yields):", re.MULTILINE)
ARGUMENT = re.compile(r"^ {4}\*{0,2}(\w+)(?:, (\w+))*(?: \([^)]*\))?:", re.MULTILINE)


def sections(docstring: str) -> dict[str, str]:
    """The parts of a docstring by heading; the text before the first heading is under ""."""
    pieces = SECTION.split(inspect.cleandoc(docstring))
    return {"": pieces[0], **dict(zip(pieces[1::2], pieces[2::2], strict=True))}


def documented(section: str) -> set[str]:
    """Names described in an Args or Attributes section; `a, b: text` describes two."""
    entries = (match.group(0).split("(")[0] for match in ARGUMENT.finditer(section))
    return {name for entry in entries for name in re.findall(r"\w+", entry)}


def complaints(name: str, thing: object) -> list[str]:
    """What the docstrings of a function, or of a class and its methods, leave out."""
    if inspect.isclass(thing):
        return complaints_of_class(name, thing)
    return complaints_of_function(name, thing)


def complaints_of_class(name: str, thing: type) -> list[str]:
    """What the docstrings of a class and of its own public methods leave out."""
    found = first_sentence(name, thing.__doc__)
    if dataclasses.is_dataclass(thing):
        parts = sections(thing.__doc__ or "")
        described = documented(parts.get("Attributes", "") + parts.get("Args", ""))
        fields = {field.name for field in dataclasses.fields(thing)}
        # Fields that a class inherits are described where they are defined.
        own = fields & set(inspect.get_annotations(thing))
        found += [f"{name}: field {field} is not described" for field in own - described]
        found += [f"{name}: describes {field}, which it has not" for field in described - fields]
    # The default of a field may be a function, which describes itself where it is defined.
    is_dataclass = dataclasses.is_dataclass(thing)
    own_fields = {one.name for one in dataclasses.fields(thing)} if is_dataclass else set()
    for key, member in vars(thing).items():
        if key in own_fields:
            continue
        if key == "__init__" and not dataclasses.is_dataclass(thing):
            found += complaints_of_function(f"{name}.{key}", member, returns=False)
        elif not key.startswith("_") and inspect.isfunction(inspect.unwrap(member)):
            # A NamedTuple or dataclass carries functions made by the standard library.
            if inspect.unwrap(member).__module__ == thing.__module__:
                found += complaints_of_function(f"{name}.{key}", member)
    return found


def complaints_of_function(name: str, function: object, *, returns: bool = True) -> list[str]:
    """What the docstring of one function leaves out or invents."""
    docstring = inspect.getdoc(function)
    found = first_sentence(name, docstring)
    parts = sections(docstring or "")
    taken = {
        parameter
        for parameter in inspect.signature(function).parameters
        if parameter not in ("self", "cls") and not parameter.startswith("_")
    }
    described = documented(parts.get("Args", ""))
    found += [f"{name}: argument {argument} is not described" for argument in taken - described]
    found += [f"{name}: describes {argument}, no argument" for argument in described - taken]
    nothing = inspect.signature(function).return_annotation in (None, "None")
    if returns and taken and not nothing and "Returns" not in parts:
        found.append(f"{name}: says not what it returns")
    return found


def first_sentence(name: str, docstring: str | None) -> list[str]:
    """A complaint when there is no docstring, or one that does not open with a sentence."""
    if not docstring:
        return [f"{name}: no docstring"]
    opening = inspect.cleandoc(docstring).split("\n\n")[0]
    return [] if re.search(r"[.:?]$", opening) else [f"{name}: does not open with a sentence"]
