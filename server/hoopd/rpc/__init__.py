"""gRPC servicers: authenticate, convert, call. What they answer is made elsewhere."""
