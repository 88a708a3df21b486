"""Imports what a reference of the user (`package.module:name`) names, or says in one sentence why not."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .app import check_reference, no_module
from .call_site import in_a_sentence
from .errors import ConfigurationError, LedgerError, ScheduleError, nearest


def referred(reference: str, named_by: str) -> Any:
    """Return what `package.module:name` refers to. `named_by`: where that stands, for the sentence.

    Raises:
        ConfigurationError: there is no such module, or no such name in it, or it cannot be imported.
    """
    check_reference(reference, named_by)
    module, _, name = reference.partition(":")
    try:
        found = import_module(module)
    except (ConfigurationError, LedgerError):
        raise
    except ModuleNotFoundError as problem:
        if problem.name is None or not f"{module}.".startswith(f"{problem.name}."):
            raise ScheduleError(in_a_sentence(problem)) from None
        raise no_module(named_by, reference, problem.name) from None
    except Exception as problem:
        raise ScheduleError(in_a_sentence(problem)) from None
    if not hasattr(found, name):
        known = [it for it in vars(found) if not it.startswith("_")]
        raise ConfigurationError(f"{named_by}: the module {module} has no {name!r}{nearest(name, known)}")
    return getattr(found, name)
