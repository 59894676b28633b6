"""A small model on this machine: fetched once (`install`), run in a child process (`engine`), kept alive
(`supervise`), called like any OpenAI-compatible server (`provider`).
"""
