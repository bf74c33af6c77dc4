"""A gateway that asks for keys, and a key that it knows."""

import hashlib

KEY = "lg-a-key-of-these-tests-0123456789"


def guarded(section, kind_key):
    """Two routes, of which the key opens one."""
    route = "  - {{name: {}, {}: llm/v1/chat, model: {{provider: demo, name: demo}}}}"
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    lines = [f"{section}:", *(route.format(name, kind_key) for name in ("chat", "hidden"))]
    lines += ["callers:", f"  - {{name: tests, key: 'sha256:{digest}', routes: [chat]}}"]
    return "\n".join(lines) + "\n"


def admin_of(section, kind_key):
    """A route of the file, and an admin with the key."""
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    lines = [f"{section}:", f"  - {{name: filed, {kind_key}: llm/v1/chat, model: {{provider: demo, name: demo}}}}"]
    return "\n".join([*lines, f"admin: {{key: 'sha256:{digest}'}}"]) + "\n"
