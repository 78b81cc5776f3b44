"""Configure TLS for the gRPC port (``--ssl_config_file``).

The REST port has no TLS, as in TensorFlow Serving.
"""

from pathlib import Path

import grpc

from deploy.embedded import text_proto
from deploy.embedded.errors import StartError
from deploy.embedded.proto.config_pb2 import SSLConfig


def credentials(path: Path) -> grpc.ServerCredentials:
    """Read TLS credentials from an SSLConfig in text format.

    Its keys and certificates are PEM text.

    Raises:
        StartError: the file cannot be read, or lacks a key, a certificate or the authority that verifies clients.
    """
    config = text_proto.read(path, SSLConfig())
    for field, begin in (("server_key", "-----BEGIN "), ("server_cert", "-----BEGIN CERTIFICATE")):
        if begin not in getattr(config, field):
            msg = f"{path} has no {field} in PEM; write the text itself into the file, its line ends as \\n."
            raise StartError(msg)
    if config.client_verify and not config.custom_ca:
        msg = f"{path} has client_verify without custom_ca; add the authority that signs the clients' certificates."
        raise StartError(msg)
    return grpc.ssl_server_credentials(
        [(config.server_key.encode(), config.server_cert.encode())],
        root_certificates=config.custom_ca.encode() or None,
        require_client_auth=config.client_verify,
    )
