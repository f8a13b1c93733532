"""A server to try flows against: it squares numbers, takes its time, and fails a fifth of the calls.

python examples/flaky_server.py --port 8765

GET /square/12   {"square": 144}, or status 503; which call fails follows from the number and how often it was asked for
GET /stats       what it has answered so far
"""

import argparse
import asyncio
import json
from collections import Counter
from zlib import crc32

answered: Counter[int] = Counter()
asked: Counter[int] = Counter()
LATENCY_S = 0.05


async def square(number: int) -> tuple[int, dict[str, object]]:
    """Answer one call; every fifth, roughly, fails."""
    asked[number] += 1
    is_bad = crc32(f"{number}/{asked[number]}".encode()) % 5 == 0
    await asyncio.sleep(LATENCY_S)
    if is_bad:
        return 503, {"error": "try again"}
    answered[number] += 1
    return 200, {"square": number**2}


def stats() -> dict[str, object]:
    """Say what was asked, and how often each number was answered."""
    return {"calls": asked.total(), "failed": asked.total() - answered.total(), "answered": answered}


async def serve_client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the calls of one connection until it is closed."""
    while True:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            break
        path = head.split(b" ", 2)[1].decode()
        status, body = (200, stats()) if path == "/stats" else await square(int(path.rpartition("/")[2]))
        content = json.dumps(body).encode()
        header = (
            f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        writer.write(header.encode() + content)
    writer.close()


async def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=8765, help="0: any that is free")
    server = await asyncio.start_server(serve_client, "127.0.0.1", parser.parse_args().port)
    port = server.sockets[0].getsockname()[1]
    print(f"serving on http://127.0.0.1:{port}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
