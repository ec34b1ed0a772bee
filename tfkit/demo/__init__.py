"""Where the shipped model lies, and the texts of `tfkit demo`."""
