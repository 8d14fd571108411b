//! As much of MySQL's protocol as comes before the driver: packets, the server's greeting, and its word when it refuses at once.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html>

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// `CLIENT_SSL`, in the capabilities of both sides.
pub(super) const TLS: u32 = 0x0800;

/// What a `HandshakeResponse` begins with, and all that a request for TLS has: capabilities, the largest packet, the character set.
pub(super) const REQUEST: usize = 32;

/// Packets are small until somebody is logged in.
const LARGEST: usize = 1 << 20;

/// A packet: its number and its contents.
pub(super) struct Packet {
    pub(super) number: u8,
    pub(super) body: Vec<u8>,
}

impl Packet {
    /// The next packet of a stream. Must not be dropped half-way.
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

    pub(super) async fn write(&self, to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let length = u32::try_from(self.body.len()).unwrap_or(u32::MAX).to_le_bytes();
        let mut bytes = vec![length[0], length[1], length[2], self.number];
        bytes.extend_from_slice(&self.body);
        to.write_all(&bytes).await?;
        to.flush().await
    }
}

/// What a server says first.
pub(super) enum Greeting {
    /// It takes connections.
    Open {
        /// Whether it has TLS.
        tls: bool,
    },
    /// It takes none from here, or none now.
    Refused {
        /// Its number of the error.
        code: u16,
        /// Its words.
        message: String,
    },
}

impl Greeting {
    /// Reads the first packet of a server; none where it is something else.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let (&kind, rest) = body.split_first()?;
        match kind {
            10 => {
                let end = rest.iter().position(|byte| *byte == 0)?;
                // Behind its version the connection's number, eight bytes of the challenge and a zero come before the lower half of the capabilities.
                let lower = rest.get(end + 1 + 4 + 8 + 1..)?.first_chunk::<2>()?;
                let tls = u32::from(u16::from_le_bytes(*lower)) & TLS != 0;
                Some(Self::Open { tls })
            }
            0xff => {
                let (code, message) = rest.split_first_chunk::<2>()?;
                // Its SQLSTATE, where it gives one.
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
