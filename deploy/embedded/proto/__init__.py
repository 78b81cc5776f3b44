"""Messages generated from this folder's .proto files (``make protos``)."""
