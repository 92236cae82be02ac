"""Serves S3 from memory on a free port, says where, and ends when its input does."""

import logging
import sys
import threading

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server


class AtomicConditions:
    """moto looks first and writes later; S3 does both at once. One conditional write at a time makes it so."""

    def __init__(self, application):
        self.application = application
        self.lock = threading.Lock()

    def __call__(self, environ, start_response):
        if "HTTP_IF_NONE_MATCH" in environ and environ["REQUEST_METHOD"] in ("PUT", "POST"):
            with self.lock:
                return self.application(environ, start_response)
        return self.application(environ, start_response)


logging.getLogger("werkzeug").setLevel(logging.ERROR)
application = AtomicConditions(DomainDispatcherApplication(create_backend_app))
server = make_server("127.0.0.1", 0, application, threaded=True)
print(f"http://127.0.0.1:{server.port}", flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
