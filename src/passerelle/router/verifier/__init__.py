"""What checks a cheap model's answer in a cascade. Verdicts are explained without a word of the answer."""
