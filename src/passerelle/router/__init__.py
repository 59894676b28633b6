"""Which of the eligible is best, and why. Pure."""
