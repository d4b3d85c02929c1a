"""HTTP/2 frames on a plain socket, for connections that no HTTP/2 library would make."""

import socket
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4
INITIAL_WINDOW_SIZE, HEADER_TABLE_SIZE = 4, 1
CANCEL = 8


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(*pairs):
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", key, value) for key, value in pairs))


def _length(number):
    """HPACK's whole number with a prefix of 7 bits."""
    if number < 0x7F:
        return bytes([number])
    out, number = bytearray([0x7F]), number - 0x7F
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out + bytes([number]))


def header(name, value, indexed=False):
    """A literal field, without Huffman's code; indexed: into the table that both sides keep."""
    return (b"\x40" if indexed else b"\x00") + _length(len(name)) + name + _length(len(value)) + value


def call_headers(path, *more):
    fields = [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", path.encode()),
        (b":authority", b"localhost"),
        (b"content-type", b"application/grpc"),
        (b"te", b"trailers"),
        *more,
    ]
    return b"".join(header(name, value) for name, value in fields)


def message(data):
    """As gRPC frames it: not compressed, its length, its bytes."""
    return b"\0" + struct.pack(">I", len(data)) + data


class Connection:
    """A socket that has said hello. Never reads by itself."""

    def __init__(self, port, *setting_pairs, hello=True):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.next_stream = 1
        if hello:
            self.socket.sendall(PREFACE + settings(*setting_pairs))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        """False: the server has closed the connection, or takes no more."""
        try:
            self.socket.sendall(data)
            return True
        except OSError:
            return False

    def drop_input(self):
        """Throws away what has arrived; False when the other side has closed."""
        try:
            self.socket.setblocking(False)
            while self.socket.recv(1 << 16):
                pass
            return False
        except BlockingIOError:
            return True
        except OSError:
            return False
        finally:
            self.socket.settimeout(5)

    def stream(self):
        number = self.next_stream
        self.next_stream += 2
        return number
