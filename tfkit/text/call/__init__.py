"""The tokenizer's call, as Hugging Face has it."""
