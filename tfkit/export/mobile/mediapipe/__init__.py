"""What MediaPipe's text classifier reads."""
