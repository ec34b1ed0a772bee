"""TensorFlow and Keras for modules that serve without them too: imported when first used."""

from __future__ import annotations

import importlib


class _Lazy:
    def __init__(self, module: str):
        self._module = module

    def __getattr__(self, name: str):
        importlib.import_module("tfkit.utils.keras_backend")  # one clear error for another backend
        return getattr(importlib.import_module(self._module), name)


keras, ops, tf = map(_Lazy, ("keras", "keras.ops", "tensorflow"))
