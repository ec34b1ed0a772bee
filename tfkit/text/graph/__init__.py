"""The tokenizer in the TensorFlow graph."""
