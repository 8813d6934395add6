"""The messages of Loki's push in protobuf, described here, for no package on PyPI brings them.

Field numbers follow Loki's `push.proto`; a line is bytes, for senders do not check that it is UTF-8.
"""

from __future__ import annotations

import functools
from typing import Any

_STRING, _BYTES, _MESSAGE, _INT64, _INT32 = 9, 12, 11, 3, 5
_MESSAGES: dict[str, tuple[tuple[str, int, int, bool, str], ...]] = {
    "Timestamp": (("seconds", 1, _INT64, False, ""), ("nanos", 2, _INT32, False, "")),
    "LabelPair": (("name", 1, _STRING, False, ""), ("value", 2, _STRING, False, "")),
    "Entry": (
        ("timestamp", 1, _MESSAGE, False, "Timestamp"),
        ("line", 2, _BYTES, False, ""),
        ("structuredMetadata", 3, _MESSAGE, True, "LabelPair"),
    ),
    "Stream": (("labels", 1, _STRING, False, ""), ("entries", 2, _MESSAGE, True, "Entry")),
    "PushRequest": (("streams", 1, _MESSAGE, True, "Stream"),),
}
"""Message → its fields: name, number, type, whether it is repeated, message that it holds."""


@functools.cache
def push_request() -> Any:
    """Return the class of `PushRequest`."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    package = "fm_anomaly.loki"
    file = descriptor_pb2.FileDescriptorProto(name="fm_anomaly/loki.proto", package=package, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind, is_repeated, held in fields:
            added = message.field.add(name=field, number=number, type=kind, label=3 if is_repeated else 1)
            if held:
                added.type_name = f".{package}.{held}"
    pool = descriptor_pool.DescriptorPool()  # our own: the names of the default one are the process's
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.PushRequest"))
