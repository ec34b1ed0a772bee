"""From texts to answers.

`text_model` has a model with its tokenizer; `pipelines` have Hugging Face's face of it. `batching`
makes unpadded batches, which `graph` (TensorFlow), `litert` and `c_classifier` compute.
"""
