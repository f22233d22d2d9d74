"""Steers the fuzzer past the door: pure chance would meet nothing but 404 and 422.

- Half of the generated ids, in paths and queries, become ids of things that exist, as the run's own user sees them.
- Half of the generated bodies become an acceptable body into which one or two of the generated fields are put.
- Most of the cursors are left out, as a made-up one is always refused, and so are most `If-Match` headers.

Every choice follows from a digest of what was generated, so that a seed repeats a run. The other half stays as it came.
"""

import hashlib
import io
import json
import os
import tarfile
import threading
import time
import urllib.error
import urllib.request

import schemathesis

BASE = os.environ["BERTH_FUZZ_URL"]
# Changing these at random would end the run's own rights or its login; reading them is safe.
READ_ONLY = {"users", "tenants", "logins"}
# Deleting or retiring these at random would leave nothing to meet; one in this many may be met all the same.
PRECIOUS = {"node_delete", "node_decommission", "application_delete", "edge_data_center_delete", "resource_pool_delete"}
PRECIOUS_ODDS = 16
# Seconds that a list is kept.
KEPT = 5

# `{new}` becomes a name that is not taken; `{edge-data-centers}` an id of such a thing.
BODIES = {
    "api_token_create": {"name": "{new}", "expires_in_days": 1},
    "application_create": {"name": "{new}", "title": "Title", "container_image": "berth/builtin:1", "command": ["true"]},
    "application_update": {"title": "Title"},
    "edge_data_center_create": {"name": "{new}", "location": "Here"},
    "edge_data_center_update": {"location": "There"},
    "node_drain": {"deadline_minutes": 5},
    "node_update": {"priority": 50, "labels": {"zone": "a"}},
    "profile_update": {"full_name": "Name"},
    "resource_pool_create": {"name": "{new}", "edge_data_center_id": "{edge-data-centers}"},
    "resource_pool_update": {"description": "Text"},
    "role_permission_replace": {"grants": []},
    "secret_create": {"name": "{new}", "value": "secret"},
    "session_check": {"application": "web"},
    "session_exec": {"command": ["true"]},
    "session_extend": {"minutes": 5},
    "session_launch": {"application": "web", "cpu_request": 0.1, "memory_request_gb": 0.1},
    "session_stop": {"grace_seconds": 1},
    "setting_update": {"value": 10},
    "tenant_create": {"name": "{new}"},
    "tenant_update": {"description": "Text"},
    "ticket_create": {"purpose": "logs"},
    "user_create": {"username": "{new}", "password": "correct horse battery"},
    "user_update": {"full_name": "Name"},
}

_lock = threading.Lock()
_lists: dict[str, tuple[float, list[str]]] = {}


def number_of(value) -> int:
    """The same number for the same value, in every run."""
    return int.from_bytes(hashlib.sha256(repr(value).encode()).digest()[:8], "big")


def existing(collection: str, key: str = "id") -> list[str]:
    """Ids of the collection's newest things; none when it has no list or the user may not see it."""
    with _lock:
        at, ids = _lists.get(collection, (float("-inf"), []))
        if time.monotonic() - at < KEPT:
            return ids
        request = urllib.request.Request(
            f"{BASE}/api/v1/{collection}?limit=20" if collection != "settings" else f"{BASE}/api/v1/settings",
            headers={"Authorization": f"Bearer {os.environ['BERTH_FUZZ_TOKEN']}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                document = json.load(answer)
            rows = document["items"] if isinstance(document, dict) else document
            ids = [row[key] for row in rows if key in row]
        except (urllib.error.URLError, ValueError, KeyError, TypeError):
            ids = []
        _lists[collection] = (time.monotonic(), ids)
        return ids


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    operation = context.operation
    parts = operation.path.removeprefix("/api/v1/").split("/")
    if len(parts) < 2 or not parts[1].startswith("{") or not path_parameters:
        return path_parameters
    name = parts[1].strip("{}")
    if parts[0] in READ_ONLY and operation.method.upper() != "GET":
        return path_parameters
    number = number_of(path_parameters)
    if operation.definition.raw.get("operationId") in PRECIOUS and number % PRECIOUS_ODDS:
        return path_parameters
    ids = existing(parts[0], "key" if parts[0] == "settings" else "id")
    if ids and number % 2 == 0:
        return {**path_parameters, name: ids[(number // PRECIOUS_ODDS) % len(ids)]}
    return path_parameters


@schemathesis.hook
def map_query(context, query):
    if not query:
        return query
    query = dict(query)
    number = number_of(sorted(query.items(), key=str))
    if number % 4:
        query.pop("cursor", None)
    for name in list(query):
        collection = {"subject_id": "sessions", "resource_id": "sessions"}.get(name, name.removesuffix("_id").replace("_", "-") + "s")
        if name.endswith("_id") and number % 8 < 4 and (ids := existing(collection)):
            query[name] = ids[(number // 8) % len(ids)]
    if "path" in query and number % 2:
        query["path"] = "/tmp"
    return query


@schemathesis.hook
def map_headers(context, headers):
    if headers and "If-Match" in headers and number_of(headers["If-Match"]) % 4:
        headers = {name: value for name, value in headers.items() if name != "If-Match"}
    return headers


@schemathesis.hook
def map_body(context, body):
    operation = context.operation.definition.raw.get("operationId")
    number = number_of(body)
    if operation not in BODIES or not isinstance(body, dict) or number % 2:
        return body
    merged = dict(BODIES[operation])
    for name, value in merged.items():
        if value == "{new}":
            merged[name] = f"n{number:x}"[:20]
        elif value == "{edge-data-centers}":
            merged[name] = next(iter(existing("edge-data-centers")), value)
    fields = sorted(body)
    if fields and number % 3:
        for turn in range(1 + number % 2):
            name = fields[(number // (7 + turn)) % len(fields)]
            merged[name] = body[name]
    return merged


@schemathesis.hook
def before_call(context, case, kwargs):
    """The run needs the rights of its own role to the end, so it edits only another one's. A log that is followed has no
    end; following has tests of its own."""
    parameters = case.path_parameters or {}
    if "role" in parameters and parameters["role"] in ("admin", "user"):
        parameters["role"] = "readonly"
    if case.query and str(case.query.get("follow")).lower() == "true":
        case.query["follow"] = "false"


@schemathesis.serializer("application/x-tar")
def serialize_tar(context, value):
    """Half of the uploads are an archive with the generated bytes as a file in it, half are those bytes alone."""
    data = value if isinstance(value, bytes) else str(value).encode(errors="replace")
    if number_of(data) % 2:
        return data
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo("fuzz")
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
    return archive.getvalue()


@schemathesis.deserializer("application/x-tar")
def deserialize_tar(context, response):
    """An archive that cannot be opened is an error of the server; the document describes it as a string."""
    with tarfile.open(fileobj=io.BytesIO(response.content)) as tar:
        tar.getnames()
    return ""
