"""Writes the weights as Transformers' TensorFlow models save them; runs in that environment.

    python -m benchmarks.peers.write_tensorflow FOLDER

Transformers 4.57 fails to read a folder of torch's into TensorFlow: it iterates over what
`safetensors.safe_open` gives, which cannot be iterated over.
"""

from __future__ import annotations

import sys
from pathlib import Path

from safetensors.numpy import load_file
from transformers import AutoConfig, TFAutoModelForSequenceClassification
from transformers.modeling_tf_pytorch_utils import load_pytorch_state_dict_in_tf2_model

folder = Path(sys.argv[1])
model = TFAutoModelForSequenceClassification.from_config(AutoConfig.from_pretrained(folder))
model.build_in_name_scope()
weights = load_file(folder / "model.safetensors")
load_pytorch_state_dict_in_tf2_model(model, weights, tf_inputs=False)
model.save_pretrained(folder / "tensorflow", safe_serialization=True)
