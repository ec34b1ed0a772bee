"""Keywords that users of Transformers pass out of habit, and that say what is so here anyway."""

from __future__ import annotations

from typing import Any

_ANY = None
# Keyword -> the values that say what is so here; `_ANY` where none changes an answer.
LOADING = {
    "_commit_hash": _ANY,
    "_fast_init": _ANY,
    "adapter_kwargs": (None, {}),
    "attn_implementation": _ANY,
    "code_revision": _ANY,
    "device_map": _ANY,
    "from_flax": (False, None),
    "gguf_file": (None,),
    "key_mapping": (None, {}),
    "load_in_4bit": (False, None),
    "load_in_8bit": (False, None),
    "load_weight_prefix": (None, ""),
    "low_cpu_mem_usage": _ANY,
    "max_memory": _ANY,
    "mirror": _ANY,
    "offload_buffers": _ANY,
    "offload_folder": _ANY,
    "offload_state_dict": _ANY,
    "quantization_config": (None,),
    "resume_download": _ANY,
    "return_dict": (True, None),
    "state_dict": (None,),
    "tp_plan": _ANY,
    "trust_remote_code": _ANY,  # no code of a checkpoint is ever run
    "use_kernels": _ANY,
    "user_agent": _ANY,
    "variant": (None, ""),
    "weights_only": _ANY,
}
SAVING = {
    "push_to_hub": (False, None),
    "safe_serialization": (True, None),
    "saved_model": (False, None),
}
TOKENIZER = {
    "_commit_hash": _ANY,
    "add_prefix_space": (False, None),
    "config": _ANY,  # of the model: the files say which tokenizer it is
    "do_basic_tokenize": (True,),
    "from_slow": _ANY,
    "legacy": _ANY,
    "mirror": _ANY,
    "never_split": (None, [], ()),
    "resume_download": _ANY,
    "split_special_tokens": (False, None),
    "tokenizer_file": (None,),
    "tokenizer_object": (None,),
    "tokenizer_type": (None, "distilbert", "bert"),
    "trust_remote_code": _ANY,
    "use_fast": _ANY,  # both kinds give these ids
    "verbose": _ANY,
}
PIPELINE = {
    **LOADING,
    "device": _ANY,
    "framework": ("tf", None),
    "padding": (True, "longest", None),
    "truncation": (True, "longest_first", "only_first", None),
    "use_fast": (True, None),
}


def drop_ignored(options: dict[str, Any], ignored: dict[str, tuple | None]) -> dict[str, Any]:
    """`options` without the keywords of `ignored`.

    Raises:
        ValueError: one of them asks for something else than what tfkit does.

    Example:

        >>> drop_ignored({"device": -1, "top_k": 2}, PIPELINE)
        {'top_k': 2}
    """
    for name in ignored.keys() & options.keys():
        allowed = ignored[name]
        if allowed is not _ANY and options[name] not in allowed:
            raise ValueError(
                f"Expected `{name}={allowed[0]!r}`, as it always is here. Received: "
                f"{options[name]!r}. Leave it out."
            )
    return {name: value for name, value in options.items() if name not in ignored}
