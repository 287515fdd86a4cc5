"""What the engine answered last to a client's first questions, for while it starts again.

The engine writes it, as it alone writes the home; the relay reads it. Standard library only.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias, cast

from ao_core import wording
from ao_mcp.toolsets import Offer, absent

Answers: TypeAlias = Mapping[str, Mapping[str, object]]

FILE = "handshake.json"

_USUAL = Offer()

_MODERN = "io.modelcontextprotocol/protocolVersion"


class Handshake:
    """Answers by protocol version and method. Read when first needed; of no use when damaged.

    They are a lead's: where there is no file, nothing is remembered.
    """

    def __init__(self, file: Path | None, version: str, offer: Offer = _USUAL) -> None:
        self._file, self._version, self._offer = file, version, offer
        self._known: Mapping[str, Any] | None = None
        self._spoken = ""  # the protocol version of the client's `initialize`

    def result(self, message: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The remembered result of a request, if there is one."""
        method, params = message.get("method"), _object(message.get("params"))
        if method == "initialize":
            self._spoken = str(params.get("protocolVersion"))
        if params.get("cursor") is not None:  # which the engine has to judge
            return None
        spoken = _object(params.get("_meta")).get(_MODERN, self._spoken)
        found = _object(_object(self._answers().get(str(spoken))).get(str(method)))
        return self._picked(found, str(spoken)) if found else None

    def _picked(self, result: dict[str, Any], spoken: str) -> Mapping[str, Any]:
        """All tools are remembered; each client is told of its own."""
        if isinstance(result.get("tools"), list):
            return {**result, "tools": self._offered(result)}
        told = result.get("instructions")
        return {**result, "instructions": self._told(told, spoken)} if told else result

    def _told(self, text: object, spoken: str) -> str:
        listed = self._offered(_object(_object(self._answers().get(spoken)).get("tools/list")))
        return wording.spoken(str(text), absent(str(one.get("name")) for one in listed))

    def _offered(self, result: dict[str, Any]) -> list[dict[str, Any]]:
        tools = result.get("tools")
        known = map(_object, cast("list[object]", tools)) if isinstance(tools, list) else ()
        return [one for one in known if self._is_offered(one)]

    def _is_offered(self, tool: dict[str, Any]) -> bool:
        changes_nothing = _object(tool.get("annotations")).get("readOnlyHint") is True
        return self._offer.has(str(tool.get("name")), read_only=changes_nothing)

    def _answers(self) -> Mapping[str, Any]:
        if self._known is None:
            self._known = self._read()
        return self._known

    def _read(self) -> Mapping[str, Any]:
        if self._file is None:
            return {}
        try:
            told = _object(json.loads(self._file.read_bytes()))
        except (OSError, ValueError, RecursionError):
            return {}
        return _object(told.get("answers")) if told.get("version") == self._version else {}


def written(version: str, answers: Answers) -> str:
    """The file's text."""
    return json.dumps({"version": version, "answers": answers}) + "\n"


def _object(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
