"""Text room: the tokenizer, in the graph."""
