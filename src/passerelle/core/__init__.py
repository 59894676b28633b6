"""The ground floor: values only. Nothing here opens a socket, reads a disk, or looks at a clock.

Every other floor speaks in these values. They are frozen, equal by content, and cheap to make
(msgspec Structs). A change makes a new one. `core.clock` is the one module that touches the world.
"""
