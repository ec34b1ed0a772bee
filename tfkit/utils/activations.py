"""The activation functions of a feed-forward block, by the names that config.json has."""

# What config.json may say for `activation` -> the function of `keras.activations` that it is, with
# its arguments (transformers: `activations.py`, `ACT2CLS`).
ACTIVATIONS = {
    "gelu": ("gelu", {"approximate": False}),
    "gelu_accurate": ("gelu", {"approximate": True}),
    "gelu_fast": ("gelu", {"approximate": True}),
    "gelu_new": ("gelu", {"approximate": True}),
    "gelu_python": ("gelu", {"approximate": False}),
    "gelu_pytorch_tanh": ("gelu", {"approximate": True}),
    "leaky_relu": ("leaky_relu", {"negative_slope": 0.01}),
    "linear": ("linear", {}),
    "mish": ("mish", {}),
    "relu": ("relu", {}),
    "relu6": ("relu6", {}),
    "sigmoid": ("sigmoid", {}),
    "silu": ("silu", {}),
    "swish": ("silu", {}),
    "tanh": ("tanh", {}),
}
