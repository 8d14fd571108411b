//! Unpacks gzip (RFC 1952) and Zstandard (RFC 8878) files of one or several members or frames.
//!
//! The suffix of the name decides how a file is packed; without a known suffix its first bytes do.
//! Damaged data fail with [`Damaged`], which tells a file that ends too early from one that is
//! corrupt.

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, BufReader, Chain, Cursor, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

/// Bytes of packed data that are read at a time.
const BLOCK: usize = 1 << 18;

/// How a file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Packing {
    /// Determines the packing by the file's name or, if the suffix is not known, by its first
    /// bytes, with which no text in any encoding begins.
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

    /// The name of the packing in messages.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// The suffix of names of such files, with its dot.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }
}

/// A reader whose first bytes were read to determine the packing, and come again.
type Peeked<R> = Chain<Cursor<Vec<u8>>, R>;

/// A reader that unpacks. Errors of the packed data carry [`Damaged`]; other errors are those of
/// the inner reader.
pub(crate) enum Unpacked<R: Read> {
    Plain(Peeked<R>),
    Gzip(Box<MultiGzDecoder<BufReader<Peeked<R>>>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, BufReader<Peeked<R>>>>),
}

impl<R: Read> Unpacked<R> {
    /// Determines the packing from the name and the first four bytes. Fails if the name promises
    /// packed data and the file is empty.
    pub(crate) fn new(name: &str, mut reader: R) -> io::Result<Self> {
        let mut start = Vec::with_capacity(4);
        (&mut reader).take(4).read_to_end(&mut start)?;
        let packing = Packing::of(name, &start);
        if start.is_empty() && packing != Packing::Plain {
            // Packed data of an empty file have some bytes, so an empty file was cut off.
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

    /// The inner reader, which stands after the bytes that the decoder has taken from it.
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

/// The error of packed data that cannot be unpacked.
#[derive(Debug)]
pub(crate) struct Damaged {
    pub(crate) packing: Packing,
    /// Whether the data end too early.
    pub(crate) cut_off: bool,
    what: String,
}

impl Damaged {
    /// Wraps an error of the decoder; passes on an error of the inner reader as it is.
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
