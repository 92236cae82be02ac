"""Serves S3 from memory on a free port, says where, and ends when its input does.

With `--signatures` every call must be signed by the one user there is, whose keys it says behind the address."""

import logging
import sys
import threading

from moto import settings
from moto.core import DEFAULT_ACCOUNT_ID
from moto.iam.models import iam_backends
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


def user_with_keys():
    """A user who may do with S3 whatever they like, and their keys. From here on everybody has to sign."""
    iam = iam_backends[DEFAULT_ACCOUNT_ID]["aws"]
    iam.create_user("us-east-1", "archive")
    policy = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}'
    iam.put_user_policy("archive", "archive", policy)
    settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
    key = iam.create_access_key("archive", "AKIA")
    return f" {key.access_key_id} {key.secret_access_key}"


logging.getLogger("werkzeug").setLevel(logging.ERROR)
application = AtomicConditions(DomainDispatcherApplication(create_backend_app))
server = make_server("127.0.0.1", 0, application, threaded=True)
keys = user_with_keys() if "--signatures" in sys.argv else ""
print(f"http://127.0.0.1:{server.port}{keys}", flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
