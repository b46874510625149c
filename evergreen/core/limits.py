"""What prediction requests may hold: one number for the server, the front before it and callers that cut batches.

A server holds `MAX_WAITING` requests at once, of `MAX_WAITING_INSTANCES` and `MAX_WAITING_BYTES` together; further
ones are refused before their body is read.
"""

from __future__ import annotations

MAX_BODY_BYTES = 10 * 1024 * 1024
MAX_ANSWER_BYTES = 9_500_000
"""A request whose answer is larger is refused: fewer instances of it give less. Vertex AI passes 10 MB at most."""
MAX_INSTANCES = 1000
MAX_WAITING = 128
FULL_STATUS = 429
"""What the local endpoint answers where there is no room: Too Many Requests. Elsewhere the server's setting decides."""
MAX_WAITING_INSTANCES = 4 * MAX_INSTANCES
MAX_WAITING_BYTES = 64 * 1024 * 1024

MAX_DECODED_BYTES = 256 * 1024 * 1024
"""Once the pictures of requests that wait take so much, further requests wait as they came: files are small."""
SMALL_BODY_BYTES = 64 * 1024
"""What each body may take of the memory without a question; only what goes beyond it counts against a limit."""
MAX_CONNECTIONS = 1000
HEADER_TIMEOUT_S = 10.0
BODY_STALL_S = 10.0
"""How long a sender may pause within a body."""
BODY_TIMEOUT_S = 60.0
KEEP_ALIVE_S = 75.0
LINGER_S = 5.0
"""How long what a refused caller still sends is thrown away: closing at once would reset the refusal under way."""
MAX_HELD_BYTES = 2 * MAX_WAITING_BYTES
"""What bodies in the front hold together: it waits for two versions at once."""
LOG_PERIOD_S = 1.0
"""Lines of a kind that callers cause come once in so long."""
