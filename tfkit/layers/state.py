"""What of a layer is frozen and quantised, as plain values for its config.

Keras keeps a flag `trainable` for each layer and one for each weight, and its `get_config` gives
that of the outermost layer alone.
"""

from __future__ import annotations


def state_of(layer) -> dict:
    """Which parts of a layer are frozen or quantised, by their places in it.

    Returns: `frozen`, the parts whose `trainable` is False; `apart`, the weights that are not as
        their part says; `quantized`, the modes of quantised parts.

    Example:

        >>> import keras
        >>> layer = keras.layers.Dense(2)
        >>> layer.build((None, 3))
        >>> layer.bias.trainable = False
        >>> state_of(layer)
        {'frozen': [], 'apart': ['0/bias'], 'quantized': {}}
    """
    parts = layer._flatten_layers()
    modes = {str(place): part.quantization_mode for place, part in enumerate(parts)}
    return {
        "frozen": [place for place, part in enumerate(parts) if not part.trainable],
        "apart": [p for p, part, weight in _weights(layer) if weight.trainable != part.trainable],
        "quantized": {place: mode for place, mode in modes.items() if mode},
    }


def restore(layer, state: dict) -> None:
    """Gives a built layer what `state_of` said of its like, as far as `state` says it."""
    parts = layer._flatten_layers()
    for place, mode in state.get("quantized", {}).items():
        parts[int(place)].quantize(mode)
    if "frozen" not in state:
        return
    # A part comes before those in it, to which it passes its own flag on.
    for place, part in enumerate(parts):
        part.trainable = place not in state["frozen"]
    for place, part, weight in _weights(layer):
        if place in state["apart"]:
            weight.trainable = not part.trainable


def _weights(layer):
    """Each weight of a layer with the innermost part that has it, and its place in that."""
    found = {
        id(weight): (f"{place}/{weight.name}", part, weight)
        for place, part in enumerate(layer._flatten_layers())
        for weight in part.weights
    }
    return found.values()
