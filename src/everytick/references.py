"""Imports what a reference of the user (`package.module:name`) names, or says in one sentence why not."""

from __future__ import annotations

from typing import Any

from .app import check_reference, import_referred
from .call_site import in_sentences
from .errors import ConfigurationError, nearest


def referred(reference: str, named_by: str) -> Any:
    """Return the object that `package.module:name` refers to. `named_by`: where that stands, for errors.

    Raises:
        ConfigurationError: there is no such module, or no such name in it, or it cannot be imported.
    """
    check_reference(reference, named_by)
    module, _, name = reference.partition(":")
    with in_sentences():
        imported = import_referred(reference, named_by)
    if not hasattr(imported, name):
        known = [defined for defined in vars(imported) if not defined.startswith("_")]
        raise ConfigurationError(f"{named_by}: the module {module} has no {name!r}{nearest(name, known)}")
    return getattr(imported, name)
