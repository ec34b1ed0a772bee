"""From texts to answers.

`text_model` has a model with its tokenizer; `pipelines` have Hugging Face's face of it. `batching`
turns texts into unpadded batches, which `graph` (the Keras model in TensorFlow), `litert` and
`c_classifier` (TensorFlow's C library, which needs none of the seconds that importing TensorFlow
takes) compute. `cache` has what is converted; `speed` measures.
"""
