"""What BERT's normalizer does to each character."""
