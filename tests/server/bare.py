"""What there is to be compared with: a route of FastAPI that reads one row, and nothing else."""

from __future__ import annotations

import sys
from queue import SimpleQueue
from typing import Any

import psycopg
import uvicorn
from fastapi import FastAPI

app = FastAPI()
connections: SimpleQueue[Any] = SimpleQueue()


@app.get("/row")
def row() -> dict[str, str]:
    """One organization's name."""
    connection = connections.get()
    try:
        (name,) = connection.execute("SELECT name FROM organizations").fetchone()
    finally:
        connections.put(connection)
    return {"name": name}


if __name__ == "__main__":
    for _ in range(8):
        connections.put(psycopg.connect(sys.argv[1], autocommit=True))
    uvicorn.run(app, port=int(sys.argv[2]), log_level="error")
