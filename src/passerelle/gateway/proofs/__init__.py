"""Whether a complete answer is what its request asked for: form alone, and nothing of what it says.

schema    a JSON value against a JSON schema, in a bounded number of steps
answer    an answer against its request: the format asked for, and the arguments of its calls
"""
