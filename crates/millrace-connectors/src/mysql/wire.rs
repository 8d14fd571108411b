//! The part of MySQL's protocol that is needed before the driver takes over: packets, the server's
//! greeting, and the error of a server that refuses a connection at once.
//!
//! Format: <https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html>. A packet is a
//! length of three bytes (little-endian), a number of one byte, and the body.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The flag `CLIENT_SSL` in the capabilities of both sides.
pub(super) const TLS: u32 = 0x0800;

/// Bytes of a request for TLS, which are also the first bytes of a `HandshakeResponse`:
/// capabilities, the largest packet, the character set, and zeros.
pub(super) const REQUEST: usize = 32;

/// Most bytes of a packet here. Packets are small until a user is logged in, so a larger one is
/// another protocol.
const LARGEST: usize = 1 << 20;

/// A packet: its number and its body.
pub(super) struct Packet {
    pub(super) number: u8,
    pub(super) body: Vec<u8>,
}

impl Packet {
    /// Reads the next packet. Not cancel-safe: if the future is dropped half-way, the bytes read so
    /// far are lost.
    pub(super) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        let [a, b, c, number] = {
            let mut head = [0; 4];
            from.read_exact(&mut head).await?;
            head
        };
        let length = usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16;
        if length > LARGEST {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "that is no packet of MySQL's protocol"));
        }
        let mut body = vec![0; length];
        from.read_exact(&mut body).await?;
        Ok(Self { number, body })
    }

    /// Writes the packet and flushes the stream.
    pub(super) async fn write(&self, to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let length = u32::try_from(self.body.len()).unwrap_or(u32::MAX).to_le_bytes();
        let mut bytes = vec![length[0], length[1], length[2], self.number];
        bytes.extend_from_slice(&self.body);
        to.write_all(&bytes).await?;
        to.flush().await
    }
}

/// The first packet of a server.
pub(super) enum Greeting {
    /// The server accepts connections.
    Open {
        /// Whether the server has TLS.
        tls: bool,
    },
    /// The server accepts no connection from this machine, or none at this moment.
    Refused {
        /// The error number.
        code: u16,
        /// The error message.
        message: String,
    },
}

impl Greeting {
    /// Parses the first packet of a server (protocol version 10, or an error). Returns `None` for
    /// anything else.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let (&kind, rest) = body.split_first()?;
        match kind {
            10 => {
                let end = rest.iter().position(|byte| *byte == 0)?;
                // After the version follow the connection's number (4 bytes), 8 bytes of the
                // challenge, a zero, and the lower half of the capabilities.
                let lower = rest.get(end + 1 + 4 + 8 + 1..)?.first_chunk::<2>()?;
                let tls = u32::from(u16::from_le_bytes(*lower)) & TLS != 0;
                Some(Self::Open { tls })
            }
            0xff => {
                let (code, message) = rest.split_first_chunk::<2>()?;
                // The SQLSTATE, if the server sends one, is `#` and five characters.
                let message = if message.first() == Some(&b'#') { message.get(6..)? } else { message };
                let message = String::from_utf8_lossy(message).into_owned();
                Some(Self::Refused { code: u16::from_le_bytes(*code), message })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn greetings() {
        let mut body = b"\x0a5.5.5-10.11.4-MariaDB\0\x01\0\0\0abcdefgh\0\xff\xff".to_vec();
        assert!(matches!(Greeting::parse(&body), Some(Greeting::Open { tls: true })));
        let at = body.len() - 1;
        body[at] = 0xf7;
        assert!(matches!(Greeting::parse(&body), Some(Greeting::Open { tls: false })));
        for refused in
            [b"\xff\x6a\x04#HY000Host is not allowed".as_slice(), b"\xff\x6a\x04Host is not allowed"]
        {
            let Some(Greeting::Refused { code: 1130, message }) = Greeting::parse(refused) else {
                panic!("another")
            };
            assert_eq!(message, "Host is not allowed");
        }
        assert!(Greeting::parse(b"SSH-2.0-OpenSSH").is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = Greeting::parse(&bytes);
        }
    }

    #[tokio::test]
    async fn packets() {
        let mut wire = Vec::new();
        let long = Packet { number: 7, body: vec![1; 70_000] };
        long.write(&mut wire).await.expect("written");
        let read = Packet::read(&mut wire.as_slice()).await.expect("read");
        assert_eq!((read.number, read.body), (7, vec![1; 70_000]));
        assert!(Packet::read(&mut b"HTTP/1.1 200".as_slice()).await.is_err());
    }
}
