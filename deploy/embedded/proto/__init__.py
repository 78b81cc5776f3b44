"""Messages that are generated from the .proto files of this folder (``make protos``)."""
