"""Says in a sentence why the values of a request are wrong: the first of pydantic's errors, in our words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, get_args

from everytick.errors import nearest
from everytick.text.wording import not_a_run
from pydantic import BaseModel

from . import offer_schemas

# What lies in what: models by the last part of the place of an error in them.
_SCHEDULES: Mapping[str, type[BaseModel]] = {
    "cron": offer_schemas.CronSchedule,
    "crontab": offer_schemas.CrontabSchedule,
    "interval": offer_schemas.IntervalSchedule,
    "date": offer_schemas.DateSchedule,
    "calendarinterval": offer_schemas.CalendarIntervalSchedule,
}
_MODELS: Mapping[str, type[BaseModel]] = {
    **_SCHEDULES,
    "options": offer_schemas.OfferedOptions,
    "holidays": offer_schemas.PublicHolidays,
}
_NAMES = ", ".join(_SCHEDULES)
# The types of a value that may be of several, which pydantic has in the place of an error.
_ALTERNATIVES = ("str", "int")


def sentence_of(errors: list[dict[str, Any]], body: Any = None) -> str:
    """Return the first of pydantic's errors as a sentence that names the value.

    `body`: the annotation of the request's body.
    """
    first = errors[0]
    kind, given = first["type"], first.get("ctx") or {}
    if kind == "json_invalid":
        return "the request is not JSON"
    if first["loc"] == ("path", "run_id"):
        return not_a_run(str(first["input"]))
    place = [str(part) for part in first["loc"] if part not in ("query", "path", "body")]
    if not place and kind in ("model_type", "model_attributes_type", "dict_type"):
        return "the request: give a JSON object, { }"
    message = str(first["msg"]).removeprefix("Value error, ")
    said = f"{message[:1].lower()}{message[1:]}"
    if place[-1:] and place[-1] in _ALTERNATIVES:
        place, said = place[:-1], "input should be text or a whole number"
    elif place[-1:] == ["range"] and kind in ("too_short", "too_long"):
        place, said = place[:-1], "a range of days is a list of two dates, the first and the last one"
    elif kind == "list_type":
        said = f"input should be a list, in brackets{_in_brackets(first['input'])}"
    elif kind == "union_tag_not_found":
        said = f"give its {given['discriminator']}, one of {_NAMES}".replace("'", "")
    elif kind == "union_tag_invalid":
        tag = given["tag"]
        said = f"trigger={tag!r:.80} is none of {_NAMES}{nearest(tag, _SCHEDULES)}"
    elif kind == "extra_forbidden":
        said = _not_taken(place, body)
    return f"{'.'.join(place) or 'the request'}: {said}"


def _not_taken(place: list[str], body: Any) -> str:
    """Return the sentence about a field that there is not."""
    if place == ["options", "ping"]:
        return "it stands in the code alone, since it is an address that is called"
    models = [_MODELS[place[-2]]] if place[-2:-1] and place[-2] in _MODELS else list(_models_in(body))
    known = [field.alias or name for model in models for name, field in model.model_fields.items()]
    return f"there is no such field{nearest(place[-1], known)}"


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    parts = [annotation, *get_args(annotation)]
    return [one for one in parts if isinstance(one, type) and issubclass(one, BaseModel)]


def _in_brackets(value: Any) -> str:
    is_word = isinstance(value, str) and re.fullmatch(r"[\w-]{1,40}", value)
    return f': ["{value}"]' if is_word else ""
