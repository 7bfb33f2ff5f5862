"""A one-page PDF under a password (PDF 1.7, section 7.6: standard security handler, revision 3, RC4 of 128 bits)."""

from hashlib import md5

PADDING = bytes.fromhex("28bf4e5e4e758a4164004e56fffa01082e2e00b6d0683e802f0ca9fe6453697a")
DOCUMENT_ID = bytes(range(16))
PERMISSIONS = -44
KEY_BYTES = 16


def encrypted_pdf(text: str, *, user_password: str, owner_password: str = "owner") -> bytes:
    """The PDF; with an empty user password anyone may read it."""
    owner_entry = _repeated_rc4(_stretched(_padded(owner_password)), _padded(user_password))
    permissions = PERMISSIONS.to_bytes(4, "little", signed=True)
    key = _stretched(_padded(user_password) + owner_entry + permissions + DOCUMENT_ID)
    user_entry = _repeated_rc4(key, md5(PADDING + DOCUMENT_ID).digest()) + bytes(16)
    content = _rc4(_object_key(key, 4), f"BT /F1 12 Tf 72 700 Td ({text}) Tj ET".encode())
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Filter /Standard /V 2 /R 3 /Length 128 /P %d /O <%s> /U <%s> >>"
        % (PERMISSIONS, owner_entry.hex().encode(), user_entry.hex().encode()),
    ]
    out, offsets = b"%PDF-1.7\n", []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    trailer = b"<< /Size 7 /Root 1 0 R /Encrypt 6 0 R /ID [<%s> <%s>] >>" % ((DOCUMENT_ID.hex().encode(),) * 2)
    return out + b"xref\n0 7\n%strailer\n%s\nstartxref\n%d\n%%%%EOF\n" % (table, trailer, len(out))


def _padded(password: str) -> bytes:
    return (password.encode() + PADDING)[:32]


def _stretched(data: bytes) -> bytes:
    for _ in range(51):
        data = md5(data).digest()
    return data[:KEY_BYTES]


def _repeated_rc4(key: bytes, data: bytes) -> bytes:
    for step in range(20):
        data = _rc4(bytes(byte ^ step for byte in key), data)
    return data


def _object_key(key: bytes, number: int) -> bytes:
    return md5(key + number.to_bytes(3, "little") + bytes(2)).digest()


def _rc4(key: bytes, data: bytes) -> bytes:
    state, j = list(range(256)), 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    out, i, j = bytearray(), 0, 0
    for byte in data:
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        out.append(byte ^ state[(state[i] + state[j]) % 256])
    return bytes(out)
