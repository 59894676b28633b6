"""Responses made in the background: taken at once, asked on the same road as any request, read by their ids.

begin    a request → a row that any worker may take up        run      one of them, from its claim to its end
runner   those of one worker
"""
