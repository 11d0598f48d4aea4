//! TCP sockets on the runtime's own reactor.
