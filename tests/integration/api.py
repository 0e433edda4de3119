# SPDX-License-Identifier: ISC
"""docs/api.yaml, and whether an answer is as it says. Knows as much of OpenAPI as that file uses."""
import pathlib
import re

import yaml

TOP = pathlib.Path(__file__).resolve().parents[2]
BAD_HTTP = {400, 404, 405, 408, 413, 417, 431, 501, 505}  # whatever was asked for
TYPES = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}


class Api:
    def __init__(self):
        self.whole = yaml.safe_load((TOP / "docs" / "api.yaml").read_text())

    def follow(self, node):
        while "$ref" in node:
            target = self.whole
            for step in node["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            node = target
        return node

    def responses(self, method, path):
        """{status: response} of an operation; None: there is no such one."""
        for pattern, operations in self.whole["paths"].items():
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), path) and method.lower() in operations:
                return {int(status): self.follow(response)
                        for status, response in operations[method.lower()]["responses"].items()}
        return None

    def check(self, method, path, status, body):
        found = self.responses(method, path.partition("?")[0])
        if found is None or status not in found:
            assert status in BAD_HTTP, f"{method} {path}: {status} is not in docs/api.yaml"
            schema = self.whole["components"]["schemas"]["Error"]
        else:
            schema = found[status]["content"]["application/json"]["schema"]
        self.match(schema, body, f"{method} {path} {status}")

    def match(self, schema, value, where):
        schema = self.follow(schema)
        if value is None:
            assert schema.get("nullable"), f"{where} is null"
            return
        kind = TYPES[schema["type"]]
        assert type(value) is kind, f"{where}: {value!r} is no {schema['type']}"
        assert value in schema.get("enum", [value]), f"{where}: {value!r} is none of {schema['enum']}"
        for one in value if kind is list else ():
            self.match(schema["items"], one, f"{where}[]")
        if kind is dict:
            properties = schema["properties"]
            assert set(schema["required"]) <= set(value) <= set(properties), f"{where}: {sorted(value)}"
            for name, one in value.items():
                self.match(properties[name], one, f"{where}.{name}")
