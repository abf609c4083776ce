"""The gateway as seen from the command: the only package that sees grpc and generated code; what leaves it is plain."""
