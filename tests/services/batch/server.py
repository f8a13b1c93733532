"""`python -m tests.services.batch.server -p PORT`: moto with the engine in it, on 127.0.0.1."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from typing import NoReturn

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import run_simple

from tests.services.batch.admin import Admin
from tests.services.batch.engine import Engine
from tests.services.batch.faults import Faults
from tests.services.batch.install import install
from tests.services.batch.one_writer import OneWriter
from tests.services.batch.runners import tidy
from tests.services.batch.step_functions import mend_step_functions


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("-p", "--port", type=int, required=True)
    parser.add_argument("--with-parent", action="store_true", help="end when standard input does")
    arguments = parser.parse_args()
    port = arguments.port
    os.environ["MOTO_PORT"] = str(port)  # where state machines find the other services
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    engine = Engine()
    install(engine)
    mend_step_functions()
    signal.signal(signal.SIGTERM, lambda *_: _end(engine))
    if arguments.with_parent:
        threading.Thread(target=_end_with_input, args=(engine,), daemon=True).start()
    application = Admin(engine, Faults(OneWriter(DomainDispatcherApplication(create_backend_app))))
    run_simple("127.0.0.1", port, application, threaded=True, request_handler=MotoRequestHandler)


def _end_with_input(engine: Engine) -> None:
    """End when whoever started this process has ended, in whatever way."""
    sys.stdin.buffer.read()
    _end(engine)


def _end(engine: Engine) -> NoReturn:
    """End what runs, then this process."""
    engine.reset()
    tidy()
    os._exit(0)


if __name__ == "__main__":
    main()
