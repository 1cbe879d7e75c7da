"""The JSON schema of the fleet's document, put together from those of its parts.

Promises: what a policy and what requirements may hold is what their parsers ask for, since they were asked. Refuses
to know what only a server knows: whether a name that is not in the document exists there.
"""

from __future__ import annotations

from surefoot_server.channels import requirements
from surefoot_server.cohorts.service import NAME
from surefoot_server.events.models import Happening
from surefoot_server.fleet.document import VERSION, WEBHOOK_NAME
from surefoot_server.languages.catalogue import NAMES as LANGUAGES
from surefoot_server.notify.models import Form
from surefoot_server.rollouts import schema as policies
from surefoot_shared.wire import Json

CHANNEL = {
    "after": "the channel that a release must have been in before; left out for the first",
    "cohort": "its devices: a saved cohort's name, or an expression",
    "policy": "what its rollouts follow: a saved policy's name, or a policy",
    "requires": "what a release must have shown",
}


WEBHOOK = {
    "url": "https://… or mailto:somebody@example.com; left out, the one that the server has stays",
    "form": "what is sent: cloudevents, slack, mail or apprise; left out, mail for mailto:, else cloudevents",
    "kinds": "only these kinds of events; left out, all",
    "rollout": "only about this rollout",
    "device": "only about this device",
    "language": "of texts: en or vi",
}


def to_json() -> Json:
    """The schema as a JSON Schema document: unknown keys are refused everywhere."""
    parts: dict[str, Json] = {
        "version": {"const": VERSION},
        "policies": _names({"$ref": "#/$defs/policy"}),
        "cohorts": _names({"type": "string", "description": "an expression over devices"}),
        "channels": _names({"$ref": "#/$defs/channel"}),
        "webhooks": _names({"$ref": "#/$defs/webhook"}, WEBHOOK_NAME.pattern),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Surefoot fleet",
        **_object(parts),
        "required": ["version"],
        "$defs": {"policy": _policy(), "channel": _channel(), "webhook": _webhook()},
    }


def _policy() -> Json:
    whole = policies.to_json()
    assert isinstance(whole, dict)  # what it is
    return {key: value for key, value in whole.items() if key not in ("$schema", "title")}


def _channel() -> Json:
    kinds: dict[str, dict[str, Json]] = {
        "policy": {"anyOf": [{"type": "string", "pattern": f"^{NAME.pattern}$"}, {"$ref": "#/$defs/policy"}]},
        "requires": policies.placed(_object({}), policies.keys_of(requirements.read)),
    }
    fields: dict[str, Json] = {
        name: {**kinds.get(name, {"type": "string"}), "description": said} for name, said in CHANNEL.items()
    }
    return {**_object(fields), "required": ["cohort"]}


def _webhook() -> Json:
    kinds: dict[str, Json] = {
        "form": {"enum": [form.value for form in Form]},
        "kinds": {"type": "array", "items": {"enum": [kind.value for kind in Happening]}},
        "language": {"enum": list(LANGUAGES)},
    }
    return _object({name: {**_typed(kinds.get(name)), "description": said} for name, said in WEBHOOK.items()})


def _typed(kind: Json) -> dict[str, Json]:
    return kind if isinstance(kind, dict) else {"type": "string"}


def _names(of: Json, pattern: str = NAME.pattern) -> Json:
    return {"type": "object", "propertyNames": {"pattern": f"^{pattern}$"}, "additionalProperties": of}


def _object(fields: dict[str, Json]) -> dict[str, Json]:
    return {"type": "object", "additionalProperties": False, "properties": fields}
