//! Files that are packed: gzip (RFC 1952) and Zstandard (RFC 8878), of one or several members or frames.

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, BufReader, Chain, Cursor, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

const BLOCK: usize = 1 << 18;

/// How a file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Packing {
    /// By the file's name or, where that does not say, by how the file starts: no text in any encoding starts so.
    fn of(name: &str, start: &[u8]) -> Self {
        let ending = Path::new(name).extension().map(OsStr::to_ascii_lowercase);
        match ending.as_deref().and_then(OsStr::to_str) {
            Some("gz") => return Self::Gzip,
            Some("zst") => return Self::Zstd,
            _ => {}
        }
        match start {
            [0x1F, 0x8B, 8, ..] => Self::Gzip,
            [0x28, 0xB5, 0x2F, 0xFD, ..] => Self::Zstd,
            _ => Self::Plain,
        }
    }

    /// As people write it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// How names of such files end.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }
}

type Peeked<R> = Chain<Cursor<Vec<u8>>, R>;

/// A reader of what is packed. Errors of the packed data carry [`Damaged`]; others are the reader's own.
pub(crate) enum Unpacked<R: Read> {
    Plain(Peeked<R>),
    Gzip(Box<MultiGzDecoder<BufReader<Peeked<R>>>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, BufReader<Peeked<R>>>>),
}

impl<R: Read> Unpacked<R> {
    /// Looks at how the file of that name starts.
    pub(crate) fn new(name: &str, mut reader: R) -> io::Result<Self> {
        let mut start = Vec::with_capacity(4);
        (&mut reader).take(4).read_to_end(&mut start)?;
        let packing = Packing::of(name, &start);
        if start.is_empty() && packing != Packing::Plain {
            // Packed nothing has a few bytes.
            let what = "there are none".to_owned();
            let damaged = Damaged { packing, cut_off: true, what };
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, damaged));
        }
        let peeked = Cursor::new(start).chain(reader);
        let buffered = |peeked| BufReader::with_capacity(BLOCK, peeked);
        Ok(match packing {
            Packing::Plain => Self::Plain(peeked),
            Packing::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(buffered(peeked)))),
            Packing::Zstd => {
                Self::Zstd(Box::new(zstd::stream::read::Decoder::with_buffer(buffered(peeked))?))
            }
        })
    }

    /// What was read from.
    pub(crate) fn into_inner(self) -> R {
        let peeked = match self {
            Self::Plain(peeked) => peeked,
            Self::Gzip(decoder) => decoder.into_inner().into_inner(),
            Self::Zstd(decoder) => decoder.finish().into_inner(),
        };
        peeked.into_inner().1
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(peeked) => peeked.read(buffer),
            Self::Gzip(decoder) => decoder.read(buffer).map_err(|error| Damaged::of(Packing::Gzip, error)),
            Self::Zstd(decoder) => decoder.read(buffer).map_err(|error| Damaged::of(Packing::Zstd, error)),
        }
    }
}

/// Packed data that cannot be unpacked.
#[derive(Debug)]
pub(crate) struct Damaged {
    pub(crate) packing: Packing,
    /// Whether they end too early.
    pub(crate) cut_off: bool,
    what: String,
}

impl Damaged {
    /// The error of a decoder, unless it is one of what it reads from.
    fn of(packing: Packing, error: io::Error) -> io::Error {
        let is_foreign = error.raw_os_error().is_some()
            || error.kind() == io::ErrorKind::Interrupted
            || error
                .get_ref()
                .is_some_and(<dyn std::error::Error + Send + Sync>::is::<millrace_engine::error::Error>);
        if is_foreign {
            return error;
        }
        let cut_off = error.kind() == io::ErrorKind::UnexpectedEof;
        io::Error::new(error.kind(), Self { packing, cut_off, what: error.to_string() })
    }
}

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Damaged {}
