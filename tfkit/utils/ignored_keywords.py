"""Keywords that users of Transformers pass out of habit, and that say what is so here anyway."""

from __future__ import annotations

from typing import Any

_ANY = None  # no value changes an answer
_LOADING = """_commit_hash _fast_init attn_implementation code_revision device_map low_cpu_mem_usage
max_memory mirror offload_buffers offload_folder offload_state_dict resume_download tp_plan
trust_remote_code use_kernels user_agent weights_only"""
# `config` is that of the model: the files say which tokenizer it is, and both kinds give these ids.
_TOKENIZER = """_commit_hash config from_slow legacy mirror resume_download trust_remote_code
use_fast verbose"""
# Keyword -> the values that say what is so here.
LOADING = {
    **dict.fromkeys(_LOADING.split(), _ANY),
    **dict.fromkeys(("gguf_file", "quantization_config", "state_dict"), (None,)),
    **dict.fromkeys(("from_flax", "load_in_4bit", "load_in_8bit"), (False, None)),
    **dict.fromkeys(("adapter_kwargs", "key_mapping"), (None, {})),
    **dict.fromkeys(("load_weight_prefix", "variant"), (None, "")),
    "return_dict": (True, None),
}
SAVING = {
    "push_to_hub": (False, None),
    "safe_serialization": (True, None),
    "saved_model": (False, None),
}
TOKENIZER = {
    **dict.fromkeys(_TOKENIZER.split(), _ANY),
    **dict.fromkeys(("add_prefix_space", "split_special_tokens"), (False, None)),
    **dict.fromkeys(("tokenizer_file", "tokenizer_object"), (None,)),
    "do_basic_tokenize": (True,),
    "never_split": (None, [], ()),
    "tokenizer_type": (None, "distilbert", "bert"),
}
PIPELINE = {
    **LOADING,
    "device": _ANY,
    "framework": ("tf", None),
    "padding": (True, "longest", None),
    "truncation": (True, "longest_first", "only_first", None),
    "use_fast": (True, None),
}
# The question is never cut, as by Transformers with its fast tokenizers.
QUESTION_ANSWERING = {**PIPELINE, "padding": _ANY, "max_question_len": _ANY}

# Of sentence-transformers' `encode`.
ENCODE = {
    "device": _ANY,
    "output_value": ("sentence_embedding",),
    "precision": ("float32",),
    "convert_to_numpy": (True,),
    "convert_to_tensor": (False,),
    "pool": (None,),
    "chunk_size": _ANY,
}


def drop_ignored(options: dict[str, Any], ignored: dict[str, tuple | None]) -> dict[str, Any]:
    """`options` without those of `ignored`; a ValueError if one asks for what tfkit does not do."""
    for name in ignored.keys() & options.keys():
        allowed = ignored[name]
        if allowed is not _ANY and options[name] not in allowed:
            raise ValueError(
                f"Expected `{name}={allowed[0]!r}`, as it always is here. Received: "
                f"{options[name]!r}. Leave it out."
            )
    return {name: value for name, value in options.items() if name not in ignored}
