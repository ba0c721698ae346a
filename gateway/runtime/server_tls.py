"""TLS on the data plane's listening socket: our certificate, and whose certificates vouch for clients."""

import ssl
from pathlib import Path


def server_tls(
    files: tuple[Path, Path], client_ca: Path | None = None, *, must_certify: bool = False
) -> ssl.SSLContext:
    """The context for the certificate chain and the key in `files`.

    Clients may show certificates of `client_ca`, or must. One that is not of theirs ends the handshake.
    """
    # Not ssl.create_default_context: that writes every connection's secrets to the file that SSLKEYLOGFILE names.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(*files)
    if client_ca is not None:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED if must_certify else ssl.CERT_OPTIONAL
    return context
