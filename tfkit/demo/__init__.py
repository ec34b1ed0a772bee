"""`tfkit demo`, its texts, and where the shipped model lies."""
