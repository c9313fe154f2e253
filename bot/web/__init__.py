"""The ASGI application that mounts channels, health and metrics, and the processes that serve it."""
