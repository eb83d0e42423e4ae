"""Reads settings from the environment: each field of a dataclass has its own variable, parsed by the field's type."""

import difflib
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from cli.errors import CommandError

PREFIX = "BILLING_"
FROM_FILE = "_FILE"
"""Suffix of the variable that names a file with the secret, as an alternative to the variable itself."""

SWITCH = {"on": True, "off": False}
MAX_NUMBER = 2**31 - 1

T = TypeVar("T")


def setting(
    default: T,
    about: str,
    *,
    variable: str = "",
    least: float | None = None,
    most: float = MAX_NUMBER,
    secret: bool = False,
    otherwise: str = "",
    by: Callable[[Mapping[str, Any]], T] | None = None,
    parse: Callable[[str], T] | None = None,
) -> T:
    """Declares a field that is read from the variable `variable`, by default BILLING_ and the name of the field.

    A number must be at most `most`, and at least `least` or, without `least`, above 0. `parse` converts the text if the
    type of the field is not enough, and raises an error of one line. `by` computes the default from the values of the
    fields above. `otherwise` describes the default for users.
    """
    return field(
        default=default,
        repr=not secret,
        metadata={
            "about": about,
            "variable": variable,
            "least": least,
            "most": most,
            "secret": secret,
            "otherwise": otherwise,
            "by": by,
            "parse": parse,
        },
    )


@dataclass(frozen=True, slots=True)
class Setting:
    """A field declared by `setting`, with the name of its variable. `kind` is its type without `None`."""

    field: str
    variable: str
    kind: Any
    default: Any
    about: str
    least: float | None
    most: float
    secret: bool
    otherwise: str
    by: Callable[[Mapping[str, Any]], Any] | None
    parse: Callable[[str], Any] | None


@dataclass(frozen=True, slots=True)
class Found:
    """The value of a setting and its source: a variable, a file, an option or a default."""

    setting: Setting
    value: Any
    source: str

    def text(self) -> str:
        """Returns the value as text that parses to the same value. Empty for None."""
        return format_value(self.value)

    def shown(self) -> str:
        """Returns the value as text, without secrets."""
        return hidden(self.text()) if self.setting.secret else self.text()


def settings_of(declared: type) -> list[Setting]:
    """Returns the settings that a dataclass declares, in its order."""
    kinds = get_type_hints(declared)
    return [
        Setting(
            each.name,
            kind=kind_of(kinds[each.name]),
            default=each.default,
            **{**each.metadata, "variable": each.metadata["variable"] or PREFIX + each.name.upper()},
        )
        for each in fields(declared)
    ]


def kind_of(annotation: Any) -> Any:
    if get_origin(annotation) is not types.UnionType:
        return annotation
    [kind] = (each for each in get_args(annotation) if each is not type(None))
    return kind


def find(declared: type, environment: Mapping[str, str], options: Mapping[str, object]) -> dict[str, Found]:
    """Returns the settings of a dataclass by field name. An option that is not None overrides its variable.

    Raises `CommandError` for an unknown variable or an invalid value.
    """
    settings = settings_of(declared)
    refuse_unknown(settings, environment)
    found: dict[str, Found] = {}
    for each in settings:
        if (option := options.get(each.field)) is not None:
            found[each.field] = Found(each, option, "option")
            continue
        said, source = read_variable(each, environment)
        if said:
            found[each.field] = Found(each, parse_value(each, said), source)
        elif each.by is None:
            found[each.field] = Found(each, each.default, "default")
        else:
            above = {name: one.value for name, one in found.items()}
            found[each.field] = Found(each, each.by(above), each.otherwise)
    return found


def refuse_unknown(settings: list[Setting], environment: Mapping[str, str]) -> None:
    known = [each.variable for each in settings]
    known += [each.variable + FROM_FILE for each in settings if each.secret]
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in known:
            # Without the prefix, which all names share, names are close only if they look alike.
            named = {each.removeprefix(PREFIX): each for each in known}
            for nearest in difflib.get_close_matches(name.removeprefix(PREFIX), named, n=1):
                raise CommandError(f"{name} is not a setting. The closest name is {named[nearest]}.")
            raise CommandError(f"{name} is not a setting: unset it. `billing config` lists all settings.")


def read_variable(setting: Setting, environment: Mapping[str, str]) -> tuple[str, str]:
    """Returns the text of a setting in the environment and its source. The text is empty if it is not set."""
    said = environment.get(setting.variable, "")
    name = setting.variable + FROM_FILE
    file = environment.get(name, "") if setting.secret else ""
    if not file:
        return said, "environment"
    if said:
        raise CommandError(f"{setting.variable} and {name} are both set: set only one of them.")
    try:
        text = Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise CommandError(f"{name} names {file}, which cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise CommandError(f"{name} names {file}, which is not UTF-8 text.") from None
    if not text:
        raise CommandError(f"{name} names {file}, which is empty.")
    return text, f"file {file}"


def parse_value(setting: Setting, said: str) -> Any:
    """Converts the text of a variable to the type of its setting. Raises `CommandError` if it is not valid."""
    if setting.parse is not None:
        return setting.parse(said)
    if setting.kind is bool:
        if said.lower() not in SWITCH:
            raise CommandError(f"{setting.variable} must be on or off, not {said!r}.")
        return SWITCH[said.lower()]
    if setting.kind in (int, float):
        return number_of(setting, said)
    if get_origin(setting.kind) is Literal:
        if said.lower() not in get_args(setting.kind):
            raise CommandError(f"{setting.variable} must be {' or '.join(get_args(setting.kind))}, not {said!r}.")
        return said.lower()
    if get_origin(setting.kind) is tuple:
        return tuple(said.split())
    return setting.kind(said)


def number_of(setting: Setting, said: str) -> int | float:
    try:
        number: int | float = setting.kind(said)
    except ValueError:
        fits = False
    else:
        fits = (number > 0 if setting.least is None else setting.least <= number) and number <= setting.most
    if not fits:
        kind = "a whole number" if setting.kind is int else "a number"
        bounds = "above 0" if setting.least is None else f"from {setting.least} to {setting.most}"
        raise CommandError(f"{setting.variable} must be {kind} {bounds}, not {said!r}.")
    return number


def format_value(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "on" if value else "off"
        case float():
            return repr(value).removesuffix(".0")
        case tuple():
            return " ".join(value)
        case _:
            return str(value)


def hidden(secret: str) -> str:
    """Masks a secret. In the URL of a database, only the password is masked."""
    if secret.startswith(("postgres:", "postgresql:", "postgresql+")):
        from sqlalchemy import make_url

        return make_url(secret).render_as_string(hide_password=True)
    return "***" if secret else ""
