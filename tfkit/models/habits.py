"""Keywords that users of Transformers pass out of habit, and that say what is so here anyway."""

from __future__ import annotations

from typing import Any

_ANY = None
# Keyword -> the values that say what is so here; `_ANY` where none changes an answer.
LOADING = {
    "_fast_init": _ANY,
    "attn_implementation": _ANY,
    "device_map": _ANY,
    "low_cpu_mem_usage": _ANY,
    "resume_download": _ANY,
    "return_dict": (True, None),
    "trust_remote_code": _ANY,  # no code of a checkpoint is ever run
}
SAVING = {
    "push_to_hub": (False, None),
    "safe_serialization": (True, None),
    "saved_model": (False, None),
}
PIPELINE = {
    **LOADING,
    "device": _ANY,
    "framework": ("tf", None),
    "padding": (True, "longest", None),
    "truncation": (True, "longest_first", "only_first", None),
    "use_fast": (True, None),
}


def drop_habits(options: dict[str, Any], habits: dict[str, tuple | None]) -> dict[str, Any]:
    """`options` without the keywords of `habits`.

    Raises:
        ValueError: one of them asks for something else than what tfkit does.

    Example:

        >>> drop_habits({"device": -1, "top_k": 2}, PIPELINE)
        {'top_k': 2}
    """
    for name in habits.keys() & options.keys():
        allowed = habits[name]
        if allowed is not _ANY and options[name] not in allowed:
            raise ValueError(
                f"Expected `{name}={allowed[0]!r}`, as it always is here. Received: "
                f"{options[name]!r}. Leave it out."
            )
    return {name: value for name, value in options.items() if name not in habits}
